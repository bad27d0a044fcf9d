"""Sends events into a sandbox, whose programs may take them, or be slow, or never listen."""

import asyncio
import contextlib
import ctypes
import socket
from collections import deque

from lambent.runtimes.telemetry_api import HOSTS, Subscription

SEND_TIMEOUT_S = 5.0
TRIES = 3
RETRY_S = 0.1
ANSWER_BYTES = 64 * 1024
WAITING_BYTES = 4 * 1024 * 1024  # that nobody took: beyond it the oldest are dropped
_libc = ctypes.CDLL(None)


class Sender:
    """The events of one subscriber, in batches. `sock` was made in the sandbox's network, for it alone."""

    def __init__(self, subscription: Subscription, sock: socket.socket) -> None:
        self.subscription = subscription
        self.dropped = 0
        self._socket = sock
        self._connected = False
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._full = asyncio.Event()  # there is enough for a batch, or somebody cannot wait
        self._some = asyncio.Event()
        self._sent = asyncio.Event()
        self._sent.set()
        self._idle = False  # nothing runs in the sandbox, which may be frozen
        self._patience: asyncio.Timeout | None = None  # of what is being sent
        sock.setblocking(False)
        self._task = asyncio.get_running_loop().create_task(self._run())

    def add(self, event: bytes) -> None:
        """One event, as JSON."""
        self._waiting.append(event)
        self._bytes += len(event) + 1
        while self._bytes > WAITING_BYTES:
            self._take()
            self.dropped += 1
        self._some.set()
        self._sent.clear()
        wanted = self.subscription
        if len(self._waiting) >= wanted.items_max or self._bytes >= wanted.bytes_max:
            self._full.set()

    def rest(self, idle: bool) -> None:
        """While the sandbox is idle nobody there can be late."""
        self._idle = idle
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(self._deadline())

    async def flush(self, timeout_s: float) -> None:
        """Send what is there now, if it is taken in time."""
        self.rest(idle=False)
        self._full.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._sent.wait()

    def close(self) -> None:
        self._task.cancel()
        self._socket.close()

    async def _run(self) -> None:
        while True:
            await self._some.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.subscription.timeout_s):
                    await self._full.wait()
            await self._send(self._batch())
            if not self._waiting:
                self._some.clear()
                self._full.clear()
                self._sent.set()

    def _batch(self) -> list[bytes]:
        wanted, size = self.subscription, 0
        batch: list[bytes] = []
        while self._waiting and len(batch) < wanted.items_max and size < wanted.bytes_max:
            batch.append(self._take())
            size += len(batch[-1])
        return batch

    def _take(self) -> bytes:
        event = self._waiting.popleft()
        self._bytes -= len(event) + 1
        return event

    async def _send(self, batch: list[bytes]) -> None:
        for number in range(TRIES):
            try:
                async with asyncio.timeout_at(self._deadline()) as self._patience:
                    await self._try(batch)
                return
            except OSError:  # which a timeout is, too
                self._disconnect()
            finally:
                self._patience = None
            if number < TRIES - 1:
                await asyncio.sleep(RETRY_S)
        self.dropped += len(batch)

    def _deadline(self) -> float | None:
        return None if self._idle else asyncio.get_running_loop().time() + SEND_TIMEOUT_S

    async def _try(self, batch: list[bytes]) -> None:
        loop = asyncio.get_running_loop()
        if not self._connected:
            await loop.sock_connect(self._socket, ("127.0.0.1", self.subscription.port))
            self._connected = True
        if self.subscription.protocol == "TCP":
            await loop.sock_sendall(self._socket, b"".join(event + b"\n" for event in batch))
            return
        body = b"[" + b",".join(batch) + b"]"
        head = (
            f"POST {self.subscription.path} HTTP/1.1\r\nHost: {HOSTS[0]}:{self.subscription.port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        await loop.sock_sendall(self._socket, head.encode() + body)
        await self._read_answer(loop)
        self._disconnect()

    async def _read_answer(self, loop: asyncio.AbstractEventLoop) -> None:
        """Its first line decides; the rest is not for us."""
        answer = b""
        while b"\r\n" not in answer:
            data = await loop.sock_recv(self._socket, ANSWER_BYTES)
            if not data or len(answer) > ANSWER_BYTES:
                raise ConnectionError("the subscriber gave no answer")
            answer += data
        if not answer.split(b" ", 2)[1:2] or not answer.split(b" ", 2)[1].startswith(b"2"):
            raise ConnectionError("the subscriber did not take them")

    def _disconnect(self) -> None:
        """Make the socket new: no other can be made in the sandbox's network. AF_UNSPEC means just that."""
        self._connected = False
        _libc.connect(self._socket.fileno(), bytes(16), 16)
