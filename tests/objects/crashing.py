"""A gateway in a process of its own that kills itself at a marked point of one write.

Run as `python -m tests.objects.crashing STATE URL KEY SECRET BUCKET WRITE POINT`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tests.objects.bench import Bench, Fixed

from lambent.objects.intents import Intents
from lambent.objects.signing import Endpoint
from lambent.objects.upstream import Call, Reply, Upstream
from lambent.store.base import Transaction


def die(*_: object) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def kill_around(owner: type, name: str, *, before: bool) -> None:
    """Die before or after a method does its work."""
    real = getattr(owner, name)

    async def marked(*given: object, **named: object) -> object:
        if before:
            die()
        await real(*given, **named)
        die()

    setattr(owner, name, marked)


def kill_inside_settlement() -> None:
    """Die in the middle of the transaction that settles."""
    real = Intents.settle

    async def marked(self: Intents, outcomes: Sequence[Any]) -> None:
        def put(tx: Transaction, *_: object) -> bool:
            die()

        self._queue.put = put  # type: ignore[method-assign, assignment]
        await real(self, outcomes)

    Intents.settle = marked  # type: ignore[method-assign]


def kill_after_answer() -> None:
    """Die when the store has answered the write itself."""
    real = Upstream.ask

    async def marked(self: Upstream, call: Call, body: AsyncIterator[bytes] | None = None) -> Reply:
        reply = await real(self, call, body)
        if call.query.keys() & {"uploads", "partNumber"}:
            return reply  # what only prepares the write
        die()

    Upstream.ask = marked  # type: ignore[method-assign]


POINTS: dict[str, Callable[[], None]] = {
    "before the intent": lambda: kill_around(Intents, "record", before=True),
    "after the intent": lambda: kill_around(Intents, "record", before=False),
    "after the answer": kill_after_answer,
    "before the settlement": lambda: kill_around(Intents, "settle", before=True),
    "inside the settlement": kill_inside_settlement,
    "after the settlement": lambda: kill_around(Intents, "settle", before=False),
}


async def complete(bench: Bench) -> None:
    begun = await bench.ask("POST", "k", query={"uploads": ""})
    upload_id = begun.body.decode().partition("<UploadId>")[2].partition("<")[0]
    query = {"uploadId": upload_id, "partNumber": "1"}
    etag = (await bench.ask("PUT", "k", b"new content", query=query)).headers["etag"]
    part = f"<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
    body = f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>".encode()
    await bench.ask("POST", "k", body, query={"uploadId": upload_id})


BATCH = b"<Delete><Quiet>true</Quiet><Object><Key>k</Key></Object></Delete>"
WRITES: dict[str, Callable[[Bench], Awaitable[Any]]] = {
    "put": lambda bench: bench.ask("PUT", "k", b"new content"),
    "copy": lambda bench: bench.ask("PUT", "k", headers={"x-amz-copy-source": f"/{bench.bucket}/source"}),
    "complete": complete,
    "delete": lambda bench: bench.ask("DELETE", "k"),
    "batch": lambda bench: bench.ask("POST", body=BATCH, query={"delete": ""}),
}


async def main(state: str, url: str, key: str, secret: str, bucket: str, write: str, point: str) -> None:
    bench = await Bench.open(Path(state), Fixed(Endpoint(url, key, secret)))
    bench.bucket = bucket
    POINTS[point]()
    await WRITES[write](bench)
    await bench.gateway.settled()
    raise AssertionError("it should be dead")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
