"""The first process of a sandbox: that it is what it says, on this machine and on the other one."""

import struct
from pathlib import Path

import pytest
from tests.sandbox.conftest import in_a_child

from lambent.sandbox import init

UID = 1_900_000_077
START = """
program = Path(sys.argv[1])
from lambent.sandbox import init, spawn
(program.parent / "empty").mkdir()
program.write_bytes(init.program(1_900_000_077, empty=str(program.parent / "empty")))
program.chmod(0o755)
syscalls.unshare(syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC)
"""


@pytest.mark.slow
def test_it_gives_up_root_and_ends_with_the_launcher(tmp_path: Path) -> None:
    """It holds the child's standard output, whose end is waited for: it must die when its parent does."""
    code = """
read, write = os.pipe()
pid = os.posix_spawn(program, ["init"], {}, file_actions=[(os.POSIX_SPAWN_DUP2, write, 0)], setsid=True)
os.close(write)
assert os.read(read, 1) == b""
status = dict(line.split(":\\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
mounts = Path("/proc/self/mountinfo").read_text()
masks = [name for name in init.MASKED if f" /null /proc/{name} " in mounts]
folders = [str(p) for name in init.MASKED_FOLDERS for p in Path("/proc", name).glob("*")]
print(json.dumps([status, masks, folders, os.uname().nodename]))
"""
    status, masks, folders, host = in_a_child(START + code, str(tmp_path / "init"))
    assert host == "sandbox"
    assert masks == [name for name in init.MASKED if Path("/proc", name).exists()]
    assert folders == []
    assert status["Name"] == "init"
    assert status["Uid"].split() == status["Gid"].split() == [str(UID)] * 4
    assert status["Groups"].strip() == ""
    assert (status["CapEff"], status["CapPrm"], status["NoNewPrivs"]) == ("0" * 16, "0" * 16, "1")
    assert int(status["SigIgn"], 16) >> 16 & 1  # SIGCHLD, so that the kernel reaps


@pytest.mark.slow
def test_a_call_that_fails_ends_it(tmp_path: Path) -> None:
    code = """
import signal
pid = os.fork()
if pid == 0:
    os.setresuid(1_900_000_001, 1_900_000_001, 1_900_000_001)
    os.execv(program, ["init"])
print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGILL))
"""
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    assert in_a_child(START + code, str(tmp_path / "init"))


def calls_on_arm(code: bytes) -> list[tuple[int, ...]]:
    """What a machine would do that knows the few instructions that are used; every call succeeds."""
    words = [word for (word,) in struct.iter_unpack("<I", code)]
    registers: dict[int, int] = {}
    made: list[tuple[int, ...]] = []
    at = 0
    while words[at] >> 26 != 0x05:  # b
        word = words[at]
        at += 1
        if word >> 21 == 0b11010010100:  # movz
            registers[word & 31] = word >> 5 & 0xFFFF
        elif word >> 21 == 0b11110010101:  # movk, lsl 16
            registers[word & 31] |= (word >> 5 & 0xFFFF) << 16
        elif word == 0xD4000001:  # svc
            made.append((registers.pop(8), *(registers[number] for number in sorted(registers))))
            registers.clear()
        elif word >> 24 == 0xB4:  # cbz
            at += (word >> 5 & 0x7FFFF) - 1
        else:
            raise AssertionError(hex(word))
    distance = (words[at] & 0x3FFFFFF) - (1 << 26)
    assert words[at + distance - 2] == 0xB4000040  # back to the first instruction of the last call
    return made


def text_at(program: bytes, place: int) -> bytes:
    return program[place - init.BASE :].split(b"\0", 1)[0]


def test_the_other_machine_does_the_same() -> None:
    program = init.program(UID, "aarch64")
    assert struct.unpack_from("<H", program, 18) == (183,)
    (start,) = struct.unpack_from("<Q", program, 24)
    calls = calls_on_arm(program[start - init.BASE :])
    mounts = [call for call in calls if call[0] == 40]
    assert [text_at(program, target) for _, _, target, *_ in (mounts[0], mounts[-1])] == [
        b"/proc",
        b"/dev/shm",
    ]
    assert text_at(program, mounts[-1][5]) == init.SHARED_MEMORY_OPTIONS
    *privileges, ignore, close, wait = calls[len(mounts) + 1 :]
    assert privileges == [
        (159, 0, 0),
        (149, UID, UID, UID),
        (147, UID, UID, UID),
        (167, 1, 9, 0, 0, 0),
        (167, 38, 1, 0, 0, 0),
    ]
    assert (ignore[:2], ignore[3:]) == ((134, 17), (0, 8))
    assert program[ignore[2] - init.BASE :].startswith(init.IGNORED)
    assert (close, wait) == ((57, 0), (73, 0, 0, 0, 0, 0))
