"""Stops a sandbox's processes where they are and lets them go on, by a file: no question to the launcher."""

import contextlib
import os

UNIFIED = "cgroup.freeze"  # version 2's file, which hybrid machines have too; version 1's is freezer.state
WORDS = {UNIFIED: (b"1", b"0")}
OLD_WORDS = (b"FROZEN", b"THAWED")


class Freezer:
    """The file that a control group is frozen by; without one nothing is ever frozen."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._freeze, self._thaw = WORDS.get(os.path.basename(file), OLD_WORDS)
        self._descriptor = -1  # opened when it is first used
        self.frozen = False

    def freeze(self) -> None:
        """Takes effect at once, or as soon as a process leaves the kernel."""
        if self._file and not self.frozen:
            with contextlib.suppress(OSError):  # the sandbox has gone
                if self._descriptor < 0:
                    self._descriptor = os.open(self._file, os.O_WRONLY | os.O_CLOEXEC)
                os.pwrite(self._descriptor, self._freeze, 0)
                self.frozen = True

    def thaw(self) -> None:
        if self.frozen:
            self.frozen = False
            with contextlib.suppress(OSError):
                os.pwrite(self._descriptor, self._thaw, 0)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.close()
