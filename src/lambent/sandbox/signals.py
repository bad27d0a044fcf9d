"""Signals and ended children, as the launcher's loop sees them."""

import os
import select
import signal
import socket
import time
from types import FrameType
from typing import Any

HEARD = (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
BYTES = 4096


class Signals:
    """While entered, signals arrive as bytes on `pipe`."""

    def __init__(self) -> None:
        self.pipe, self._write = socket.socketpair()
        self.pipe.setblocking(False)
        self._write.setblocking(False)
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Signals":
        self._wakeup = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, _heard) for number in HEARD}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self.pipe.close()
        self._write.close()

    def take(self) -> bytes:
        """The numbers of the signals that came."""
        return self.pipe.recv(BYTES)


def _heard(number: int, frame: FrameType | None) -> None:
    """The byte on the pipe is all that is wanted."""


def wait_child(deadline: float | None = None) -> tuple[int, int] | None:
    """Reap one child: its pid and status. None when none has ended, or by the deadline, or none is left."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if pid:
            return pid, status
        if deadline is None or time.monotonic() >= deadline:
            return None
        select.select([], [], [], 0.01)
