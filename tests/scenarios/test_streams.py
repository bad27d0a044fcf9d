"""Streamed answers through a whole node, by boto3: from Python, from Node.js, and from AWS's own clients."""

import time
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
from tests.conftest import RunningNode, zip_of

from lambent.runtimes import executables

NODES = [name for name, found in executables.find().items() if found.family == "nodejs"]

pytestmark = pytest.mark.slow

PYTHON = """
import asyncio, time

def handler(event, context):
    yield {"statusCode": 201, "headers": {"x-kind": "sync"}}
    for n in range(3):
        yield f"part {n} "
        time.sleep(event.get("pause", 0))
    if event.get("fail"):
        raise ValueError("broke")

async def asynchronous(event, context):
    for n in range(3):
        yield f"part {n} "
        await asyncio.sleep(0)
"""

NODE = """
export const handler = awslambda.streamifyResponse(async (event, stream) => {
  const out = awslambda.HttpResponseStream.from(stream, { statusCode: 201 });
  out.write("first");
  await new Promise((resolve) => setTimeout(resolve, event.pause * 1000));
  if (event.fail) throw new RangeError("broke");
  out.end("x".repeat(event.size));
});
"""


def pieces(node: RunningNode, name: str, payload: str = "{}") -> tuple[list[tuple[float, bytes]], Any]:
    """When each piece came and what it was, and how it ended."""
    answer = node.client("lambda").invoke_with_response_stream(FunctionName=name, Payload=payload.encode())
    *chunks, last = [(time.monotonic(), event) for event in answer["EventStream"]]
    return [(at, event["PayloadChunk"]["Payload"]) for at, event in chunks], last[1]["InvokeComplete"]


def test_a_python_generator(node: RunningNode) -> None:
    node.deploy("generator", PYTHON)
    came, end = pieces(node, "generator", '{"pause": 0.3}')
    assert [piece for _, piece in came[1:]] == [b"part 0 ", b"part 1 ", b"part 2 "]
    assert came[0][1] == b'{"statusCode": 201, "headers": {"x-kind": "sync"}}' + bytes(8)
    assert came[-1][0] - came[0][0] >= 0.5  # they came while it ran
    assert end == {}
    came, end = pieces(node, "generator", '{"fail": 1}')
    assert len(came) == 4
    assert (end["ErrorCode"], '"errorType": "ValueError"' in end["ErrorDetails"]) == ("Unhandled", True)


def test_an_asynchronous_generator(node: RunningNode) -> None:
    node.deploy("asynchronous", PYTHON, handler="handler.asynchronous")
    came, _ = pieces(node, "asynchronous")
    assert b"".join(piece for _, piece in came) == b"part 0 part 1 part 2 "
    whole = node.client("lambda").invoke(FunctionName="asynchronous")["Payload"].read()
    assert whole == b"part 0 part 1 part 2 "


@pytest.mark.skipif(not NODES, reason="there is no Node.js here")
def test_a_stream_of_nodejs(node: RunningNode) -> None:
    node.deploy(
        "nodejs",
        "",
        handler="index.handler",
        Runtime=NODES[0],
        Code={"ZipFile": zip_of(**{"index.mjs": NODE})},
    )
    came, end = pieces(node, "nodejs", '{"pause": 0.3, "size": 8000000}')
    body = b"".join(piece for _, piece in came)
    assert body.startswith(b'{"statusCode":201}' + bytes(8) + b"first")
    assert len(body) == 18 + 8 + 5 + 8_000_000  # more than an answer that is not streamed may have
    assert end == {}
    came, end = pieces(node, "nodejs", '{"pause": 0, "fail": true, "size": 1}')
    assert b"RangeError" in end["ErrorDetails"].encode()


def test_a_function_url_passes_a_stream_on(node: RunningNode) -> None:
    node.deploy("page", PYTHON)
    client = node.client("lambda")
    made = client.create_function_url_config(
        FunctionName="page", AuthType="NONE", InvokeMode="RESPONSE_STREAM"
    )
    for action, more in (
        ("lambda:InvokeFunctionUrl", {"FunctionUrlAuthType": "NONE"}),
        ("lambda:InvokeFunction", {"InvokedViaFunctionUrl": True}),
    ):
        statement = action.partition(":")[2]
        client.add_permission(
            FunctionName="page", StatementId=statement, Action=action, Principal="*", **more
        )
    host = urlsplit(made["FunctionUrl"]).netloc
    for url, headers in (
        (node.url, {"Host": host}),
        (f"{node.url}/_lambent/url/{host.partition('.')[0]}/", {}),
    ):
        answer = urllib3.request("GET", url, headers=headers, preload_content=False)
        assert (answer.status, answer.headers["x-kind"]) == (201, "sync")
        assert b"".join(answer.stream()) == b"part 0 part 1 part 2 "
