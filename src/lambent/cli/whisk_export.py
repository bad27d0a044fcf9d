"""From OpenWhisk to Lambda: a namespace's actions as functions that `aws` or `lambent` can deploy."""

import base64
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambent.cli.failure import Failure

ROLE = "whisk-actions"
PYTHON = '''"""OpenWhisk's action {name} as a Lambda function."""

import importlib.util
import json
import os

PARAMETERS = json.loads({parameters})
os.environ.setdefault("__OW_ACTION_NAME", {name})

_source = os.path.join(os.path.dirname(__file__), "__main__.py")
_spec = importlib.util.spec_from_file_location("main__", _source)
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)


def handler(event, context):
    os.environ["__OW_ACTIVATION_ID"] = context.aws_request_id.replace("-", "")
    return getattr(_module, {main})({{**PARAMETERS, **(event or {{}})}})
'''
JAVASCRIPT = """// OpenWhisk's action {name} as a Lambda function.
const PARAMETERS = JSON.parse({parameters});
process.env.__OW_ACTION_NAME ??= {name};
const action = require("./{module}");

exports.handler = async (event, context) => {{
  process.env.__OW_ACTIVATION_ID = context.awsRequestId.replaceAll("-", "");
  return action[{main}]({{ ...PARAMETERS, ...event }});
}};
"""
EXPORTED = '\nif (typeof {main} === "function") module.exports.{main} = {main};\n'
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
LOGS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}],
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
    aws lambda create-function --cli-input-json "file://$file" --role "$role" \\
        --zip-file "fileb://${{file%.json}}.zip" --query FunctionArn --output text
done
"""


@dataclass(frozen=True, slots=True)
class Function:
    """What CreateFunction takes, and its package."""

    configuration: Mapping[str, Any]
    package: bytes


def write(folder: Path, actions: list[dict[str, Any]], rules: list[dict[str, Any]]) -> list[str]:
    """Write everything; the names of actions that no function can be made of. Raises `Failure`."""
    if folder.exists() and any(folder.iterdir()):
        raise Failure(f"{folder} is not empty: name a new folder")
    (folder / "functions").mkdir(parents=True)
    (folder / "roles").mkdir()
    left: list[str] = []
    names: dict[str, str] = {}
    for action in actions:
        made = function_of(action)
        if made is None:
            left.append(_full(action))
            continue
        name = made.configuration["FunctionName"]
        if name in names.values():
            raise Failure(f"two actions would be called {name}: rename one of them")
        names[_full(action)] = name
        place = folder / "functions" / name
        place.with_name(f"{name}.json").write_text(json.dumps(made.configuration, indent=2) + "\n")
        place.with_name(f"{name}.zip").write_bytes(made.package)
    (folder / "roles" / "trust.json").write_text(json.dumps(TRUST, indent=2) + "\n")
    (folder / "roles" / "policy.json").write_text(json.dumps(LOGS, indent=2) + "\n")
    shown = [_rule(rule, names) for rule in rules]
    (folder / "rules.json").write_text(json.dumps(shown, indent=2) + "\n")
    deploy = folder / "deploy.sh"
    deploy.write_text(DEPLOY.format(role=ROLE))
    deploy.chmod(0o755)
    return left


def function_of(action: Mapping[str, Any]) -> Function | None:
    """None for sequences, executables and what is built in."""
    family, _, version = action["exec"]["kind"].partition(":")
    if family not in ("python", "nodejs"):
        return None
    init = {p["key"]: _text(p["value"]) for p in action["parameters"] if p.get("init")}
    limits = action["limits"]
    configuration = {
        "FunctionName": re.sub(r"[^A-Za-z0-9_-]", "-", _full(action).partition("/")[2])[:64],
        "Runtime": f"python{version}" if family == "python" else f"nodejs{version}.x",
        "Handler": "lambda_function.handler",
        "MemorySize": max(128, limits["memory"]),
        "Timeout": max(1, -(-limits["timeout"] // 1000)),
        "Description": f"OpenWhisk action /{_full(action)}"[:256],
        "Environment": {"Variables": init},
    }
    return Function(configuration, _package(action, family))


def _package(action: Mapping[str, Any], family: str) -> bytes:
    """The action's own files with a handler beside them."""
    exec_ = action["exec"]
    main = exec_.get("main") or "main"
    inline = None if exec_["binary"] else exec_["code"]
    buffer = io.BytesIO(b"" if inline is not None else base64.b64decode(exec_["code"]))
    module, _, own = main.rpartition(".")
    given = {p["key"]: p["value"] for p in action["parameters"] if not p.get("init")}
    values = {
        "name": json.dumps(f"/{_full(action)}"),
        "parameters": json.dumps(json.dumps(given)),
        "main": json.dumps(own),
        "module": f"{module}.js" if module else "",
    }
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as package:
        if family == "python":
            if inline is not None:
                package.writestr("__main__.py", inline)
            package.writestr("lambda_function.py", PYTHON.format(**values))
        else:
            if inline is not None:
                package.writestr("index.js", inline + EXPORTED.format(main=main))
                values["module"] = "index.js"
            package.writestr("lambda_function.js", JAVASCRIPT.format(**values))
    return buffer.getvalue()


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
