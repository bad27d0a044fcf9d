"""AWS's own runtime clients, unmodified: `awslambdaric` from PyPI and `aws-lambda-ric` from npm.

The one from npm is compiled where it is installed. It is looked for in the folder that
`LAMBENT_AWS_LAMBDA_RIC` names, and among npm's global packages.
"""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest
from tests.runtimes.bench import Bench, Make

from lambent.model.limits import RESPONSE_PAYLOAD_BYTES

pytestmark = pytest.mark.slow

PYTHON = """
import os

def handler(event, context):
    print("in", context.aws_request_id, context.client_context and context.client_context.custom)
    if event == "error":
        raise ValueError("m")
    if event == "exit":
        os._exit(3)
    return "x" * event if isinstance(event, int) else {"got": event, "pid": os.getpid()}
"""
NODE = """
exports.handler = async (event, context) => {
  console.log("in", context.awsRequestId, JSON.stringify(context.clientContext?.custom));
  if (event === "error") throw new TypeError("m");
  if (event === "exit") process.exit(3);
  return typeof event === "number" ? "x".repeat(event) : { got: event, pid: process.pid };
};
"""
STREAM = """
export const handler = awslambda.streamifyResponse(async (event, stream) => {
  const out = awslambda.HttpResponseStream.from(stream, { statusCode: 201 });
  out.write("a");
  if (event === "error") throw new Error("m");
  out.end("b");
});
"""


def npm_client() -> Path:
    """Where it is, or would be."""
    if given := os.environ.get("LAMBENT_AWS_LAMBDA_RIC"):
        return Path(given)
    node = Path(shutil.which("node") or "/usr/bin/node").resolve()
    return node.parent.parent / "lib" / "node_modules" / "aws-lambda-ric"


needs_npm = pytest.mark.skipif(not npm_client().is_dir(), reason="aws-lambda-ric is not installed")
needs_pypi = pytest.mark.skipif(
    importlib.util.find_spec("awslambdaric") is None, reason="awslambdaric is not installed"
)


@pytest.fixture(
    params=[pytest.param("pypi", marks=needs_pypi), pytest.param("npm", marks=needs_npm)],
)
async def client(request: pytest.FixtureRequest, make: Make) -> Bench:
    if request.param == "pypi":
        start = f"#!/bin/sh\nexec {sys.executable} -m awslambdaric index.handler\n"
        return await make({"bootstrap": start, "index.py": PYTHON})
    return await make({"bootstrap": npm_bootstrap(), "index.js": NODE})


def npm_bootstrap() -> str:
    return f"#!/bin/sh\nexec node {npm_client()}/bin/index.mjs index.handler\n"


async def test_answers(client: Bench) -> None:
    first, second = await client.answer({"n": 1}), await client.answer("ü")
    assert (first["got"], second["got"]) == ({"n": 1}, "ü")
    assert first["pid"] == second["pid"]
    await client.answer(0, client_context='{"custom": {"k": "v"}}')
    assert "'k': 'v'" in client.log[-3].replace('"', "'").replace(":'", ": '")


async def test_errors_and_ends(client: Bench) -> None:
    pid = (await client.answer())["pid"]
    told = await client.fail("error")
    assert (told["errorType"], told["errorMessage"]) in [("ValueError", "m"), ("TypeError", "m")]
    assert (await client.answer())["pid"] == pid
    assert (await client.fail("exit"))["errorType"] == "Runtime.ExitError"
    assert (await client.answer())["pid"] != pid


async def test_large_answers(client: Bench) -> None:
    assert await client.answer(5_000_000) == "x" * 5_000_000
    assert (await client.fail(RESPONSE_PAYLOAD_BYTES))["errorType"] == "Function.ResponseSizeTooLarge"
    assert await client.answer(1) == "x"


@needs_npm
async def test_streams(make: Make) -> None:
    bench = await make({"bootstrap": npm_bootstrap(), "index.mjs": STREAM})
    assert (await bench.call()).payload == b'{"statusCode":201}' + bytes(8) + b"ab"
    assert (await bench.fail("error"))["errorMessage"] == "m"
    assert (await bench.call()).payload.endswith(b"ab")
