"""A connection that carries messages, with back pressure both ways."""

import asyncio
import struct
from typing import cast

from lambent.warehouse import wire
from lambent.warehouse.wire import Message, ProtocolViolation

READ_AHEAD_BYTES = 256 * 1024
SEND_BYTES = 64 * 1024  # as much is sent at once, without waiting for more


class Connection(asyncio.Protocol):
    """One side of a session. Reading pauses while nobody takes what came; `drain` waits for the peer."""

    def __init__(self, limit_bytes: int, received: bytes = b"") -> None:
        self._limit_bytes = limit_bytes
        self._buffer = bytearray(received)
        self._arrival: asyncio.Future[None] | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._transport: asyncio.Transport | None = None
        self._reading = True
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > READ_AHEAD_BYTES and self._transport is not None and self._reading:
            self._reading = False
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)
        self._room.set()
        self._wake()

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    async def read(self) -> Message:
        """The next message. Raises `ConnectionResetError` when the peer is gone."""
        while (message := wire.cut(self._buffer, self._limit_bytes)) is None:
            await self._more()
        return message

    async def read_startup(self) -> tuple[int, bytes]:
        """The first packet, which has no kind: its code and its body."""
        size, code = struct.unpack("!ii", await self._exactly(8))
        if not 8 <= size <= wire.STARTUP_BYTES:
            raise ProtocolViolation(f"a first packet of {size} bytes; the limit is {wire.STARTUP_BYTES}")
        return code, await self._exactly(size - 8)

    async def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            await self._more()
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    async def _more(self) -> None:
        if self.lost.done():
            raise ConnectionResetError("the peer closed the connection")
        if not self._reading and self._transport is not None:
            self._reading = True
            self._transport.resume_reading()
        self._arrival = asyncio.get_running_loop().create_future()
        try:
            await self._arrival
        finally:
            self._arrival = None

    def write(self, data: bytes) -> None:
        """Send, together with what else is written before the event loop comes round."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(data)
        self._unsent_bytes += len(data)

    def _flush(self) -> None:
        data, self._unsent, self._unsent_bytes = b"".join(self._unsent), [], 0
        if data and self._transport is not None and not self.lost.done():
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the peer has taken most of what was written; a peer that is gone takes everything."""
        if self._unsent_bytes > SEND_BYTES:
            self._flush()
        if not self._room.is_set():
            await self._room.wait()

    def close(self) -> None:
        """Close once what was written is sent."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
