"""A launcher that is no root: the user namespace it works in, and what takes the place of privileges there.

It has every capability over what it makes, and none over the machine. Only its own user id means anything
there, so all parts share it; a function's process gets a user namespace of its own within (`zygote.alone`).
"""

import contextlib
import dataclasses
import os
from pathlib import Path

from lambent.sandbox import syscalls
from lambent.sandbox.cgroup import Tree
from lambent.sandbox.scratch import Image
from lambent.sandbox.users import FUNCTION, Users

ROOT = 0  # who this user is in there
MACHINE_PROC = Path("/proc")  # to be seen where another one is mounted, or the kernel refuses that
INODES = 65536  # of a /tmp
FLAGS = syscalls.MS_NOSUID | syscalls.MS_NODEV


def enter() -> None:
    """Needs a single thread. Raises OSError where the machine does not allow it."""
    uid, gid = os.geteuid(), os.getegid()
    syscalls.unshare(syscalls.CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{ROOT} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{ROOT} {gid} 1")
    syscalls.unshare(syscalls.CLONE_NEWNET)


def prepared(tree: Tree) -> Tree:
    """The tree with those of its control groups that are delegated to this user."""
    roots = {name: root for name, root in tree.roots.items() if os.access(root.parent, os.W_OK)}
    tree = dataclasses.replace(tree, roots=roots)
    try:
        return tree.prepare()
    except OSError:  # of version 2 the controllers are given from above, or not
        with contextlib.suppress(OSError):
            tree.remove()
        return dataclasses.replace(tree, roots={})


class Alone(Users):
    """Everybody is the one who started the node."""

    @property
    def node(self) -> int:
        return ROOT

    @property
    def init(self) -> int:
        return ROOT

    @property
    def unpack(self) -> int:
        return ROOT

    def program(self, index: int) -> int:
        return ROOT

    def sandbox(self, index: int) -> int:
        return ROOT

    def names(self, sandboxes: int) -> list[tuple[str, int]]:
        return [("root", ROOT), ("sbx_user1051", FUNCTION)]


class Memory:
    """What `Scratch` is, out of memory: file systems of a fixed size that no image is needed for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0

    def take(self, size_mb: int) -> Image:
        self._count += 1
        image = Image(self.folder / str(self._count), size_mb)
        image.folder.mkdir()
        options = f"size={size_mb}m,nr_inodes={INODES},mode=755"
        syscalls.mount("lambent", str(image.folder), "tmpfs", FLAGS, options)
        return image

    def remove(self, image: Image) -> None:
        """What does not go now goes with the launcher's mounts and folder."""
        with contextlib.suppress(OSError):
            syscalls.unmount(str(image.folder))
        with contextlib.suppress(OSError):
            image.folder.rmdir()

    def refill(self, quiet: bool = False) -> bool:
        """Nothing is made ahead."""
        return False

    def stop(self) -> None:
        """There is nobody to stop."""

    def close(self) -> None:
        """Remove them all, in use or not."""
        for folder in self.folder.iterdir():
            self.remove(Image(folder, 0))
