"""AWS's quota of cpu time, for those who want it: bound by a file once init is over."""

import contextlib
import os

from lambent.model.limits import ONE_CORE_MB

PERIOD_US = 20_000  # AWS's
UNIFIED = "cpu.max"  # version 2's file, which takes quota and period; version 1's takes the quota


class Quota:
    """The file that holds a control group to its share of one or more cores; without one nothing does."""

    def __init__(self, file: str, memory_mb: int) -> None:
        self._file = file
        share_us = PERIOD_US * memory_mb // ONE_CORE_MB
        unified = os.path.basename(file) == UNIFIED
        self._bound = f"{share_us} {PERIOD_US}" if unified else str(share_us)
        self._free = f"max {PERIOD_US}" if unified else "-1"

    def bind(self) -> None:
        self._write(self._bound)

    def release(self) -> None:
        self._write(self._free)

    def _write(self, text: str) -> None:
        if self._file:
            with contextlib.suppress(FileNotFoundError):  # the sandbox has gone
                descriptor = os.open(self._file, os.O_WRONLY | os.O_CLOEXEC)
                try:
                    os.write(descriptor, text.encode())
                finally:
                    os.close(descriptor)
