"""The filter, run by a small interpreter of its instructions, for every call and both machines."""

import errno
import struct
from functools import cache

import pytest

from lambent.sandbox import seccomp

MACHINES = list(seccomp.ARCHITECTURES)
ALLOW = seccomp.ALLOW
NO_SUCH_CALL = seccomp.refuse(errno.ENOSYS)


@cache
def instructions(machine: str) -> list[tuple[int, int, int, int]]:
    return list(struct.iter_unpack("=HBBI", seccomp.program(machine)))


def verdict(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """What the kernel would do."""
    audit = seccomp.ARCHITECTURES[machine][0] if architecture is None else architecture
    data = struct.pack("=iIQ6Q", number, audit, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    program = instructions(machine)
    at = value = 0
    while True:
        code, if_true, if_false, k = program[at]
        at += 1
        if code == seccomp.RETURN:
            return int(k)
        if code == seccomp.LOAD:
            (value,) = struct.unpack_from("=I", data, k)
            continue
        holds = {
            seccomp.JUMP_EQUAL: value == k,
            seccomp.JUMP_AT_LEAST: value >= k,
            seccomp.JUMP_BITS: value & k != 0,
        }[code]
        at += if_true if holds else if_false


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_in_the_table_is_allowed_and_nothing_else(machine: str) -> None:
    allowed = set(seccomp.allowed_numbers(machine))
    special = set(seccomp.SPECIAL[machine].values())
    for number in set(range(600)) - special:
        assert verdict(machine, number) == (ALLOW if number in allowed else NO_SUCH_CALL), number


@pytest.mark.parametrize("machine", MACHINES)
def test_the_table_does_not_let_the_special_ones_by(machine: str) -> None:
    assert not set(seccomp.SPECIAL[machine].values()) & set(seccomp.allowed_numbers(machine))


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("ptrace", 101),
        ("mount", 165),
        ("bpf", 321),
        ("unshare", 272),
        ("setns", 308),
        ("io_uring_setup", 425),
    ],
)
def test_the_dangerous_ones_are_not_in_the_table(name: str, number: int) -> None:
    assert f"{name}:" not in seccomp.ALLOWED.split()
    assert verdict("x86_64", number) == NO_SUCH_CALL


@pytest.mark.parametrize("machine", MACHINES)
def test_clone_makes_threads_and_no_namespaces(machine: str) -> None:
    clone, clone3 = (seccomp.SPECIAL[machine][name] for name in ("clone", "clone3"))
    assert verdict(machine, clone, 0x3D0F00) == ALLOW  # what glibc passes for a thread
    assert verdict(machine, clone, 17) == ALLOW  # a fork
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert verdict(machine, clone, flag | 17) == seccomp.refuse(errno.EPERM)
    assert verdict(machine, clone3) == NO_SUCH_CALL


@pytest.mark.parametrize("machine", MACHINES)
def test_sockets_are_of_four_families(machine: str) -> None:
    socket, socketpair = (seccomp.SPECIAL[machine][name] for name in ("socket", "socketpair"))
    refused = seccomp.refuse(errno.EAFNOSUPPORT)
    for family in range(50):
        assert verdict(machine, socket, family, 1, 0) == (ALLOW if family in (1, 2, 10, 16) else refused)
        assert verdict(machine, socketpair, family, 1, 0) == (ALLOW if family == 1 else refused)
    assert verdict(machine, socket, 16, 3, 12) == refused  # netfilter


@pytest.mark.parametrize("machine", MACHINES)
def test_sockets_are_of_the_usual_protocols(machine: str) -> None:
    socket = seccomp.SPECIAL[machine]["socket"]
    for family in (2, 10):
        found = [
            protocol for protocol in range(300) if verdict(machine, socket, family, 1, protocol) == ALLOW
        ]
        assert found == [0, 1, 6, 17, 58]


@pytest.mark.parametrize("machine", MACHINES)
def test_nothing_of_the_kernels_goes_on_top_of_tcp(machine: str) -> None:
    setsockopt = seccomp.SPECIAL[machine]["setsockopt"]
    refused = [(level, name) for level in range(20) for name in range(40)
               if verdict(machine, setsockopt, 3, level, name) != ALLOW]  # fmt: skip
    assert refused == [(6, 31)]


@pytest.mark.parametrize("machine", MACHINES)
def test_the_limit_of_core_dumps_can_be_asked_for_only(machine: str) -> None:
    prlimit, setrlimit = (seccomp.SPECIAL[machine][name] for name in ("prlimit64", "setrlimit"))
    for limit in range(16):
        expected = seccomp.refuse(errno.EPERM) if limit == 4 else ALLOW
        assert verdict(machine, setrlimit, limit) == expected
        for new in (1, 1 << 32, (1 << 32) + 1):
            assert verdict(machine, prlimit, 0, limit, new) == expected
        assert verdict(machine, prlimit, 0, limit, 0) == ALLOW


def test_calls_by_other_tables_are_not_looked_at() -> None:
    assert verdict("x86_64", 0, architecture=0x40000003) == seccomp.KILL  # i386
    assert verdict("x86_64", 0x40000000) == NO_SUCH_CALL  # x32


@pytest.mark.parametrize("machine", MACHINES)
def test_runs_of_neighbours_cover_the_numbers(machine: str) -> None:
    numbers = seccomp.allowed_numbers(machine)
    covered = [n for first, last in seccomp.ranges(numbers) for n in range(first, last + 1)]
    assert covered == sorted(set(numbers))
