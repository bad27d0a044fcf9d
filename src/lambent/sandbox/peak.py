"""The most memory that a sandbox has held, read where the kernel tells it: no question to the launcher."""

import os
import time

from lambent.sandbox import members

MIB = 1024 * 1024
DIGITS = 24
FRESH_S = 0.01  # calls that follow each other at once need not ask each time


class Peak:
    """The peak charge with what was inherited, which is charged to nobody; at most the limit."""

    def __init__(self, file: str, inherited_bytes: int, limit_mb: int, init: int = 0) -> None:
        """Without a file that counts all it is the first process's, of those that `init` is with."""
        self._init = init
        self._pid = 0
        self._inherited_bytes = inherited_bytes
        self._limit_mb = limit_mb
        self._read_at = 0.0
        self._last_mb = 0
        try:
            self._file = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # a host without a memory controller
            self._file = -1

    def read_mb(self) -> int:
        now = time.monotonic()
        if now - self._read_at < FRESH_S:
            return self._last_mb
        self._read_at, self._last_mb = now, self._read_mb()
        return self._last_mb

    def _read_mb(self) -> int:
        if self._file < 0:
            return min(-(-self._of_process() // MIB), self._limit_mb)
        used = self._inherited_bytes
        if self._file >= 0:
            try:
                used += int(os.pread(self._file, DIGITS, 0))
            except OSError:  # the sandbox has gone
                self.close()
        return min(-(-used // MIB), self._limit_mb)

    def _of_process(self) -> int:
        if not self._pid and self._init:
            self._pid = min(members.of(self._init), default=0)
        return members.peak_bytes(self._pid) or self._inherited_bytes

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __del__(self) -> None:
        self.close()
