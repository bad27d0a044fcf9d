"""From OpenWhisk to Lambda: a namespace's actions as functions that `aws` or `lambent` can deploy."""

import base64
import io
import json
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambent.cli import whisk_handlers as handlers
from lambent.cli.failure import Failure
from lambent.whisk.names import function_name

ROLE = "whisk-actions"
LONGEST_S = 900  # a function of Lambda's
VERSION = f"3.{sys.version_info.minor}"  # of the Python that stands before executables and sequences
LENT = "lambda/"  # the package of functions among the actions
ZIP = b"PK\x03\x04"
EPOCH = (1980, 1, 1, 0, 0, 0)
EXECUTABLE = 0o100755 << 16
# By family of kinds: the handler, its file's suffix, and what an action's single file is called.
TEMPLATES = {
    "python": handlers.PYTHON,
    "nodejs": handlers.JAVASCRIPT,
    "blackbox": handlers.EXECUTABLE,
    "sequence": handlers.SEQUENCE,
}
SUFFIXES = {"nodejs": "js"}
FILES = {"python": "__main__.py", "nodejs": "index.js", "blackbox": "exec"}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
DEPLOY = """#!/bin/sh
# Makes the functions of this folder, by the aws CLI: eval "$(lambent env)" first for a node of Lambent.
set -e
cd "$(dirname "$0")"
aws iam get-role --role-name {role} >/dev/null 2>&1 ||
    aws iam create-role --role-name {role} --assume-role-policy-document file://roles/trust.json >/dev/null
role=$(aws iam get-role --role-name {role} --query Role.Arn --output text)
aws iam put-role-policy --role-name {role} --policy-name logs --policy-document file://roles/policy.json
for file in functions/*.json; do
    name=$(basename "$file" .json)
    if aws lambda get-function-configuration --function-name "$name" >/dev/null 2>&1; then
        aws lambda update-function-code --function-name "$name" \\
            --zip-file "fileb://${{file%.json}}.zip" >/dev/null
        aws lambda wait function-updated-v2 --function-name "$name"
        aws lambda update-function-configuration --cli-input-json "file://$file" --role "$role" \\
            --query FunctionArn --output text
    else
        aws lambda create-function --cli-input-json "file://$file" --role "$role" \\
            --zip-file "fileb://${{file%.json}}.zip" --query FunctionArn --output text
    fi
done
"""


@dataclass(frozen=True, slots=True)
class Function:
    """What CreateFunction takes, and its package."""

    configuration: Mapping[str, Any]
    package: bytes


def write(folder: Path, actions: list[dict[str, Any]], rules: list[dict[str, Any]]) -> Mapping[str, str]:
    """Write everything; the actions that no function can be made of, and why. Raises `Failure`."""
    if folder.exists() and any(folder.iterdir()):
        raise Failure(f"{folder} is not empty: name a new folder")
    (folder / "functions").mkdir(parents=True)
    (folder / "roles").mkdir()
    names, left = name_functions(actions)
    by_name = {_full(action): action for action in actions}
    for full, name in names.items():
        made = function_of(by_name[full], name, by_name, names)
        place = folder / "functions" / name
        _write_json(place.with_name(f"{name}.json"), made.configuration)
        place.with_name(f"{name}.zip").write_bytes(made.package)
    _write_json(folder / "roles" / "trust.json", TRUST)
    parts = {part for full in names for part in _parts(by_name[full], names)}
    _write_json(folder / "roles" / "policy.json", _policy(sorted(parts)))
    _write_json(folder / "rules.json", [_rule(rule, names) for rule in rules])
    deploy = folder / "deploy.sh"
    deploy.write_text(DEPLOY.format(role=ROLE))
    deploy.chmod(0o755)
    return left


def name_functions(actions: list[dict[str, Any]]) -> tuple[dict[str, str], dict[str, str]]:
    """What the functions are called, and why the other actions are none. Raises `Failure`."""
    left = {_full(action): why for action in actions if (why := _hindrance(action))}
    names: dict[str, str] = {}
    for full in (_full(action) for action in actions):
        name = function_name(full.partition("/")[2])
        if full not in left and name in names.values():
            raise Failure(f"two actions would be called {name}: rename one of them")
        if full not in left:
            names[full] = name
    while missing := {_full(a): why for a in actions if _full(a) in names and (why := _lacks(a, names))}:
        left |= missing
        names = {full: name for full, name in names.items() if full not in missing}
    return names, left


def function_of(
    action: Mapping[str, Any], name: str, by_name: Mapping[str, Any], names: Mapping[str, str]
) -> Function:
    family, _, version = action["exec"]["kind"].partition(":")
    init = {p["key"]: _text(p["value"]) for p in action["parameters"] if p.get("init")}
    timeout_s = min(LONGEST_S, max(1, -(-_timeout_ms(action, by_name) // 1000)))
    configuration = {
        "FunctionName": name,
        "Runtime": f"nodejs{version}.x" if family == "nodejs" else f"python{version or VERSION}",
        "Handler": "lambda_function.handler",
        "MemorySize": max(128, action["limits"]["memory"]),
        "Timeout": timeout_s,
        "Description": f"OpenWhisk action /{_full(action)}"[:256],
        "Environment": {"Variables": init},
    }
    return Function(configuration, _package(action, family, _parts(action, names), timeout_s))


def _package(action: Mapping[str, Any], family: str, parts: list[str], timeout_s: int) -> bytes:
    """The action's own files with a handler beside them."""
    exec_ = action["exec"]
    code = exec_.get("code") or ""
    content = base64.b64decode(code) if exec_.get("binary") else code.encode()
    archive = content.startswith(ZIP)
    module, _, own = (exec_.get("main") or "main").rpartition(".")
    given = {p["key"]: p["value"] for p in action["parameters"] if not p.get("init")}
    values = {
        "name": json.dumps(f"/{_full(action)}"),
        "parameters": json.dumps(json.dumps(given)),
        "main": json.dumps(own),
        "module": f"{module}.js" if module else "",
        "parts": json.dumps(json.dumps(parts)),
        "timeout": timeout_s,
    }
    if family == "nodejs" and not archive:
        content += handlers.EXPORTED.format(main=own).encode()
        values["module"] = "index.js"
    buffer = io.BytesIO(content if archive else b"")
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as package:
        if not archive and family in FILES:
            entry = zipfile.ZipInfo(FILES[family], EPOCH)
            entry.external_attr = EXECUTABLE
            package.writestr(entry, content)
        template = TEMPLATES[family]
        package.writestr(f"lambda_function.{SUFFIXES.get(family, 'py')}", template.format(**values))
    return buffer.getvalue()


def _hindrance(action: Mapping[str, Any]) -> str:
    """Why an action is no function by itself; nothing when it is one."""
    if action["exec"]["kind"].partition(":")[0] not in TEMPLATES:
        return "it is no code of a function"
    annotations = {pair["key"]: pair["value"] for pair in action["annotations"]}
    if annotations.get("conductor"):
        return "a composition is run step by step by OpenWhisk: make a function of it that calls its steps"
    return ""


def _lacks(action: Mapping[str, Any], names: Mapping[str, str]) -> str:
    lacking = [one for one in action["exec"].get("components", ()) if not _function(one, names)]
    return f"a sequence whose part {lacking[0]} is not exported" if lacking else ""


def _parts(action: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    return [_function(one, names) for one in action["exec"].get("components", ())]


def _function(component: str, names: Mapping[str, str]) -> str:
    """What a part of a sequence is called; parts in the package `lambda` are functions already."""
    full = component.removeprefix("/")
    _, _, local = full.partition("/")
    return names.get(full) or (local.removeprefix(LENT) if local.startswith(LENT) else "")


def _timeout_ms(action: Mapping[str, Any], by_name: Mapping[str, Any]) -> int:
    """A sequence may take as long as its parts together."""
    if "components" not in action["exec"]:
        return int(action["limits"]["timeout"])
    parts = [by_name.get(one.removeprefix("/")) for one in action["exec"]["components"]]
    return sum(_timeout_ms(part, by_name) if part else LONGEST_S * 1000 for part in parts)


def _policy(parts: list[str]) -> Mapping[str, Any]:
    statements: list[Mapping[str, Any]] = [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}]
    if parts:
        called = [f"arn:aws:lambda:*:*:function:{part}" for part in parts]
        statements.append({"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": called})
    return {"Version": "2012-10-17", "Statement": statements}


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")


def _rule(rule: Mapping[str, Any], names: Mapping[str, str]) -> Mapping[str, Any]:
    action = f"{rule['action']['path']}/{rule['action']['name']}"
    return {
        "rule": rule["name"],
        "trigger": rule["trigger"]["name"],
        "active": rule["status"] == "active",
        "function": names.get(action),
    }


def _full(action: Mapping[str, Any]) -> str:
    return f"{action['namespace']}/{action['name']}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
