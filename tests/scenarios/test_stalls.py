"""Large payloads do not stall the node: no step of its event loop works for more than 20 ms meanwhile.

All that a call goes through is there, from the server to a process; time is that of the loop's own processor,
so that a busy machine changes nothing.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from benchmarks.signing import Signer, raw

from lambent.faces import function_url
from lambent.faces.aws_invoke import InvokeFace
from lambent.faces.aws_invoke_stream import InvokeStreamFace
from lambent.faces.router import Router
from lambent.faces.server import Server
from lambent.faces.signature import Verifier
from lambent.invoke.admission import Admission
from lambent.invoke.instance import Instance
from lambent.invoke.invoker import Invoker
from lambent.invoke.pool import Pool
from lambent.invoke.transcript import Transcript
from lambent.model.function import Code, State, Version
from lambent.model.function_url import FunctionUrl
from lambent.model.identity import Credential, Principal, PrincipalKind
from lambent.model.names import FunctionKey
from lambent.runtimes.catalog import Catalog
from lambent.sandbox.base import SandboxSpec
from lambent.sandbox.process import ProcessHost
from lambent.store.credentials import Credentials

pytestmark = pytest.mark.slow

STALL_S = 0.020
KEY = FunctionKey("000000000000", "us-east-1", "f")
RUNTIME = f"python3.{sys.version_info.minor}"
URL = FunctionUrl(id="u" * 32, key=KEY, auth_type="NONE")
SIX_MB = b'"' + b"x" * (6 * 1024 * 1024 - 2) + b'"'
HANDLER = """
def f(event, context):
    return {'statusCode': 200, 'body': event['body']} if 'body' in event else event
"""
VARIABLES = {"_HANDLER": "h.f", "LAMBDA_TASK_ROOT": "/var/task", "AWS_REGION": "us-east-1"}


@dataclass
class Watch:
    """How long the loop's steps worked, by what they were."""

    longest_s: float = 0.0
    what: str = ""

    def put_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        run = asyncio.Handle._run

        def timed(handle: Any) -> None:
            began = time.thread_time()
            run(handle)
            took_s = time.thread_time() - began
            if took_s > self.longest_s:
                self.longest_s, self.what = took_s, repr(handle)

        monkeypatch.setattr(asyncio.Handle, "_run", timed)


class Urls:
    def find(self, url_id: str) -> FunctionUrl | None:
        return URL if url_id == URL.id else None


@dataclass
class Site:
    """A server with all that a call goes through behind it."""

    port: int
    signer: Signer

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of what a client gets that sends a whole request at once."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        writer.write(request)
        async with asyncio.timeout(60):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            if "content-length: " in head:
                body = await reader.readexactly(int(head.partition("content-length: ")[2].split("\r")[0]))
            else:
                body = await _chunks(reader)
        writer.close()
        return int(head.split()[1]), body


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readline()
    return b"".join(parts)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    host, interpreter = ProcessHost(tmp_path), Catalog.find().get(RUNTIME)
    code = tmp_path / "code" / "f"
    code.mkdir(parents=True)
    (code / "h.py").write_text(HANDLER)
    version = Version(
        key=KEY,
        code=Code("d", 1, "s"),
        runtime=RUNTIME,
        handler="h.f",
        role="arn:aws:iam::000000000000:role/r",
        state=State.ACTIVE,
        timeout_s=60,
    )

    async def make(version: Version, tenant: str | None, ahead: bool) -> Instance:
        sandbox = await host.create(SandboxSpec(interpreter=interpreter, code=code))
        instance = Instance(version, interpreter, sandbox, VARIABLES, Transcript(lambda _: None))
        await instance.start()
        return instance

    pool = Pool(make, limit=10, starting_limit=2, idle_s=600)
    invoker = Invoker(lambda target: version, Admission(), pool, lambda *_: None)
    root = Credential(KEY.account, "secret", Principal(PrincipalKind.ROOT, KEY.account))
    verifier = Verifier(Credentials([root], b"secret"))
    router = Router(verifier)

    async def accept(invocation: object) -> None: ...

    invokes = InvokeFace(invoker, accept, lambda *_: None)
    router.add_invoke(invokes.invoke, InvokeStreamFace(invoker, invokes).invoke)
    urls = function_url.FunctionUrls(Urls(), lambda *_: None, verifier, invoker)
    router.add_public(function_url.PATHS, urls.by_path)
    server = Server(router)
    _, port = await server.listen(("127.0.0.1", 0))
    yield Site(port, Signer(f"127.0.0.1:{port}", root.access_key, root.secret_key))
    await server.close(5)
    await pool.close()
    await host.close()


async def test_no_step_of_the_loop_works_for_long_while_six_megabytes_pass(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = site.signer.invoke("f", SIX_MB)
    streamed = site.signer.invoke("f", SIX_MB, stream=True)
    headers = {"Host": "h", "Content-Type": "text/plain"}
    by_url = raw("POST", f"{function_url.PATHS}{URL.id}/", headers, SIX_MB[1:-1000])
    watch = Watch()
    assert (await site.send(site.signer.invoke("f", b"1")))[0] == 200  # it has an instance
    watch.put_over(monkeypatch)
    for _ in range(3):
        assert await site.send(signed) == (200, SIX_MB)
        status, events = await site.send(streamed)
        assert (status, len(events) > len(SIX_MB)) == (200, True)
        status, body = await site.send(by_url)
        assert (status, len(body)) == (200, len(SIX_MB) - 1001)
    assert watch.longest_s < STALL_S, watch.what


def test_the_watch_sees_a_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch()
    watch.put_over(monkeypatch)

    async def stall() -> None:
        json.loads(json.dumps(list(range(1_000_000))))

    with asyncio.Runner() as runner:
        runner.run(stall())
    assert watch.longest_s > STALL_S
