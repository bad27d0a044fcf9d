"""The Lambda API's own cost: the codec for two operations, lists of 10,000 functions, a start with them."""

import asyncio
import base64
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.node import ROLE, RUNTIME, START_S, STOP_S, Node, free_port, zip_of
from benchmarks.stats import finish, machine, percentile, say
from lambent.faces.aws_invoke import InvokeFace
from lambent.faces.aws_lambda import UNCHECKED
from lambent.faces.aws_lambda_shapes import configuration
from lambent.faces.codec import Codec
from lambent.faces.http import Request, WholeBody
from lambent.faces.verified import Verified
from lambent.model.function import Code, State, Version
from lambent.model.identity import Principal, PrincipalKind
from lambent.model.invocation import Invocation, Outcome
from lambent.model.names import FunctionKey, Target
from lambent.store import version_rows
from lambent.store.base import Transaction
from lambent.store.sqlite import Sqlite

FUNCTIONS = 10_000
ROUNDS, CALLS = 20, 200
ACCOUNT, REGION = "000000000000", "us-east-1"
PRINCIPAL = Principal(PrincipalKind.ROOT, ACCOUNT)
KEY = FunctionKey(ACCOUNT, REGION, "f")
VERSION = Version(
    key=KEY, code=Code("d", 1, "s"), runtime=RUNTIME, handler="h.h", role=ROLE, state=State.ACTIVE
)
HANDLER = "def handler(event, context):\n    return event\n"


class Still:
    """Stands behind a face and does nothing, so that what is measured is before it."""

    async def invoke(self, invocation: Invocation) -> Outcome:
        return Outcome(payload=b"{}", version="$LATEST")

    def resolve(self, target: Target) -> Version:
        return VERSION

    async def create_function(self, call: object, given: dict[str, Any]) -> dict[str, Any]:
        return configuration(VERSION, KEY.arn)


async def best_us(call: Callable[[], Awaitable[object]]) -> float:
    """Microseconds a call, in the quietest of the rounds."""
    best_s = 1.0
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(CALLS):
            await call()
        best_s = min(best_s, (time.perf_counter() - begun) / CALLS)
    return round(best_s * 1e6, 1)


async def codec_us() -> dict[str, float]:
    still, codec = Still(), Codec("lambda", unchecked=UNCHECKED)
    invokes = InvokeFace(still, lambda _: asyncio.sleep(0), lambda *_: None)
    invoke = Request("POST", "/2015-03-31/functions/f/invocations", "", {}, WholeBody(b"{}"), "", "r" * 36)
    given = {
        "FunctionName": "f",
        "Runtime": RUNTIME,
        "Role": ROLE,
        "Handler": "h.h",
        "Code": {"ZipFile": base64.b64encode(zip_of(HANDLER)).decode()},
        "Environment": {"Variables": {"AA": "1", "BB": "2"}},
        "Timeout": 30,
        "MemorySize": 512,
    }
    create = Request("POST", "/2015-03-31/functions", "", {}, WholeBody(orjson.dumps(given)), "", "r" * 36)
    verified = Verified(PRINCIPAL, REGION, "lambda", "AKIA")
    answer = await codec.serve(create, verified, still)
    if answer.status != 201:
        raise RuntimeError(f"CreateFunction answered {answer.status}: {answer.body!r}")
    return {
        "invoke_us": await best_us(
            lambda: invokes.invoke(replace(invoke, body=WholeBody(b"{}")), PRINCIPAL, REGION)
        ),
        "create_function_us": await best_us(
            lambda: codec.serve(replace(create, body=WholeBody(orjson.dumps(given))), verified, still)
        ),
    }


def start(data: Path) -> tuple[Node, float]:
    """A node on this folder, and how many seconds it took until it was ready."""
    port, begun = free_port(), time.perf_counter()
    ready = data / "node.json"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "lambent.cli.main", "up", "--data", str(data), "--port", str(port)]
    settings = {"LAMBENT_WAREHOUSE_PORT": "0", "LAMBENT_NETWORK": "none"}
    written = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with (data.parent / "node.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**written, **settings}
        )
    while not (ready.exists() and ready.stat().st_size):
        if process.poll() is not None or time.perf_counter() - begun > START_S:
            process.kill()
            raise RuntimeError(f"the node did not start:\n{(data.parent / 'node.log').read_text()}")
        time.sleep(0.005)
    took_s = time.perf_counter() - begun
    key, secret, *_ = (data / "credentials").read_text().strip().splitlines()[-1].split(":")
    return Node(process, data, port, key, secret), took_s


def stop(node: Node) -> None:
    node.process.send_signal(signal.SIGTERM)
    node.process.wait(STOP_S)


async def fill(path: Path) -> None:
    """Write as many functions as it takes, like the one that is there."""
    store = await Sqlite.open(path)
    (text,) = store.query("SELECT configuration FROM versions")[0]
    model = version_rows.decode(text)

    def work(tx: Transaction) -> None:
        for number in range(1, FUNCTIONS):
            key = model.key._replace(name=f"function-{number:05d}")
            version_rows.insert_function(tx, key, {})
            version_rows.save(tx, replace(model, key=key))

    await store.write(work)
    await store.close()


def pages_ms(node: Node) -> list[float]:
    """How long each page of ListFunctions took, over the wire."""
    pool, marker, took = urllib3.PoolManager(), "", []
    keys = Credentials(node.access_key, node.secret_key)
    seen = 0
    while True:
        query = f"?{urlencode({'Marker': marker})}" if marker else ""
        url = f"http://127.0.0.1:{node.port}/2015-03-31/functions{query}"
        request = AWSRequest("GET", url)
        SigV4Auth(keys, "lambda", REGION).add_auth(request)
        begun = time.perf_counter()
        answer = pool.request("GET", url, headers=dict(request.headers.items()), timeout=30.0)
        took.append((time.perf_counter() - begun) * 1000)
        page = orjson.loads(answer.data)
        seen += len(page["Functions"])
        marker = page.get("NextMarker", "")
        if not marker:
            break
    if seen != FUNCTIONS:
        raise RuntimeError(f"{seen} functions were listed, {FUNCTIONS} are there")
    return took


def many() -> dict[str, float]:
    """Starts without and with 10,000 functions, and their lists."""
    with tempfile.TemporaryDirectory(prefix="lambent-bench-") as folder:
        os.chmod(folder, 0o755)  # the node runs under a uid of its own
        data = Path(folder) / "data"
        data.mkdir()
        node, empty_s = start(data)
        node.deploy(node.client(), "function-00000", HANDLER, 128)
        stop(node)
        path = data / "state" / "state.db"
        facts = path.stat()
        asyncio.run(fill(path))
        for file in path.parent.glob("state.db*"):
            os.chown(file, facts.st_uid, facts.st_gid)
        say(f"starting with {FUNCTIONS:,} functions")
        node, full_s = start(data)
        try:
            took = pages_ms(node)
        finally:
            stop(node)
    return {
        "start_empty_s": round(empty_s, 2),
        "start_s": round(full_s, 2),
        "page_p50_ms": round(percentile(took, 50), 2),
        "page_max_ms": round(max(took), 2),
    }


def main() -> None:
    say("the codec")
    result: dict[str, Any] = {"benchmark": "api", "functions": FUNCTIONS, **asyncio.run(codec_us())}
    finish({**result, **many(), "machine": machine()})


if __name__ == "__main__":
    main()
