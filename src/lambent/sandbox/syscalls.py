"""The system calls that Python's standard library lacks, by ctypes; also loaded inside zygotes.

Runs on every Python that functions run on, so it keeps to the syntax of 3.7.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

# The numbers that differ between the two machines; the newer calls have one number everywhere.
_NUMBERS = {
    "x86_64": {"clone": 56, "pivot_root": 155, "capset": 126, "seccomp": 317},
    "aarch64": {"clone": 220, "pivot_root": 41, "capset": 91, "seccomp": 277},
}
_SAME = {
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "pidfd_open": 434,
    "openat2": 437,
    "process_madvise": 440,
    "mount_setattr": 442,
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
}

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
SIGCHLD = 17

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_NOATIME, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1024, 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
MADV_POPULATE_READ, MADV_POPULATE_WRITE = 22, 23
VECTORS = 1024  # that the kernel takes at a time

AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
OPEN_TREE_CLONE = 1
O_CLOEXEC = 0o2000000
MOVE_MOUNT_EMPTY_PATHS = 0x44  # of either side
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 1, 2, 4, 8

RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH = 1, 2, 4, 8

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
CAPABILITY_VERSION_3 = 0x20080522

_FSCONFIG_SET_FLAG, _FSCONFIG_SET_STRING, _FSCONFIG_CMD_CREATE = 0, 1, 6

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
# A clone must not let go of the interpreter's lock: the child comes back with it held, as it has to be.
_holding = ctypes.PyDLL(None, use_errno=True)


def number(name: str) -> int:
    """A system call's number on this machine."""
    return _SAME.get(name) or _NUMBERS[platform.machine()][name]


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def call(name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """A system call by name; integers go as longs, bytes as pointers. Raises OSError with the call's name."""
    values = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number(name)), *values), name)


def clone(flags: int) -> int:
    """A fork into new namespaces. The child may only make system calls and exec: no fork hook has run."""
    arguments = [ctypes.c_long(n) for n in (number("clone"), flags | SIGCHLD, 0, 0, 0, 0)]
    return _checked(_holding.syscall(*arguments), "clone")


def fork() -> int:
    """A fork without Python's hooks, which touch more pages than all that a stem does.

    For a process of one thread that holds no lock: what is left to do is `random.seed` and the like.
    """
    return _checked(_holding.fork(), "fork")


def unshare(flags: int) -> None:
    _checked(_libc.unshare(flags), "unshare")


def setns(fd: int, flags: int) -> None:
    """Enter a namespace by its own descriptor, or several of a process by its pidfd."""
    _checked(_libc.setns(fd, flags), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    arguments = [os.fsencode(source), os.fsencode(target), kind.encode() or None]
    result = _libc.mount(*arguments, ctypes.c_ulong(flags), options.encode() or None)
    _checked(result, f"mount on {target}")


def unmount(target: str, flags: int = MNT_DETACH) -> None:
    _checked(_libc.umount2(os.fsencode(target), flags), f"umount of {target}")


def pivot_root(new: str, old: str) -> None:
    call("pivot_root", os.fsencode(new), os.fsencode(old))


def open_tree(path: str, at: int = -100, recursive: bool = False) -> int:
    """A detached copy of the mount at `path`, or of the folder that `at` is open on when it is empty."""
    flags = OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    return call("open_tree", at, os.fsencode(path), flags)


def move_mount(fd: int, target: str, at: int = -100) -> None:
    """Attach a detached mount at `target`, or on what `at` is open on when it is empty."""
    call("move_mount", fd, b"", at, os.fsencode(target), MOVE_MOUNT_EMPTY_PATHS)


def mount_setattr(fd: int, add: int, recursive: bool = False) -> None:
    """Add attributes (read-only, nosuid, ...) to a detached mount."""
    attributes = ctypes.create_string_buffer(struct.pack("=QQQQ", add, 0, 0, 0))
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    call("mount_setattr", fd, b"", flags, attributes, 32)


def filesystem(kind: str, settings: dict[str, str | None], attributes: int = 0) -> int:
    """A detached mount of a new file system; a setting without a value is a flag."""
    context = call("fsopen", kind.encode(), 1)
    try:
        for key, value in settings.items():
            command = _FSCONFIG_SET_FLAG if value is None else _FSCONFIG_SET_STRING
            call("fsconfig", context, command, key.encode(), None if value is None else value.encode(), 0)
        call("fsconfig", context, _FSCONFIG_CMD_CREATE, None, None, 0)
        return call("fsmount", context, 1, attributes)
    finally:
        os.close(context)


def open_beneath(folder: int, path: str, flags: int) -> int:
    """Open a path that someone else chose: it stays in `folder`, on its file system, and follows no link."""
    resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV
    how = ctypes.create_string_buffer(struct.pack("=QQQ", flags | O_CLOEXEC, 0, resolve))
    return call("openat2", folder, os.fsencode(path), how, 24)


def pidfd_open(pid: int) -> int:
    return call("pidfd_open", pid, 0)


def populate(pages: bytes, advice: int = MADV_POPULATE_WRITE) -> None:
    """Have pages of this process there, as if each had been written to: `struct iovec` after another.

    Raises OSError where one is not mapped, or the kernel knows no such thing (before Linux 6.13).
    """
    own = pidfd_open(os.getpid())
    try:
        for at in range(0, len(pages), VECTORS * 16):
            some = pages[at : at + VECTORS * 16]
            call("process_madvise", own, some, len(some) // 16, advice, 0)
    finally:
        os.close(own)


def prctl(option: int, *arguments: int) -> int:
    return _checked(_libc.prctl(option, *(*arguments, 0, 0, 0, 0)[:4]), "prctl")


def sethostname(name: str) -> None:
    encoded = name.encode()
    _checked(_libc.sethostname(encoded, ctypes.c_size_t(len(encoded))), "sethostname")


def drop_exec_gains() -> None:
    """Give up for good what exec could give back; the own capabilities stay until `drop_capabilities`."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:  # past the kernel's last capability
            return


_OWN = ctypes.create_string_buffer(struct.pack("=Ii", CAPABILITY_VERSION_3, 0))
_NONE = ctypes.create_string_buffer(bytes(24))


def drop_capabilities() -> None:
    call("capset", _OWN, _NONE)


def die_with_parent(signal: int = 9) -> None:
    """Get `signal` when the parent's thread ends. To be asked for again after every change of uid."""
    prctl(PR_SET_PDEATHSIG, signal)
