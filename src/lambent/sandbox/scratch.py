"""Private /tmp folders of a fixed size, outside any memory limit: pooled loop-mounted ext4 images.

Images are files without a name and loop devices clear themselves, so when the launcher's mount namespace
dies nothing is left to sweep.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import struct
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lambent.model.limits import MIB
from lambent.sandbox import syscalls
from lambent.sandbox.base import SandboxError

LOOP_CONTROL = "/dev/loop-control"
LOOP_CONFIGURE, LOOP_GET_FREE = 0x4C0A, 0x4C82
AUTOCLEAR, DIRECT_IO = 4, 16
LOOP_MAJOR = 7
ATTEMPTS = 50  # others take free loop devices at the same time
METADATA_MB = 16  # what ext4 needs for itself on top of the size that was asked for, and a 32nd of that size
POOLED = 8  # ready images of a size
MKFS_TIMEOUT_S = 60

MKFS = "mkfs.ext4"
# No journal and no background work: the content dies with the sandbox anyway.
MKFS_OPTIONS = ("-qFm", "0", "-O", "^has_journal,^resize_inode", "-E", "lazy_itable_init=1,nodiscard")
MOUNT_OPTIONS = "noinit_itable,nobarrier,noauto_da_alloc"
MOUNT_FLAGS = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOATIME


@dataclass(frozen=True, slots=True)
class Image:
    """An empty file system, mounted at `folder` in the launcher's mount namespace."""

    folder: Path
    size_mb: int

    def open(self, uid: int) -> None:
        """Give it to a sandbox's user."""
        os.chown(self.folder, uid, uid)

    def mount_fd(self) -> int:
        """A detached copy of the mount, to be attached inside a sandbox."""
        return syscalls.open_tree(str(self.folder))

    def remove(self) -> None:
        syscalls.unmount(str(self.folder))
        self.folder.rmdir()


class Scratch:
    """The pool of images, by size."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._templates: dict[int, int] = {}  # size to an open formatted file
        self._ready: defaultdict[int, list[Image]] = defaultdict(list)
        self._count = 0
        self._in_memory = bool(missing())  # then it does count

    def take(self, size_mb: int) -> Image:
        ready = self._ready[size_mb]
        return ready.pop() if ready else self._make(size_mb)

    def refill(self) -> bool:
        """Make one image where one is short; False when there is nothing to do."""
        for size_mb, ready in self._ready.items():
            if len(ready) < POOLED:
                ready.append(self._make(size_mb))
                return True
        return False

    def close(self) -> None:
        for image in [image for ready in self._ready.values() for image in ready]:
            with contextlib.suppress(OSError):
                image.remove()
        self._ready.clear()
        for template in self._templates.values():
            os.close(template)
        self._templates.clear()

    def _make(self, size_mb: int) -> Image:
        self._count += 1
        folder = self.folder / str(self._count)
        folder.mkdir(mode=0o700)
        if self._in_memory:
            syscalls.mount("lambent", str(folder), "tmpfs", MOUNT_FLAGS, f"size={size_mb}m")
            return Image(folder, size_mb)
        try:
            with _file(self.folder) as file:
                self._copy_template(size_mb, file.fileno())
                _attach(file.fileno(), folder)
        except OSError as error:
            folder.rmdir()
            raise SandboxError(f"no /tmp of {size_mb} MB could be made: {error}") from error
        (folder / "lost+found").rmdir()
        return Image(folder, size_mb)

    def _copy_template(self, size_mb: int, file: int) -> None:
        """Formatting takes milliseconds and a process; copying the few blocks that it wrote takes neither."""
        if size_mb not in self._templates:
            self._templates[size_mb] = _format(self.folder, size_mb)
        template = self._templates[size_mb]
        end = os.fstat(template).st_size
        os.truncate(file, end)
        position = 0
        while True:
            try:
                position = os.lseek(template, position, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:  # no data behind this
                    return
                raise
            hole = os.lseek(template, position, os.SEEK_HOLE)
            while position < hole:
                position += os.copy_file_range(template, file, hole - position, position, position)


def missing() -> str:
    """What is missing for images, or the empty text."""
    if not shutil.which(MKFS, path=_PATH):
        return f"{MKFS} is not installed (package e2fsprogs)"
    return "" if os.path.exists(LOOP_CONTROL) else f"there is no {LOOP_CONTROL}"


_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"


def _file(folder: Path) -> IO[bytes]:
    return os.fdopen(os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600), "r+b", buffering=0)


def _format(folder: Path, size_mb: int) -> int:
    file = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    os.truncate(file, (size_mb + size_mb // 32 + METADATA_MB) * MIB)
    command = [shutil.which(MKFS, path=_PATH) or MKFS, *MKFS_OPTIONS, f"/proc/self/fd/{file}"]
    done = subprocess.run(command, pass_fds=[file], capture_output=True, timeout=MKFS_TIMEOUT_S, check=False)
    if done.returncode:
        os.close(file)
        raise OSError(errno.EIO, f"{MKFS} failed: {done.stderr.decode(errors='replace').strip()}")
    return file


def _attach(file: int, folder: Path) -> None:
    """Mount a formatted file; the loop device lives as long as the mount."""
    for _ in range(ATTEMPTS):
        path = _free_device()
        device = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(device, LOOP_CONFIGURE, _loop_config(file))
            syscalls.mount(path, str(folder), "ext4", MOUNT_FLAGS, MOUNT_OPTIONS)
            return
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
        finally:
            os.close(device)
    raise OSError(errno.EBUSY, "every loop device that was free was taken by others")


def _free_device() -> str:
    control = os.open(LOOP_CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        number = fcntl.ioctl(control, LOOP_GET_FREE)
    finally:
        os.close(control)
    path = f"/dev/loop{number}"
    if not os.path.exists(path):  # no devtmpfs here
        with contextlib.suppress(FileExistsError):
            os.mknod(path, 0o060600, os.makedev(LOOP_MAJOR, number))
    return path


def _loop_config(file: int) -> bytes:
    """`struct loop_config`: descriptor, block size, `struct loop_info64` with only flags set, reserved."""
    info = struct.pack("=5Q4I64x64x32x2Q", 0, 0, 0, 0, 0, 0, 0, 0, AUTOCLEAR | DIRECT_IO, 0, 0)
    return struct.pack("=II", file, 4096) + info + bytes(64)
