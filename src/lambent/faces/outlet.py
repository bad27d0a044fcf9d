"""The way out of a connection: answers, sent no faster than the client takes them."""

import asyncio
from collections.abc import AsyncIterable
from math import inf

from lambent.faces import answer
from lambent.faces.http import Request, Response

SMALL_BYTES = 64 * 1024  # copying this much costs less than a second buffer to write


class Outlet:
    """Writes to a transport until the client is gone; from then on nothing."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, stall_s: float) -> None:
        self.transport: asyncio.Transport | None = transport
        self._loop = loop
        self._stall_s = stall_s
        self._drained: asyncio.Future[None] | None = None
        self._deadline = inf
        self._unsent = 0  # bytes, when the deadline was set

    def pause(self) -> None:
        self._drained = self._loop.create_future()
        self._watch(self._loop.time())

    def resume(self) -> None:
        self._deadline = inf
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def lose(self) -> None:
        self.transport = None
        self.resume()

    def close(self) -> None:
        """Close once everything is sent."""
        if self.transport is not None:
            self._watch(self._loop.time())
            self.transport.close()

    def is_stalled(self, now: float) -> bool:
        """Whether the client took nothing for too long."""
        if now < self._deadline or self.transport is None:
            return False
        before = self._unsent
        self._watch(now)
        return self._unsent >= before

    @property
    def is_empty(self) -> bool:
        return self.transport is None or not self.transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def send(self, response: Response, request: Request, *, close: bool) -> None:
        """Send an answer that is all there."""
        body, transport = response.body, self.transport
        if transport is None:
            return
        assert isinstance(body, bytes)
        head = answer.head(response, request.id, chunked=False, close=close)
        if not body or _is_bodiless(response, request):
            transport.write(head)
        elif len(body) <= SMALL_BYTES:
            transport.write(head + body)
        else:
            transport.writelines([head, body])

    async def stream(self, response: Response, request: Request, *, chunks: bool, close: bool) -> bool:
        """Send an answer as it comes. Returns whether the connection must end for the client to see its end.

        `chunks` says that the client understands chunked encoding.
        """
        body = response.body
        assert not isinstance(body, bytes)
        try:
            return await self._stream(response, body, request, chunks, close)
        finally:
            if (end := getattr(body, "aclose", None)) is not None:
                await end()

    async def _stream(
        self, response: Response, body: AsyncIterable[bytes], request: Request, chunks: bool, close: bool
    ) -> bool:
        length = answer.content_length(response)
        bodiless = _is_bodiless(response, request)
        chunked = length is None and chunks and not bodiless
        # HTTP/1.0 knows the end of such a body by the end of the connection.
        close = close or (length is None and not chunked and not bodiless)
        self.write(answer.head(response, request.id, chunked=chunked, close=close))
        if bodiless:
            return close
        sent = 0
        async for data in body:
            if self.transport is None:
                return close
            sent += len(data)
            if data:
                self.transport.writelines(answer.chunk(data) if chunked else [data])
            if self._drained is not None:
                await self._drained
        if length is not None and sent != length:
            raise ValueError(f"the body has {sent} bytes, its Content-Length says {length}")
        if chunked:
            self.write(answer.LAST_CHUNK)
        return close

    def _watch(self, now: float) -> None:
        self._deadline = now + self._stall_s
        self._unsent = self.transport.get_write_buffer_size() if self.transport is not None else 0


def _is_bodiless(response: Response, request: Request) -> bool:
    return request.method == "HEAD" or answer.is_bodiless(response.status)
