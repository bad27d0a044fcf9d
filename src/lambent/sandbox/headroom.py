"""How much memory is left for more instances: the machine's, or that of a group that the node runs in."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lambent.model.limits import MIB
from lambent.sandbox import cgroup

MEMINFO = Path("/proc/meminfo")
# The limit, what is used, and what of that is only a cache: by the files of version 2, then of version 1.
FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
FRESH_S = 0.05  # a few starts later there is about as much: the kernel takes long to sum it up
UNLIMITED = 2**60  # version 1 writes "no limit" as a very large number


@dataclass(frozen=True, slots=True)
class Bound:
    """A group with a limit of its own."""

    folder: Path
    files: tuple[str, str, str]

    def left_bytes(self) -> int:
        limit, used, cache = self.files
        return _limit(self.folder / limit) - int((self.folder / used).read_text()) + self._cached(cache)

    def _cached(self, name: str) -> int:
        fields = (line.split() for line in (self.folder / "memory.stat").read_text().splitlines())
        return next((int(value) for key, value in fields if key == name), 0)


@dataclass(slots=True)
class Headroom:
    """Asked at each start of an instance, so it reads only what binds, and not each time."""

    least_mb: int  # 0: never short
    bounds: Sequence[Bound] = ()
    meminfo: Path = MEMINFO
    clock: Callable[[], float] = time.monotonic
    _looked_at: float = float("-inf")
    _short: bool = False

    def is_short(self) -> bool:
        now = self.clock()
        if self.least_mb > 0 and now - self._looked_at >= FRESH_S:
            self._looked_at, self._short = now, self.left_mb() < self.least_mb
        return self._short

    def left_mb(self) -> int:
        return min([_available_bytes(self.meminfo), *(bound.left_bytes() for bound in self.bounds)]) // MIB


def find(least_mb: int, own: Path = Path("/proc/self")) -> Headroom:
    """The machine's, and that of each group above this process that has a limit now."""
    if not MEMINFO.exists():  # no Linux
        return Headroom(0)
    found = [
        Bound(folder, files)
        for folder in cgroup.memory_groups(own)
        for files in FILES
        if _limit(folder / files[0]) < UNLIMITED
    ]
    return Headroom(least_mb, tuple(found))


def _available_bytes(meminfo: Path) -> int:
    _, _, rest = meminfo.read_bytes().partition(b"MemAvailable:")
    return int(rest.split(None, 1)[0]) * 1024


def _limit(file: Path) -> int:
    try:
        text = file.read_text().strip()
    except OSError:  # no such controller here, or none that this user may see
        return UNLIMITED
    return UNLIMITED if text == "max" else int(text)
