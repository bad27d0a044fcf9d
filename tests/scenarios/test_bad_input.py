"""Whatever is thrown at a node through its real clients: AWS's error or one clear line, and it goes on."""

import contextlib
import io
import json
import os
import resource
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conftest import RunningNode, zip_of

pytestmark = pytest.mark.slow

GOOD = "def handler(event, context):\n    return 'well'\n"
IDLE = 2000
RUNTIME = f"python3.{sys.version_info.minor}"


def refusal(call: Callable[..., Any], **given: Any) -> tuple[str, int, str]:
    """Code, HTTP status and message of AWS's error."""
    with pytest.raises(ClientError) as raised:
        call(**given)
    answer = raised.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


def call(node: RunningNode, name: str, event: Any = None) -> tuple[Any, str | None]:
    answer = node.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    return json.loads(answer["Payload"].read()), answer.get("FunctionError")


def raw_zip(name: str, *, link: str | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo(name)
        if link is not None:
            entry.external_attr = 0o120777 << 16
        archive.writestr(entry, link or "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "package",
    [b"no zip at all", raw_zip("../evil.py"), raw_zip("/etc/evil.py"), raw_zip("link", link="/etc/passwd")],
    ids=["no zip", "dot dot", "absolute", "symlink out"],
)
def test_bad_packages(node: RunningNode, package: bytes) -> None:
    code, status, message = refusal(
        node.client("lambda").create_function,
        FunctionName="bad-package",
        Runtime=RUNTIME,
        Role="arn:aws:iam::000000000000:role/test",
        Handler="h.f",
        Code={"ZipFile": package},
    )
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert message.startswith("Could not unzip uploaded file")


@pytest.mark.parametrize(
    ("runtime", "text"),
    [
        ("python9.9", "failed to satisfy constraint"),
        ("nodejs8.10", "no longer supported"),
        ("ruby3.4", "ruby3.4 is not on this machine"),
    ],
)
def test_runtimes_that_are_not_there(node: RunningNode, runtime: str, text: str) -> None:
    code, status, message = refusal(
        node.client("lambda").create_function,
        FunctionName="bad-runtime",
        Runtime=runtime,
        Role="arn:aws:iam::000000000000:role/test",
        Handler="h.f",
        Code={"ZipFile": zip_of(h=GOOD)},
    )
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert text in message


@pytest.mark.parametrize(
    ("name", "source", "error_type"),
    [
        ("raises", "raise ValueError('boom')", "ValueError"),
        ("exits", "import os; os._exit(7)", "Runtime.ExitError"),
        ("loops", "while True: pass", "Sandbox.Timedout"),
        ("eats-memory", "x = bytearray(10**9); return len(x)", "Runtime.ExitError"),
        ("unsayable", "return object()", "Runtime.MarshalError"),
        ("seven-megabytes", "return 'x' * 7_000_000", "Function.ResponseSizeTooLarge"),
    ],
)
def test_handlers_that_misbehave(node: RunningNode, name: str, source: str, error_type: str) -> None:
    node.deploy(name, f"def handler(event, context):\n    if event == 'well': return event\n    {source}\n")
    answer, error = call(node, name)
    assert (answer["errorType"], error) == (error_type, "Unhandled")
    assert call(node, name, "well") == ("well", None)


def test_a_handler_that_is_missing(node: RunningNode) -> None:
    node.deploy("missing", GOOD, handler="handler.nothing")
    answer, error = call(node, "missing")
    assert error == "Unhandled"
    assert answer["errorType"] == "Runtime.HandlerNotFound"
    assert answer["errorMessage"] == "Handler 'nothing' missing on module 'handler'"


def test_a_gigabyte_of_output(node: RunningNode) -> None:
    source = "def handler(event, context):\n    for _ in range(1000): print('x' * 1_000_000)\n    return 1\n"
    node.deploy("prints", source, Timeout=100, MemorySize=1769)
    assert call(node, "prints") == (1, None)


def test_payloads_over_the_limit(node: RunningNode) -> None:
    node.deploy("sized", GOOD)
    client = node.client("lambda")
    over = b'"' + b"x" * (6 * 1024 * 1024 - 1) + b'"'
    code, status, _ = refusal(client.invoke, FunctionName="sized", Payload=over)
    assert (code, status) == ("RequestEntityTooLargeException", 413)
    over = b'"' + b"x" * (1024 * 1024 - 1) + b'"'
    code, status, _ = refusal(client.invoke, FunctionName="sized", Payload=over, InvocationType="Event")
    assert (code, status) == ("RequestEntityTooLargeException", 413)
    for kind in ("RequestResponse", "Event"):
        code, status, _ = refusal(client.invoke, FunctionName="sized", Payload=b"{no", InvocationType=kind)
        assert (code, status) == ("InvalidRequestContentException", 400)
    assert call(node, "sized") == ("well", None)


def test_thousands_of_idle_connections_keep_nobody_out(node: RunningNode) -> None:
    """Half of them silent, half with a head that does not end."""
    node.deploy("crowded", GOOD)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2 * IDLE)), hard))
    with contextlib.ExitStack() as idle:
        for number in range(IDLE):
            silent = idle.enter_context(socket.create_connection(("127.0.0.1", node.port), timeout=30))
            if number % 2:
                silent.sendall(b"POST /2015-03-31/functions/crowded/invocations HTTP/1.1\r\nX-Slow: ")
        assert call(node, "crowded") == ("well", None)
        silent.settimeout(60)
        assert silent.recv(64).startswith(b"HTTP/1.1 408 ")  # what does not end is ended
    assert call(node, "crowded") == ("well", None)


@pytest.mark.parametrize("name", ["UPPER", "a", "with_underscore", "192.168.1.1", "two..dots"])
def test_bucket_names_that_s3_forbids(node: RunningNode, name: str) -> None:
    client = node.client("s3")
    client.meta.events.unregister("before-parameter-build.s3", None)
    code, status, _ = refusal(client.create_bucket, Bucket=name)
    assert (code, status) == ("InvalidBucketName", 400)


def test_the_data_folder_of_a_running_node_and_its_port(node: RunningNode) -> None:
    other = {**os.environ, "LAMBENT_WAREHOUSE_PORT": "0"}

    def up(*flags: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lambent.cli.main", "up", *flags]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=other)

    second = up("--data", str(node.data), "--port", "0")
    assert second.returncode != 0
    assert "runs on" in second.stderr
    assert "Traceback" not in second.stderr
    taken = up("--data", str(node.data.parent / "other"), "--port", str(node.port))
    assert taken.returncode != 0
    assert f"port {node.port}" in taken.stdout + taken.stderr
    assert "Traceback" not in taken.stdout + taken.stderr
