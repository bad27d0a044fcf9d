"""The node's end of a process in the conformance suite: writes frames, reads frames and output."""

import asyncio
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from lambent.runtimes.python import frames
from lambent.sandbox.base import Exit, Process

WAIT_S = 30.0


@dataclass
class Caller:
    """Talks to one process, as an instance does."""

    process: Process
    printed: bytearray = field(default_factory=bytearray)
    _buffer: bytes = b""
    _reading: "asyncio.Task[None] | None" = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._reading = asyncio.create_task(self._read_output())

    async def _read_output(self) -> None:
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self.process.output, readable.set)
        try:
            while True:
                await readable.wait()
                readable.clear()
                try:
                    data = os.read(self.process.output, 1 << 20)
                except BlockingIOError:
                    continue
                if not data:
                    return
                self.printed += data
        finally:
            loop.remove_reader(self.process.output)

    async def frame(self) -> tuple[int, dict[str, Any], bytes]:
        """The next frame: kind, meta, payload. EOFError when the process has closed its end."""
        async with asyncio.timeout(WAIT_S):
            head = await self._exactly(frames.HEADER.size)
            kind, meta_bytes, payload_bytes = frames.HEADER.unpack(head)
            meta = await self._exactly(meta_bytes)
            return kind, json.loads(meta or b"{}"), await self._exactly(payload_bytes)

    async def _exactly(self, size: int) -> bytes:
        loop = asyncio.get_running_loop()
        while len(self._buffer) < size:
            data = await loop.sock_recv(self.process.control, 1 << 20)
            if not data:
                raise EOFError
            self._buffer += data
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    async def ready(self) -> "Caller":
        kind, _, payload = await self.frame()
        assert kind == frames.READY, (payload, self.printed)
        return self

    async def send(self, payload: bytes, **meta: Any) -> None:
        given = {"id": "r-1", "deadline_ms": int((time.time() + WAIT_S) * 1000), "arn": "arn:f", **meta}
        text = json.dumps(given).encode()
        head = frames.HEADER.pack(frames.INVOKE, len(text), len(payload))
        async with asyncio.timeout(WAIT_S):
            await asyncio.get_running_loop().sock_sendall(self.process.control, head + text + payload)

    async def call(self, event: Any = None, **meta: Any) -> Any:
        """Invoke and return the answer; fails on an error."""
        await self.send(json.dumps(event).encode(), **meta)
        kind, _, payload = await self.frame()
        assert kind == frames.ANSWER, payload
        return json.loads(payload)

    async def ended(self) -> Exit:
        async with asyncio.timeout(WAIT_S):
            return await asyncio.shield(self.process.exited)

    def drained(self) -> bytes:
        """Everything printed up to now: what the pipe holds is taken, and nothing is waited for."""
        with suppress(BlockingIOError):
            while data := os.read(self.process.output, 1 << 20):
                self.printed += data
        return bytes(self.printed)

    async def all_output(self) -> bytearray:
        """Everything printed; waits until nobody holds the pipe any more."""
        assert self._reading is not None
        async with asyncio.timeout(WAIT_S):
            await self._reading
        return self.printed

    async def close(self) -> None:
        if not self.process.exited.done():
            self.process.kill()
            await self.ended()
        assert self._reading is not None
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        self.process.control.close()
        os.close(self.process.output)
