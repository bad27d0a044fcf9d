"""The commands against a real node, as a user types them."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import RunningNode

pytestmark = pytest.mark.slow

HELLO = "def handler(event, context):\n    print('hello', event)\n    return {'got': event}\n"


def lambent(
    node: RunningNode, *arguments: str, given: str = "", code: int = 0
) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "lambent", *arguments, "--data", str(node.data)]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "lambent/cli" not in done.stderr, "a traceback of the command's own"
    return done


def answer(node: RunningNode, *arguments: str, code: int = 0) -> Any:
    return json.loads(lambent(node, *arguments, "--json", code=code).stdout)


def script(folder: Path, name: str, text: str) -> str:
    path = folder / f"{name}.py"
    path.write_text(text)
    return str(path)


def test_deploy_invoke_logs_ls_rm(node: RunningNode, tmp_path: Path) -> None:
    made = lambent(node, "deploy", script(tmp_path, "cli-hello", HELLO)).stdout
    assert "cli-hello created" in made
    assert "cli-hello.handler" in made

    called = lambent(node, "invoke", "cli-hello", "--payload", '{"a": 1}')
    assert json.loads(called.stdout) == {"got": {"a": 1}}
    assert "billed" in called.stderr
    assert "cold start" in called.stderr

    text = lambent(node, "logs", "cli-hello").stdout
    assert "hello {'a': 1}" in text
    assert "REPORT RequestId" in text

    assert "cli-hello" in lambent(node, "ls").stdout
    lambent(node, "rm", "cli-hello", "--yes")
    assert all(row["name"] != "cli-hello" for row in answer(node, "ls"))
    assert "Function not found" in lambent(node, "invoke", "cli-hello", code=3).stderr


@pytest.mark.skipif(not shutil.which("node"), reason="there is no Node.js")
def test_javascript_gets_a_node(node: RunningNode, tmp_path: Path) -> None:
    file = tmp_path / "cli-js.mjs"
    file.write_text("export const handler = async (event) => ({ got: event, by: process.version })\n")
    made = answer(node, "deploy", str(file))
    assert (made["runtime"][:6], made["handler"]) == ("nodejs", "cli-js.handler")
    called = json.loads(lambent(node, "invoke", "cli-js", "--payload", "[1]").stdout)
    assert called["got"] == [1]
    assert called["by"].startswith(f"v{made['runtime'][6:8]}.")


@pytest.mark.skipif(not shutil.which("cc"), reason="there is no compiler")
def test_a_compiled_bootstrap(node: RunningNode, tmp_path: Path) -> None:
    folder = tmp_path / "cli-c"
    folder.mkdir()
    source = Path(__file__).parent / "bootstrap.c"
    subprocess.run(["cc", "-O1", "-Wall", "-Werror", "-o", folder / "bootstrap", source], check=True)
    made = answer(node, "deploy", str(folder))
    assert (made["runtime"], made["handler"]) == ("provided.al2023", "bootstrap")
    for n in range(3):
        called = lambent(node, "invoke", "cli-c", "--payload", json.dumps({"n": n}))
        assert json.loads(called.stdout) == {"from": "C", "event": {"n": n}}


def test_deploying_again_changes_only_what_differs(node: RunningNode, tmp_path: Path) -> None:
    path = script(tmp_path, "cli-again", HELLO)
    first = answer(node, "deploy", path, "--memory", "256", "--timeout", "9", "--env", "STAGE=test")
    assert first["changed"] == ["created"]
    assert answer(node, "deploy", path)["changed"] == []
    assert answer(node, "deploy", path, "--memory", "256")["changed"] == []
    assert answer(node, "deploy", path, "--memory", "512")["changed"] == ["MemorySize"]
    script(tmp_path, "cli-again", HELLO.replace("hello", "bye"))
    last = answer(node, "deploy", path, "--env", "STAGE=live")
    assert last["changed"] == ["code", "Environment"]
    assert (last["memory_mb"], last["timeout_s"]) == (512, 9)


def test_a_function_that_fails_is_code_1(node: RunningNode, tmp_path: Path) -> None:
    lambent(
        node,
        "deploy",
        script(tmp_path, "cli-fails", "def handler(event, context):\n    raise ValueError('no')\n"),
    )
    done = lambent(node, "invoke", "cli-fails", code=1)
    assert json.loads(done.stdout)["errorType"] == "ValueError"
    assert "the function failed" in done.stderr
    assert answer(node, "invoke", "cli-fails", code=1)["function_error"] == "Unhandled"


def test_a_payload_comes_from_standard_input_too(node: RunningNode, tmp_path: Path) -> None:
    lambent(node, "deploy", script(tmp_path, "cli-stdin", HELLO))
    assert json.loads(lambent(node, "invoke", "cli-stdin", "--payload", "-", given="[1]").stdout) == {
        "got": [1]
    }


def test_an_upload_starts_it_and_rm_unhooks_it(node: RunningNode, tmp_path: Path) -> None:
    trigger = "s3://cli-uploads/in/*.txt"
    path = script(tmp_path, "cli-uploaded", HELLO)
    assert "bucket    cli-uploads created" in lambent(node, "deploy", path, "--on", trigger).stdout
    assert "(was there)" in lambent(node, "deploy", path, "--on", trigger).stdout
    row = next(row for row in answer(node, "ls") if row["name"] == "cli-uploaded")
    assert row["triggers"] == [trigger]

    s3 = node.client("s3")
    s3.put_object(Bucket="cli-uploads", Key="out/a.txt", Body=b"x")
    s3.put_object(Bucket="cli-uploads", Key="in/a.txt", Body=b"x")
    followed = subprocess.Popen(
        [sys.executable, "-m", "lambent", "logs", "cli-uploaded", "--follow", "--data", str(node.data)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert followed.stdout is not None
    try:
        deadline = time.monotonic() + 60
        line = ""
        while "in/a.txt" not in line:
            assert time.monotonic() < deadline
            line = followed.stdout.readline()
            assert "out/a.txt" not in line
    finally:
        followed.terminate()
        followed.wait()
        followed.stdout.close()

    assert answer(node, "rm", "cli-uploaded", "--yes")["buckets"] == ["cli-uploads"]
    rules = s3.get_bucket_notification_configuration(Bucket="cli-uploads")
    assert "LambdaFunctionConfigurations" not in rules


def test_async_is_queued_and_runs(node: RunningNode, tmp_path: Path) -> None:
    lambent(node, "deploy", script(tmp_path, "cli-queued", HELLO))
    queued = answer(node, "invoke", "cli-queued", "--async", "--payload", '"later"')
    deadline = time.monotonic() + 60
    logs = node.client("logs")
    while time.monotonic() < deadline:
        try:
            found = logs.filter_log_events(logGroupName="/aws/lambda/cli-queued", filterPattern="hello")
        except logs.exceptions.ResourceNotFoundException:
            continue
        if found["events"]:
            break
    assert "hello later" in found["events"][0]["message"]
    assert queued["request_id"]


def test_env_is_what_a_shell_needs(node: RunningNode) -> None:
    shown = lambent(node, "env").stdout
    done = subprocess.run(
        ["bash", "-c", f'{shown}\n{sys.executable} -m lambent ls --json'],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout), list)


def test_rm_asks(node: RunningNode, tmp_path: Path) -> None:
    lambent(node, "deploy", script(tmp_path, "cli-kept", HELLO))
    lambent(node, "rm", "cli-kept", given="n\n", code=130)
    lambent(node, "rm", "cli-kept", given="y\n")
    lambent(node, "rm", "cli-kept", "--yes", code=3)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["deploy", "{file}", "--runtime", "python3.7"], 3, "python3.7"),
        (["deploy", "{file}", "--name", "with space"], 3, "functionName"),
        (["deploy", "{file}", "--memory", "64"], 2, "64 is not in the range 128<=x<=10240"),
        (["deploy", "{file}", "--on", "photos"], 2, "s3://bucket/prefix*suffix"),
        (["deploy", "{file}", "--env", "novalue"], 2, "NAME=VALUE"),
        (["deploy", "/no/such/file"], 2, "does not exist"),
        (["deploy", "{file}", "--on", "s3://X_Y/"], 3, "InvalidBucketName"),
        (["logs", "cli-nobody"], 3, "Function not found"),
        (["invoke", "cli-nobody", "--payload", "{"], 2, "not JSON"),
    ],
)
def test_bad_input_gets_one_clear_line(
    node: RunningNode, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    file = script(tmp_path, "cli-bad", HELLO)
    done = lambent(node, *(a.replace("{file}", file) for a in arguments), code=code)
    assert message in done.stderr
    assert code == 2 or done.stderr.count("\n") == 1


def test_two_nodes_cannot_share_a_folder_and_a_port_is_named(node: RunningNode, tmp_path: Path) -> None:
    second = [sys.executable, "-m", "lambent", "up", "--port", "0", "--data", str(node.data)]
    done = subprocess.run(second, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "a node runs on" in done.stderr
    third = [sys.executable, "-m", "lambent", "up", "--port", str(node.port), "--data", str(tmp_path / "new")]
    done = subprocess.run(third, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert str(node.port) in done.stderr
    assert "Traceback" not in done.stderr
