"""The kernel's doors: system calls, privileges, sockets of odd kinds."""

import errno
import json
import platform
import signal

import pytest
from tests.security.conftest import Ground

from lambent.cli.attempts import PRIVILEGES, REFUSALS, SOCKETS
from lambent.sandbox import landlock

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]
on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of x86_64")

CALL = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return 0
"""
# Number and arguments of calls that would work, or fail by another error, if they were let through.
CALLS = {
    "mount": "165, b'x', b'/tmp', b'tmpfs', 0, 0",
    "mount again, writable": "165, b'', b'/', b'', 32 | 4096, 0",
    "unmount": "166, b'/proc/keys', 2",
    "pivot the root": "155, b'/tmp', b'/tmp'",
    "clone a mount": "428, -100, b'/', 1",
    "move a mount": "429, -100, b'/tmp', -100, b'/opt', 0",
    "open a file system": "430, b'tmpfs', 0",
    "change a mount": "442, -100, b'/', 0, ctypes.create_string_buffer(32), 32",
    "make namespaces": "272, 0x10000000",
    "clone into a user namespace": "56, 0x10000000 | 17, 0, 0, 0, 0",
    "clone by the newer call": "435, ctypes.create_string_buffer(88), 88",
    "enter init's namespaces": "308, os.open('/proc/1/ns/mnt', os.O_RDONLY), 0",
    "open a file by its handle": "304, -100, ctypes.create_string_buffer(128), 0",
    "load a module": "313, 0, b'', 0",
    "remove a module": "176, b'loop', 0",
    "load another kernel": "246, 0, 0, 0, 0",
    "load a bpf program": "321, 0, ctypes.create_string_buffer(128), 128",
    "use io_uring": "425, 1, ctypes.create_string_buffer(120)",
    "use userfaultfd": "323, 0",
    "read the keyring": "250, 0, -3, 0",
    "add a key": "248, b'user', b'x', b'y', 1, -3",
    "watch performance": "298, ctypes.create_string_buffer(128), 0, -1, -1, 0",
    "watch all files": "300, 0, 0",
    "change its personality": "135, 0x0040000",
    "change its descriptor table": "154, 1, ctypes.create_string_buffer(16), 16",
    "open the input ports": "172, 3",
    "read the kernel's log": "103, 3, ctypes.create_string_buffer(100), 100",
    "write its accounting": "163, b'/tmp/acct'",
    "swap": "167, b'/tmp/swap', 0",
    "reboot": "169, 0xfee1dead, 672274793, 0x1234567, 0",
    "make everybody wait for the disk": "162,",
    "trace init": "101, 16, 1, 0, 0",
    "trace itself": "101, 0, 0, 0, 0",
    "read another's memory": "310, 1, 0, 0, 0, 0, 0",
    "write another's memory": "311, 1, 0, 0, 0, 0, 0",
    "compare processes": "312, 1, os.getpid(), 0, 0, 0",
    "take init's descriptor": "438, os.pidfd_open(1), 0, 0",
    "advise on another's memory": "440, os.pidfd_open(1), 0, 0, 0, 0",
    "use a call of the x32 table": "0x40000000 + 39,",
}


@pytest.mark.parametrize("what", [*PRIVILEGES, *SOCKETS])
async def test_it_is_refused(ground: Ground, what: str) -> None:
    await ground.refused({**PRIVILEGES, **SOCKETS}[what])


@on_x86
@pytest.mark.parametrize("what", CALLS)
async def test_the_call_is_refused(ground: Ground, what: str) -> None:
    answer = await ground.attempt(f"{CALL}call({CALLS[what]})")
    assert answer.get("refused") in REFUSALS, answer
    refusals = [f"[Errno {code}]" for code in (errno.ENOSYS, errno.EPERM, errno.EACCES)]
    assert any(answer["text"].startswith(text) for text in refusals), answer


@on_x86
async def test_calls_are_made_at_all(ground: Ground) -> None:
    assert await ground.got(f"{CALL}got = call(39)") == 0


@on_x86
async def test_a_call_of_the_i386_table_ends_the_process(ground: Ground) -> None:
    _, caller = await ground.another()
    code = """
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=7)
page.write(bytes.fromhex("b814000000cd80c3"))  # mov eax, 20; int 0x80; ret
got = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
"""
    await caller.send(json.dumps(code).encode())
    assert (await caller.ended()).signal in (signal.SIGSYS, signal.SIGSEGV)  # or there is no such table


async def test_addresses_can_be_looked_up(ground: Ground) -> None:
    """getaddrinfo asks netlink for the addresses."""
    assert await ground.got("socket.socket(16, socket.SOCK_RAW, 0); got = socket.if_nameindex()")


@on_x86
@pytest.mark.skipif(not landlock.version(), reason="a kernel without Landlock")
async def test_a_landlock_is_in_place(ground: Ground) -> None:
    """A process can have sixteen: if it can add no more than fifteen, it had one."""
    code = """
attributes, layers = (ctypes.c_ulong * 1)(2), 0
rules = libc.syscall(444, attributes, 8, 0)
while libc.syscall(446, rules, 0) == 0: layers += 1
got = [rules >= 0, layers]
"""
    sandbox, caller = await ground.another()
    assert (await caller.call(CALL + code))["got"] == [True, 15]
    await sandbox.destroy()


async def test_no_capability_is_left(ground: Ground) -> None:
    code = "got = [line.split()[1] for line in open('/proc/self/status') if line.startswith('Cap')]"
    assert await ground.got(code) == ["0" * 16] * 5


async def test_nothing_can_be_gained_by_exec(ground: Ground) -> None:
    status = "got = dict(line.split(':\\t') for line in open('/proc/self/status').read().splitlines())"
    found = await ground.got(status)
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")


async def test_a_setuid_program_runs_as_the_one_who_starts_it(ground: Ground) -> None:
    """Its own copy of `id`, which it may call setuid, but not root's."""
    code = """
import shutil
shutil.copy('/usr/bin/id', '/tmp/id'); os.chmod('/tmp/id', 0o6755)
got = [os.getuid(), int(subprocess.run(['/tmp/id', '-u'], capture_output=True, check=True).stdout)]
"""
    own, theirs = await ground.got(code)
    assert own == theirs != 0


async def test_a_child_has_no_more_than_its_parent(ground: Ground) -> None:
    show = "grep -E '^(Cap|NoNewPrivs|Seccomp:|Uid)' /proc/self/status"
    code = "got = subprocess.run(['sh', '-c', {!r}], capture_output=True, text=True).stdout"
    lines = (await ground.got(code.format(show))).splitlines()
    assert [line.split()[1] for line in lines if line.startswith("Cap")] == ["0" * 16] * 5
    assert "NoNewPrivs:\t1" in lines
    assert "Seccomp:\t2" in lines
