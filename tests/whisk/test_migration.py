"""Between OpenWhisk and Lambda: functions as actions, and actions exported as functions."""

import base64
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conftest import RunningNode, zip_of
from tests.whisk.conftest import HELLO, PYTHON, Client, client_of
from tests.whisk.test_invoke import NODES

pytestmark = pytest.mark.slow

ADD = "def handler(event, context):\n    return {'n': event['n'] + 1}\n"


def test_a_function_is_an_action(guest: Client, node: RunningNode) -> None:
    node.deploy("whisk-add", ADD)
    assert guest.ok("GET", "actions/lambda/whisk-add")["exec"]["kind"] == "lambda"
    assert guest.result("lambda/whisk-add", {"n": 1}) == {"n": 2}
    guest.action("twice-as-much", "def main(args):\n    return {'n': args['n'] * 2}\n")
    components = ["/_/lambda/whisk-add", "/_/twice-as-much"]
    guest.ok("PUT", "actions/mixed", {"exec": {"kind": "sequence", "components": components}}, overwrite=True)
    assert guest.result("mixed", {"n": 1}) == {"n": 4}
    deferred = guest.send("POST", "actions/lambda/whisk-add", {"n": 5}).json["activationId"]
    assert guest.wait(deferred)["response"]["result"] == {"n": 6}
    assert guest.result("lambda/whisk-add", {})["error"]["errorType"] == "KeyError"
    node.deploy("whisk-text", "def handler(event, context):\n    return 'text'\n")
    assert guest.result("lambda/whisk-text") == {"value": "text"}


def test_what_is_lent_cannot_be_changed(guest: Client) -> None:
    guest.refused(404, "POST", "actions/lambda/none", {})
    exec_ = {"kind": PYTHON, "code": "def main(args): return args"}
    guest.refused(400, "PUT", "actions/lambda/new", {"exec": exec_})
    guest.refused(404, "DELETE", "packages/lambda")


def test_an_action_is_a_function(guest: Client, other: Client, node: RunningNode) -> None:
    lambdas = node.client("lambda")

    def call(name: str, payload: bytes = b"{}", **more: Any) -> Any:
        return lambdas.invoke(FunctionName=name, Payload=payload, **more)

    guest.ok("PUT", "packages/old world", {"parameters": [{"key": "a", "value": 1}]})
    guest.action("old world/one more", "def main(args):\n    return {'n': args['n'] + args['a']}\n")
    answer = call("old-world-one-more", b'{"n": 1}')
    assert (answer["ExecutedVersion"], json.loads(answer["Payload"].read())) == ("$LATEST", {"n": 2})
    (record,) = guest.ok("GET", "activations", name="old world/one more", docs=True)
    assert record["response"]["result"] == {"n": 2}
    assert record["activationId"] == answer["ResponseMetadata"]["RequestId"].replace("-", "")
    answer = call("old-world-one-more", b"[1]")
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read()) == {"errorMessage": "'n'", "errorType": "application error"}
    accepted = call("old-world-one-more", b'{"n": 5}', InvocationType="Event")
    called = accepted["ResponseMetadata"]["RequestId"].replace("-", "")
    assert (accepted["StatusCode"], guest.wait(called)["response"]["result"]) == (202, {"n": 6})
    assert call("old-world-one-more", InvocationType="DryRun")["StatusCode"] == 204
    with pytest.raises(ClientError, match="Could not parse request body into json"):
        call("old-world-one-more", b"{")
    with pytest.raises(ClientError, match="Function not found"):
        call("old-world-one-more", Qualifier="1")
    node.deploy("old-world-one-more", ADD)
    assert json.loads(call("old-world-one-more", b'{"n": 10}')["Payload"].read()) == {"n": 11}
    lambdas.delete_function(FunctionName="old-world-one-more")
    assert json.loads(call("old-world-one-more", b'{"n": 1}')["Payload"].read()) == {"n": 2}
    guest.ok("DELETE", "packages/old world", force=True)
    with pytest.raises(ClientError, match="Function not found"):
        call("old-world-one-more", InvocationType="Event")


EXECUTABLE = """#!/bin/sh
echo logged
read input
echo "${input%\\}}, \\"native\\": true}"
"""


def sequence(client: Client, name: str, *components: str) -> None:
    client.ok("PUT", f"actions/{name}", {"exec": {"kind": "sequence", "components": components}})


@pytest.fixture(scope="module")
def exported(node: RunningNode, tmp_path_factory: pytest.TempPathFactory) -> Path:
    leaving = client_of(node, "leaving")
    node.deploy("whisk-one-more", ADD)
    leaving.action("fails", "def main(args):\n    return {'error': 'no'}\n")
    parameters = [{"key": "a", "value": 1}, {"key": "COLOUR", "value": "blue", "init": True}]
    leaving.action("plain", "def main(args):\n    return {'plain': args}\n", parameters=parameters)
    leaving.ok("PUT", "packages/box", {"parameters": [{"key": "b", "value": 2}]})
    code = base64.b64encode(zip_of(__main__="import helper\nrun = helper.run", helper="def run(a): return a"))
    leaving.action(
        "box/zip ped", code.decode(), exec={"main": "run"}, limits={"timeout": 1500, "memory": 128}
    )
    leaving.action("count", "def main(args):\n    return {'n': args.get('n', 0) + 1}\n")
    native = {"kind": "blackbox", "image": "openwhisk/dockerskeleton"}
    leaving.ok("PUT", "actions/native", {"exec": {**native, "code": EXECUTABLE}})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("exec", EXECUTABLE)
    packed = base64.b64encode(buffer.getvalue()).decode()
    leaving.ok("PUT", "actions/native zip", {"exec": {**native, "code": packed}})
    assert leaving.result("native zip", {"n": 1}) == {"n": 1, "native": True}
    sequence(leaving, "thrice", "/_/count", "/_/count", "/_/native")
    sequence(leaving, "nested", "/_/thrice", "/_/count", "/_/lambda/whisk-one-more")
    leaving.action("solo", "def main(args):\n    return {'n': args['n'] * 2}\n")
    sequence(leaving, "duo", "/_/solo", "/_/solo")
    sequence(leaving, "stopped", "/_/fails", "/_/count")
    sequence(leaving, "theirs", "/_/count", "/whisk.system/utils/echo")
    sequence(leaving, "around", "/_/theirs")
    leaving.action("conductor", HELLO, annotations=[{"key": "conductor", "value": True}])
    leaving.ok("PUT", "triggers/event", {})
    leaving.ok("PUT", "rules/rule", {"trigger": "/_/event", "action": "/_/plain"})
    if NODES:
        leaving.action("script", "const main = (args) => ({ script: args.x })", kind="nodejs:default")
    folder = tmp_path_factory.mktemp("export") / "out"
    command = [sys.executable, "-m", "lambent.cli.main", "whisk", "export", "leaving", str(folder)]
    done = subprocess.run([*command, "--data", str(node.data)], capture_output=True, text=True, check=True)
    folder.with_name("told").write_text(done.stderr)
    return folder


def call(node: RunningNode, folder: Path, name: str, event: Any) -> Any:
    """Deploy as deploy.sh does, then invoke."""
    client = node.client("lambda")
    configuration = json.loads((folder / "functions" / f"{name}.json").read_text())
    package = (folder / "functions" / f"{name}.zip").read_bytes()
    role = "arn:aws:iam::000000000000:role/test"
    client.create_function(**configuration, Role=role, Code={"ZipFile": package})
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event))
    return json.load(answer["Payload"])


def test_an_exported_action_is_a_function(exported: Path, node: RunningNode) -> None:
    assert call(node, exported, "plain", {"c": 3}) == {"plain": {"a": 1, "c": 3}}
    configuration = json.loads((exported / "functions" / "plain.json").read_text())
    assert configuration["Environment"] == {"Variables": {"COLOUR": "blue"}}
    assert call(node, exported, "box-zip-ped", {"c": 3}) == {"b": 2, "c": 3}
    configuration = json.loads((exported / "functions" / "box-zip-ped.json").read_text())
    assert (configuration["Timeout"], configuration["MemorySize"]) == (2, 128)
    if NODES:
        assert call(node, exported, "script", {"x": 7}) == {"script": 7}


def test_executables_and_sequences_are_functions(exported: Path, node: RunningNode) -> None:
    assert call(node, exported, "count", {"n": 1}) == {"n": 2}
    assert call(node, exported, "native", {"n": 1}) == {"n": 1, "native": True}
    assert call(node, exported, "native-zip", {"n": 1}) == {"n": 1, "native": True}
    assert call(node, exported, "thrice", {"n": 1}) == {"n": 3, "native": True}
    assert call(node, exported, "nested", {"n": 1}) == {"n": 5}
    assert call(node, exported, "fails", {}) == {"error": "no"}
    assert call(node, exported, "stopped", {}) == {"error": "no"}, "it ends at the first error"
    configuration = json.loads((exported / "functions" / "nested.json").read_text())
    assert configuration["Timeout"] == 900, "as long as its parts together, and as Lambda lets it"
    policy = json.loads((exported / "roles" / "policy.json").read_text())
    names = {arn.rpartition(":")[2] for arn in policy["Statement"][1]["Resource"]}
    assert names == {"count", "fails", "native", "solo", "thrice", "whisk-one-more"}


def test_the_script_deploys(exported: Path, node: RunningNode, tmp_path: Path) -> None:
    """By the aws command, twice; the sequence's part is called by what the exported role allows."""
    folder = Path(shutil.copytree(exported, tmp_path / "copy"))
    for file in (folder / "functions").iterdir():
        if file.stem not in ("solo", "duo"):
            file.unlink()
    key, secret = node.keys()
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": node.url,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for _ in range(2):
        done = subprocess.run(["sh", folder / "deploy.sh"], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert [arn.rpartition(":")[2] for arn in done.stdout.split()] == ["duo", "solo"]
        answer = node.client("lambda").invoke(FunctionName="duo", Payload=b'{"n": 3}')
        assert json.load(answer["Payload"]) == {"n": 12}


def test_what_is_not_exported_is_told(exported: Path) -> None:
    told = exported.with_name("told").read_text().splitlines()
    assert sorted(line.removeprefix("not exported: leaving/").partition(":")[0] for line in told) == [
        "around",
        "conductor",
        "theirs",
    ]
    assert any("whose part /whisk.system/utils/echo is not exported" in line for line in told)
    names = {path.stem for path in (exported / "functions").glob("*.json")}
    assert not names & {"around", "conductor", "theirs"}


def test_what_else_is_exported(exported: Path, node: RunningNode) -> None:
    assert json.loads((exported / "rules.json").read_text()) == [
        {"rule": "rule", "trigger": "event", "active": True, "function": "plain"}
    ]
    with zipfile.ZipFile(io.BytesIO((exported / "functions" / "plain.zip").read_bytes())) as package:
        compile(package.read("lambda_function.py"), "lambda_function.py", "exec")
    for arguments, text in ((("leaving", str(exported)), "is not empty"), (("nobody", "x"), "no user has")):
        command = [sys.executable, "-m", "lambent.cli.main", "whisk", "export", *arguments]
        done = subprocess.run(
            [*command, "--data", str(node.data)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 3
        assert text in done.stderr
