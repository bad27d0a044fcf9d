"""A request's body as it arrives: chunks in bounded memory between the connection and its reader."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol

from lambent.faces.http import BodyTooLarge, Disconnected


class Source(Protocol):
    """The connection behind a body."""

    def body_wanted(self) -> None:
        """The reader waits for bytes."""

    def body_taken(self) -> None:
        """The reader took some."""


class IncomingBody:
    """Filled by a connection, read by a handler, on one event loop."""

    __slots__ = ("_chunks", "_source", "_waiter", "complete", "length", "lost", "size")

    def __init__(self, source: Source, length: int | None) -> None:
        self._source = source
        self._chunks: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self.length = length
        self.size = 0  # bytes that wait for the reader
        self.complete = False
        self.lost = False

    def feed(self, data: bytes) -> None:
        self._chunks.append(data)
        self.size += len(data)
        self._wake()

    def finish(self) -> None:
        self.complete = True
        self._wake()

    def lose(self) -> None:
        self.lost = not self.complete
        self._wake()

    def discard(self) -> None:
        """Forget what waits; nobody will read it."""
        self._chunks.clear()
        self.size = 0

    async def read(self, limit: int) -> bytes:
        if (self.length or self.size) > limit:
            raise BodyTooLarge
        if self.complete:
            data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
            self.discard()
            self._source.body_taken()
            return data
        parts, size = [], 0
        async for chunk in self:
            parts.append(chunk)
            size += len(chunk)
            if size > limit:
                raise BodyTooLarge
        return b"".join(parts)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self.size -= len(chunk)
                self._source.body_taken()
                yield chunk
            if self.complete:
                return
            if self.lost:
                raise Disconnected
            self._source.body_wanted()
            # The connection's own deadlines end this wait: it calls `lose` when the client stops sending.
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        self._waiter = None
