"""What a process prints, read from its pipe no faster than is allowed."""

import asyncio
import fcntl
import os
import termios
from collections.abc import Callable

from lambent.invoke.flow import Flow

# One for all, because each read is used up before the next. No more at once: lines cost more than bytes, and
# the loop is not to stall.
_CHUNK = memoryview(bytearray(16 * 1024))
_NOTHING = bytes(4)  # how many bytes a pipe holds, as the kernel says it: none
PIPE_BYTES = 64 * 1024  # what a pipe holds unless the process has made it larger


class Output:
    """Reads while the loop runs, and hands on what came."""

    def __init__(self, pipe: int, on_output: Callable[[bytes], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._pipe = pipe
        self._on_output = on_output
        self._flow = Flow()
        self._held = bytearray(4)  # how much the pipe holds
        self._pause: asyncio.TimerHandle | None = None  # while the process prints too fast
        self._loop.add_reader(pipe, self._readable)

    def drain(self) -> None:
        """Take what was printed before the answer: it is in the pipe already.

        No more than that, because something may go on printing.
        """
        # Nearly always there is nothing, which asking says at a third of what a vain read costs.
        fcntl.ioctl(self._pipe, termios.FIONREAD, self._held)
        if self._held == _NOTHING:
            return
        left = PIPE_BYTES
        while left > 0 and (count := self._read()):
            left -= count

    def close(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._pipe)
        os.close(self._pipe)

    def _readable(self) -> None:
        if self._read() is None:
            self._loop.remove_reader(self._pipe)

    def _read(self) -> int | None:
        """How much came: 0 when there is nothing now, None at the end."""
        try:
            count = os.readv(self._pipe, [_CHUNK])
        except BlockingIOError:
            return 0
        if not count:
            return None
        data = bytes(_CHUNK[:count])
        self._on_output(data)
        if pause_s := self._flow.pause_s(data, self._loop.time()):
            self._rest(pause_s)
        return count

    def _rest(self, pause_s: float) -> None:
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._pipe)
        self._pause = self._loop.call_later(pause_s, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._pipe, self._readable)
