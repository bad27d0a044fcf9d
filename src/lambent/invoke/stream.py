"""An answer that is passed on as it comes, from its process to its caller: bounded, and at AWS's pace."""

import asyncio
from collections import deque
from collections.abc import Callable

from lambent.model.invocation import TooLong
from lambent.model.limits import STREAM_BYTES, STREAM_BYTES_PER_S, STREAM_FREE_BYTES

BUFFERED_BYTES = 256 * 1024  # of an answer that its caller has not taken yet
AHEAD_S = 0.05  # a caller who is ahead of the pace by less is not made to wait


class Stream:
    """One end is the process's connection, the other one its caller's. Both are on one event loop."""

    def __init__(self) -> None:
        self.version = ""  # that runs, as soon as it does
        self.content_type = ""  # as the runtime named it
        self.total = 0  # bytes that came
        self._loop = asyncio.get_running_loop()
        self._pieces: deque[bytes] = deque()
        self._size = 0  # bytes that wait for the caller
        self._resume: Callable[[], None] | None = None  # lets the process go on that was made to wait
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._lost = False  # nobody takes what comes
        self._due = 0.0  # when the next bytes may go out, at AWS's pace
        self._sent = 0

    # The process's end.

    def feed(self, data: bytes, hold: Callable[[], None], resume: Callable[[], None]) -> None:
        """A part of the answer. While too much waits, `hold` is called, then `resume`. Raises `TooLong`."""
        self.total += len(data)
        if self.total > STREAM_BYTES:
            raise TooLong
        if self._lost or not data:
            return
        self._pieces.append(data)
        self._size += len(data)
        self._wake()
        if self._size > BUFFERED_BYTES and self._resume is None:
            self._resume = resume
            hold()

    def end(self) -> None:
        """Nothing more comes."""
        self._ended = True
        self._wake()

    # The caller's end.

    async def begun(self) -> bool:
        """Wait for the first bytes; False when it ends without any.

        This wait and those for more end with the run, which has the function's timeout.
        """
        while not self._pieces and not self._ended:
            await self._wait()
        return bool(self._pieces)

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> bytes:
        if self._due:
            await self._keep_pace()
        if not await self.begun():
            raise StopAsyncIteration
        piece = self._pieces.popleft()
        self._size -= len(piece)
        if self._size <= BUFFERED_BYTES:
            self._go_on()
        self._sent += len(piece)
        if self._sent > STREAM_FREE_BYTES:
            self._due = max(self._loop.time(), self._due) + len(piece) / STREAM_BYTES_PER_S
        return piece

    def lose(self) -> None:
        """The caller has gone; the run goes on, and its answer to nowhere."""
        self._lost = True
        self._pieces.clear()
        self._size = 0
        self._go_on()

    async def _keep_pace(self) -> None:
        ahead_s = self._due - self._loop.time()
        if ahead_s > AHEAD_S:
            await asyncio.sleep(ahead_s)

    def _go_on(self) -> None:
        resume, self._resume = self._resume, None
        if resume is not None:
            resume()

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        await self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        self._waiter = None
