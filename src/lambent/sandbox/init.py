"""The first process of a sandbox: a program of a few system calls, put together for the machine that this is.

Every cold start pays for it, so it has no loader, no libraries and next to no memory: it mounts what belongs
to its pid namespace, gives up root, dies with the launcher, lets the kernel reap what it inherits, says that
it is ready by closing its standard input, and waits forever.
"""

import os
import platform
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lambent.sandbox import syscalls

PLACE = "/.lambent/init"  # in every root
BASE = 0x400000  # where the file lies in memory
PAGE_MAX = 0x10000
ELF_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
IGNORED = struct.pack("<4Q", 1, 0, 0, 0)  # struct sigaction: SIG_IGN, no flags, no restorer, no mask
DATA_AT = BASE + ELF_HEADER.size + SEGMENT.size

HOST_NAME = b"sandbox"
SHARED_MEMORY_OPTIONS = b"size=64m,nr_inodes=1k,mode=1777"  # counts against the memory limit
# What /proc tells about the machine, or about others on it, rather than about the sandbox.
MASKED = (
    *("cmdline", "config.gz", "consoles", "diskstats", "interrupts", "iomem", "ioports", "kallsyms", "kcore"),
    *("key-users", "keys", "kmsg", "latency_stats", "modules", "partitions", "sched_debug", "schedstat"),
    *("softirqs", "sysrq-trigger", "timer_list"),
)
MASKED_FOLDERS = ("acpi", "asound", "bus", "driver", "fs", "irq", "pressure", "scsi")
EMPTY = "/.lambent/empty"  # a folder in every root
MACHINE_PROC = b"/.lambent/proc"  # of the machine: in a user namespace it must be seen to mount another
UNSEEN = b"hidepid=4"  # of a /proc: who cannot be traced, as the init that has no user of its own
HARMLESS = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC

Call = tuple[str, *tuple[int | bytes, ...]]  # texts are given by their place


@dataclass(frozen=True, slots=True)
class Machine:
    """How system calls are written on one kind of machine."""

    elf: int
    numbers: Mapping[str, int]
    call: Callable[[int, Sequence[int]], bytes]
    check: bytes  # after a call: an illegal instruction, which is jumped over when the result is zero
    back: Callable[[int], bytes]  # jump to what lies so many bytes before


def program(uid: int, machine: str = "", empty: str = EMPTY) -> bytes:
    """The executable for a sandbox's init under a user of its own, or in a user namespace's root, as 0."""
    target = MACHINES[machine or platform.machine()]
    data, places = b"", {}
    code = b""
    own = _privileges(uid) if uid else _no_sight()
    calls = [*_mounts(empty, 0 if uid else UNSEEN), *own, *_promises(), ("close", 0)]
    for text in dict.fromkeys(value for call in calls for value in call[1:] if isinstance(value, bytes)):
        places[text] = DATA_AT + len(data)
        data += text + bytes(8 - len(text) % 8)
    for name, *values in calls:
        numbers = [value if isinstance(value, int) else places[value] for value in values]
        code += target.call(target.numbers[name], numbers) + target.check
    wait = target.call(target.numbers["ppoll"], (0, 0, 0, 0, 0))
    return _executable(target.elf, data, code + wait + target.back(len(wait)))


def _mounts(empty: str, options: int | bytes) -> list[Call]:
    """/proc of the pid namespace, without what it tells of the machine; /dev/shm; the name of the host."""
    masks = [(name, b"/dev/null") for name in MASKED] + [(name, empty.encode()) for name in MASKED_FOLDERS]
    return [
        ("mount", b"proc", b"/proc", b"proc", HARMLESS, options),
        *(
            ("mount", cover, f"/proc/{name}".encode(), 0, syscalls.MS_BIND, 0)
            for name, cover in masks
            if os.path.exists(f"/proc/{name}")
        ),
        ("mount", b"shm", b"/dev/shm", b"tmpfs", HARMLESS, SHARED_MEMORY_OPTIONS),
        ("sethostname", HOST_NAME, len(HOST_NAME)),
    ]


def _privileges(uid: int) -> list[Call]:
    return [
        ("setgroups", 0, 0),
        ("setresgid", uid, uid, uid),
        ("setresuid", uid, uid, uid),
    ]


def _no_sight() -> list[Call]:
    return [("umount2", MACHINE_PROC, syscalls.MNT_DETACH)]


def _promises() -> list[Call]:
    return [
        ("prctl", syscalls.PR_SET_PDEATHSIG, 9, 0, 0, 0),  # a change of uid clears it
        ("prctl", syscalls.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        ("rt_sigaction", syscalls.SIGCHLD, IGNORED, 0, 8),
    ]


def _executable(elf: int, data: bytes, code: bytes) -> bytes:
    """One segment that holds all of the file, readable and executable."""
    start = DATA_AT + len(data)
    size = start - BASE + len(code)
    magic = b"\x7fELF\2\1\1".ljust(16, b"\0")
    sizes = (ELF_HEADER.size, SEGMENT.size, 1, 0, 0, 0)
    header = ELF_HEADER.pack(magic, 2, elf, 1, start, ELF_HEADER.size, 0, 0, *sizes)
    return header + SEGMENT.pack(1, 5, 0, BASE, BASE, size, size, PAGE_MAX) + data + code


def _x86_64(number: int, arguments: Sequence[int]) -> bytes:
    """mov edi|esi|edx|r10d|r8d, argument ...; mov eax, number; syscall"""
    moves = (b"\xbf", b"\xbe", b"\xba", b"\x41\xba", b"\x41\xb8")
    loads = (move + struct.pack("<I", value) for move, value in zip(moves, arguments, strict=False))
    return b"".join(loads) + b"\xb8" + struct.pack("<I", number) + b"\x0f\x05"


def _aarch64(number: int, arguments: Sequence[int]) -> bytes:
    """movz, movk x0|x1|..., argument ...; movz, movk x8, number; svc 0"""
    words = []
    for register, value in (*enumerate(arguments), (8, number)):
        words += [0xD2800000 | (value & 0xFFFF) << 5 | register, 0xF2A00000 | value >> 16 << 5 | register]
    return struct.pack(f"<{len(words) + 1}I", *words, 0xD4000001)


MACHINES = {
    "x86_64": Machine(
        62,
        {
            "close": 3,
            "rt_sigaction": 13,
            "setgroups": 116,
            "setresuid": 117,
            "setresgid": 119,
            "prctl": 157,
            "mount": 165,
            "umount2": 166,
            "sethostname": 170,
            "ppoll": 271,
        },
        _x86_64,
        b"\x85\xc0\x74\x02\x0f\x0b",  # test eax, eax; jz +2; ud2
        lambda size: b"\xeb" + struct.pack("<b", -size - 2),  # jmp
    ),
    "aarch64": Machine(
        183,
        {
            "umount2": 39,
            "mount": 40,
            "close": 57,
            "ppoll": 73,
            "rt_sigaction": 134,
            "setresuid": 147,
            "setresgid": 149,
            "setgroups": 159,
            "sethostname": 161,
            "prctl": 167,
        },
        _aarch64,
        struct.pack("<II", 0xB4000040, 0),  # cbz x0, +8; udf 0
        lambda size: struct.pack("<I", 0x14000000 | (-size // 4 & 0x3FFFFFF)),  # b
    ),
}
