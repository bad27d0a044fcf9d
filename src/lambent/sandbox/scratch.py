"""Private /tmp folders of a fixed size, outside any memory limit: pooled loop-mounted ext4 images.

Images are files without a name and loop devices clear themselves, so when the launcher's mount namespace
dies nothing is left to sweep.
"""

import contextlib
import errno
import fcntl
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from lambent.model.limits import MIB
from lambent.sandbox import spawn, syscalls, wire
from lambent.sandbox.base import SandboxError

LOOP_CONTROL = "/dev/loop-control"
LOOP_CONFIGURE, LOOP_GET_FREE = 0x4C0A, 0x4C82
AUTOCLEAR, DIRECT_IO = 4, 16
LOOP_MAJOR = 7
ATTEMPTS = 50  # others take free loop devices at the same time
METADATA_MB = 16  # what ext4 needs for itself on top of the size that was asked for, and a 32nd of that size
POOLED = 8  # ready images of a size
READY = 256  # of the size that was asked for last, when there is time for it; an empty one takes no room
ASKED = 32  # of the child at a time: answers wait in a socket
MKFS_TIMEOUT_S = 60
MAKE_TIMEOUT_S = 60.0
CHILD_SOCKET = 3
OPEN_MAX = 1024

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


class Scratch:
    """The pool of images, by size. A child makes and removes them: a disk may let one wait."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(MAKE_TIMEOUT_S)
        with theirs:
            self._child = spawn.start(partial(_serve, folder, theirs.fileno()))
        self._child.forget()
        self._ready: defaultdict[int, list[Image]] = defaultdict(list)
        self._asked: Counter[int] = Counter()
        self._count = 0
        self._last_mb = 0
        self._problem = ""

    def take(self, size_mb: int) -> Image:
        """Raises SandboxError."""
        self._problem = ""
        self._last_mb = size_mb
        ready = self._ready[size_mb]
        if not ready and not self._asked[size_mb]:
            self._ask(size_mb)
        while not ready and not self._problem:
            self._hear()
        if self._problem:
            raise SandboxError(f"no /tmp of {size_mb} MB could be made: {self._problem}")
        return ready.pop()

    def remove(self, image: Image) -> None:
        wire.send(self.socket, {"remove": image.folder.name})

    def refill(self, quiet: bool = False) -> bool:
        """Ask for one image where one is short; False when there is nothing to do."""
        for size_mb, ready in self._ready.items():
            wanted = READY if quiet and size_mb == self._last_mb else POOLED
            asked = self._asked[size_mb]
            if not self._problem and asked < ASKED and len(ready) + asked < wanted:
                self._ask(size_mb)
                return True
        return False

    def hear(self) -> None:
        """Take what the child has made, if there is something."""
        if select.select([self.socket], [], [], 0)[0]:
            self._hear()

    def stop(self) -> None:
        """Stop the child; nothing more is made."""
        self.socket.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child.pid, signal.SIGKILL)

    def close(self) -> None:
        """Remove every image, in use or not."""
        for folder in self.folder.iterdir():
            _remove(folder)

    def _ask(self, size_mb: int) -> None:
        self._count += 1
        self._asked[size_mb] += 1
        wire.send(self.socket, {"make": str(self._count), "size_mb": size_mb})

    def _hear(self) -> None:
        try:
            frame = wire.receive(self.socket)
        except TimeoutError:
            frame = None
        if frame is None:
            raise SandboxError(f"no /tmp was made within {MAKE_TIMEOUT_S:g} s")
        made, _ = frame
        self._asked[made["size_mb"]] -= 1
        self._problem = made["problem"]
        if not self._problem:
            self._ready[made["size_mb"]].append(Image(self.folder / made["name"], made["size_mb"]))


def _serve(folder: Path, parent: int) -> None:
    """The child, until its parent is gone."""
    syscalls.die_with_parent()
    os.dup2(parent, CHILD_SOCKET)
    os.closerange(CHILD_SOCKET + 1, OPEN_MAX)
    own = socket.socket(fileno=CHILD_SOCKET)
    images = Images(folder)
    while frame := wire.receive(own):
        request, _ = frame
        if "remove" in request:
            _remove(folder / request["remove"])
            continue
        problem = ""
        try:
            images.make(request["make"], request["size_mb"])
        except OSError as error:
            problem = str(error)
        wire.send(own, {"name": request["make"], "size_mb": request["size_mb"], "problem": problem})


def _remove(folder: Path) -> None:
    with contextlib.suppress(OSError):  # the other of the two may have got so far
        syscalls.unmount(str(folder))
    with contextlib.suppress(OSError):
        folder.rmdir()


class Images:
    """Makes them, from a template for each size."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._templates: dict[int, int] = {}  # size to an open formatted file
        self._in_memory = bool(missing())  # then it does count

    def make(self, name: str, size_mb: int) -> None:
        """An image at a new folder of that name. Raises OSError."""
        folder = self.folder / name
        folder.mkdir(mode=0o700)
        if self._in_memory:
            syscalls.mount("lambent", str(folder), "tmpfs", MOUNT_FLAGS, f"size={size_mb}m")
            return
        try:
            if size_mb not in self._templates:
                self._templates[size_mb] = _format(self.folder, size_mb, folder)
            with _file(self.folder) as file:
                _copy(self._templates[size_mb], file.fileno())
                _attach(file.fileno(), folder)
        except OSError:
            folder.rmdir()
            raise


def _copy(template: int, file: int) -> None:
    """Formatting takes milliseconds and a process; copying the few blocks that it wrote takes neither."""
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


def _format(folder: Path, size_mb: int, place: Path) -> int:
    """An open template; it is mounted once at `place`, for what no copy needs."""
    file = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    os.truncate(file, (size_mb + size_mb // 32 + METADATA_MB) * MIB)
    command = [shutil.which(MKFS, path=_PATH) or MKFS, *MKFS_OPTIONS, f"/proc/self/fd/{file}"]
    done = subprocess.run(command, pass_fds=[file], capture_output=True, timeout=MKFS_TIMEOUT_S, check=False)
    if done.returncode:
        os.close(file)
        raise OSError(errno.EIO, f"{MKFS} failed: {done.stderr.decode(errors='replace').strip()}")
    _attach(file, place)
    (place / "lost+found").rmdir()
    syscalls.unmount(str(place), flags=0)
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
