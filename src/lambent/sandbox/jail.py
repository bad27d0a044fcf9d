"""The view of the file system that the node and the platform's programs get: their own paths, reachable.

A path such as /root/.pyenv cannot be entered by another user. The first folder on the way that is closed is
covered by an empty one, in which only what is needed is shown again.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from lambent.sandbox import syscalls

OTHERS_MAY_ENTER = 0o001


def closed_ancestor(path: Path) -> Path | None:
    """The first folder above `path` that other users cannot go through."""
    for folder in reversed(path.parents):
        if not stat.S_IMODE(folder.stat().st_mode) & OTHERS_MAY_ENTER:
            return folder
    return None


def open_ways(paths: Iterable[Path]) -> None:
    """Make every path reachable for every user, in this process's own mount namespace."""
    closed = {path: folder for path in outermost(paths) if (folder := closed_ancestor(path))}
    trees = {path: syscalls.open_tree(str(path), recursive=True) for path in closed}
    for folder in dict.fromkeys(closed.values()):
        syscalls.mount("lambent", str(folder), "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=711")
    for path, tree in trees.items():
        _make_place(path, tree)
        syscalls.move_mount(tree, str(path))
        os.close(tree)


def outermost(paths: Iterable[Path]) -> list[Path]:
    """The real paths, without those that lie in another of them."""
    real = sorted({path.resolve() for path in paths})
    return [path for path in real if not any(other in path.parents for other in real)]


def _make_place(path: Path, tree: int) -> None:
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    if stat.S_ISDIR(os.fstat(tree).st_mode):
        path.mkdir(mode=0o711, exist_ok=True)
    else:
        path.touch()
