"""User ids of a node's parts, all from a block of its own that its data folder's path decides."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

FIRST, LAST = 0x7000_0000, 0x7FFD_FFFF  # above what distributions, containers and systemd hand out
BLOCK = 4096
FUNCTION = 993  # who a function finds itself to be, where it has no user id of its own outside
NODE, INIT, UNPACK, PROGRAMS, SANDBOXES = 0, 1, 2, 16, 64  # offsets in the block


@dataclass(frozen=True, slots=True)
class Users:
    """The block; a group id equals its user id."""

    base: int

    @property
    def node(self) -> int:
        return self.base + NODE

    @property
    def init(self) -> int:
        """The processes that hold a sandbox's namespaces."""
        return self.base + INIT

    @property
    def unpack(self) -> int:
        return self.base + UNPACK

    def program(self, index: int) -> int:
        return _within(self.base, PROGRAMS + index, SANDBOXES, "programs")

    def sandbox(self, index: int) -> int:
        return _within(self.base, SANDBOXES + index, BLOCK, "sandboxes")

    def names(self, sandboxes: int) -> list[tuple[str, int]]:
        """Every sandbox's user has a name, for those who ask."""
        functions = ((f"sbx_user{index}", self.sandbox(index)) for index in range(1, sandboxes + 1))
        return [("root", 0), *functions]


def _within(base: int, offset: int, limit: int, what: str) -> int:
    if offset >= limit:
        raise ValueError(f"no user id is left for {what}: a node has {BLOCK}")
    return base + offset


def tag(data: Path) -> str:
    """A short name for what a node makes in the kernel, always the same for one data folder."""
    return hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:8]


def users(data: Path) -> Users:
    return Users(FIRST + int(tag(data), 16) % ((LAST + 1 - FIRST) // BLOCK) * BLOCK)
