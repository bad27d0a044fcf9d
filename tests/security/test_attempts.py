"""What a hostile function tries, each as real code inside a sandbox, and that it fails."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from tests.security.conftest import PORT, Ground

from lambent.sandbox.network import PLATFORM

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

CALL = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return 0
"""
CONNECT = "got = socket.create_connection(({host!r}, {port}), 5).getsockname()"

THREADS = """
import threading
threading.stack_size(65536)
end = threading.Event()
try:
    for _ in range(1100): threading.Thread(target=end.wait, daemon=True).start()
finally:
    end.set()
"""

REFUSED = {
    # files of the host, the platform and other functions
    "read the host's passwords": "got = open('/etc/shadow').read()",
    "list root's folder": "got = os.listdir('/root')",
    "list the users' folders": "got = os.listdir('/home')",
    "reach the host's root through init": "got = os.listdir('/proc/1/root/')",
    "reach init's working folder": "got = os.listdir('/proc/1/cwd/')",
    "read init's environment": "got = open('/proc/1/environ').read()",
    "read init's memory": "got = open('/proc/1/mem', 'rb').read(1)",
    "change the code": "open('/var/task/handler.py', 'w')",
    "add to the code": "open('/var/task/new.py', 'w')",
    "change the interpreter": "open('/var/lang/bin/python3', 'w')",
    "add to the libraries": "open('/var/runtime/boto3.py', 'w')",
    "write to the root folder": "open('/new', 'w')",
    "add a user": "open('/etc/passwd', 'a')",
    "read the kernel's log": "got = open('/dev/kmsg').read(1)",
    "read the disk": "got = open('/dev/vda', 'rb').read(1)",
    "read physical memory": "got = open('/dev/mem', 'rb').read(1)",
    "open a terminal": "got = open('/dev/ptmx')",
    "look into sysfs": "got = os.listdir('/sys/kernel')",
    "look at the control groups": "got = os.listdir('/sys/fs/cgroup')",
    "change a kernel setting": "open('/proc/sys/kernel/core_pattern', 'w').write('|/tmp/x')",
    "change its network's settings": "open('/proc/sys/net/ipv4/ip_forward', 'w').write('1')",
    "press a magic key": "open('/proc/sysrq-trigger', 'w').write('b')",
    # privileges
    "become root": "os.setuid(0)",
    "take another group": "os.setgroups([0])",
    "become the neighbour": "os.setuid(os.getuid() + 1)",
    "change a file's owner": "open('/tmp/mine', 'w').close(); os.chown('/tmp/mine', 0, 0)",
    "mount": CALL + "call(165, b'x', b'/tmp', b'tmpfs', 0, 0)",
    "mount again, writable": CALL + "call(165, b'', b'/', b'', 32 | 4096, 0)",
    "unmount": CALL + "call(166, b'/proc/keys', 2)",
    "pivot the root": CALL + "call(155, b'/tmp', b'/tmp')",
    "leave through chroot": "os.chroot('/tmp')",
    "clone a mount": CALL + "call(428, -100, b'/', 1)",
    "make a device": "os.mknod('/tmp/disk', 0o060666, os.makedev(8, 0))",
    "make namespaces of its own": CALL + "call(272, 0x10000000)",
    "clone into a user namespace": CALL + "call(56, 0x10000000 | 17, 0, 0, 0, 0)",
    "enter init's namespaces": CALL + "call(308, os.open('/proc/1/ns/mnt', os.O_RDONLY), 0)",
    "load a module": CALL + "call(313, 0, b'', 0)",
    "load a bpf program": CALL + "call(321, 0, 0, 0)",
    "use io_uring": CALL + "call(425, 1, ctypes.create_string_buffer(120))",
    "use userfaultfd": CALL + "call(323, 0)",
    "read the keyring": CALL + "call(250, 0, -3, 0)",
    "watch performance": CALL + "call(298, ctypes.create_string_buffer(128), 0, -1, -1, 0)",
    "change its personality": CALL + "call(135, 0x0040000)",
    "reboot": CALL + "call(169, 0xfee1dead, 672274793, 0x1234567, 0)",
    "set the clock": "import time; time.clock_settime(time.CLOCK_REALTIME, 0)",
    "name the host": "socket.sethostname('mine')",
    "raise a limit": "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))",
    "run in real time": "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))",
    "be more important": "os.nice(-5)",
    # other processes
    "trace init": CALL + "call(101, 16, 1, 0, 0)",
    "read another's memory": CALL + "call(310, 1, 0, 0, 0, 0, 0)",
    "signal a process of the host": "os.kill(31000, 0)",
    "signal everybody as init's peer": "os.kill(1, 15)",
    "be spared when memory ends": "os.write(os.open('/proc/self/oom_score_adj', os.O_WRONLY), b'-1000')",
    # sockets
    "make a raw packet socket": "socket.socket(17, socket.SOCK_RAW)",
    "make a raw IP socket": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    "use the kernel's crypto": "socket.socket(38, socket.SOCK_SEQPACKET)",
    "use vsock": "socket.socket(40, socket.SOCK_STREAM)",
    "talk to netfilter": "socket.socket(16, socket.SOCK_RAW, 12)",
    "reach the host's loopback": CONNECT.format(host="127.0.0.1", port="{port}"),
    "reach the metadata address": CONNECT.format(host="169.254.169.254", port=80),
    "reach a private range": CONNECT.format(host="10.0.0.1", port=80),
    "reach the platform's other ports": CONNECT.format(host=PLATFORM, port="{port}"),
    "reach an abstract socket of the host": "socket.socket(socket.AF_UNIX).connect('\\0' + {name!r})",
    # limits
    "open more files than allowed": "got = [open('/dev/null') for _ in range(1100)]",
    "start more processes than allowed": THREADS,
    "fill the disk": "f = os.open('/tmp/f', 65)\nfor _ in range(600): os.write(f, bytes(1 << 20))",
}
ANSWERS = {
    "PermissionError", "FileNotFoundError", "ProcessLookupError", "OSError", "ValueError",
    "ConnectionRefusedError", "TimeoutError", "BlockingIOError", "NotADirectoryError", "RuntimeError",
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
async def test_it_is_refused(ground: Ground, what: str) -> None:
    with socket.socket() as service, socket.socket(socket.AF_UNIX) as abstract:
        service.bind(("0.0.0.0", 0))
        service.listen()
        name = f"lambent-host-{os.getpid()}"
        abstract.bind("\0" + name)
        abstract.listen()
        code = REFUSED[what]
        if "{" in code and "CALL" not in code and ("{port}" in code or "{name" in code):
            code = code.format(port=service.getsockname()[1], name=name)
        answer = await ground.attempt(code)
    await ground.attempt("import contextlib\nwith contextlib.suppress(OSError): os.unlink('/tmp/f')")
    assert answer.get("refused") in ANSWERS, answer


async def test_a_signal_for_init_does_nothing(ground: Ground) -> None:
    assert "refused" in await ground.attempt("os.kill(1, 9)")
    assert (await ground.attempt("got = 1"))["got"] == 1


async def test_the_platform_is_reached_at_its_port(ground: Ground) -> None:
    """The way in that there is, so that the ways that are closed are known to be closed and not broken."""
    answer = await ground.attempt(CONNECT.format(host=PLATFORM, port=PORT))
    assert answer["got"][0].startswith("100.64.")


async def test_the_neighbour_is_not_reached(ground: Ground) -> None:
    serve = "global s; s = socket.create_server(('0.0.0.0', 8080)); got = 1"
    assert (await ground.neighbour.call(serve))["got"] == 1
    own = f"s = socket.socket(); s.connect(({PLATFORM!r}, {PORT})); got = s.getsockname()[0]"
    address = (await ground.neighbour.call(own))["got"]
    assert (await ground.attempt(CONNECT.format(host=address, port=8080)))["refused"] in ANSWERS


async def test_the_hosts_own_addresses_are_not_reached(ground: Ground) -> None:
    with socket.socket() as service:
        service.bind(("0.0.0.0", 0))
        service.listen()
        shown = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True)
        for address in [a for a in shown.stdout.split() if ":" not in a] + ["127.0.0.1", "0.0.0.0"]:
            code = CONNECT.format(host=address, port=service.getsockname()[1])
            assert (await ground.attempt(code))["refused"] in ANSWERS, address


async def test_only_its_own_processes_are_seen(ground: Ground) -> None:
    seen = "got = [open(f'/proc/{p}/comm').read().strip() for p in os.listdir('/proc') if p.isdigit()]"
    found = (await ground.attempt(seen))["got"]
    assert "init" in found
    assert len(set(found)) == 2  # and the process itself


async def test_the_data_folder_is_not_there(ground: Ground) -> None:
    for folder in ("state", "code", "sandbox"):
        answer = await ground.attempt(f"got = os.listdir({str(ground.data / folder)!r})")
        assert answer["refused"] == "FileNotFoundError"


async def test_the_neighbours_scratch_is_not_seen(ground: Ground) -> None:
    await ground.neighbour.call("open('/tmp/private', 'w').write('mine')")
    assert (await ground.attempt("got = os.path.exists('/tmp/private')"))["got"] is False


async def test_the_users_are_different(ground: Ground) -> None:
    theirs = (await ground.neighbour.call("got = os.getuid()"))["got"]
    ours = (await ground.attempt("got = os.getuid()"))["got"]
    assert ours != theirs
    assert ours > 65535


async def test_no_capability_is_left(ground: Ground) -> None:
    code = "got = [line.split()[1] for line in open('/proc/self/status') if line.startswith('Cap')]"
    assert (await ground.attempt(code))["got"] == ["0" * 16] * 5


async def test_nothing_is_writable_but_scratch(ground: Ground) -> None:
    code = "got = [l.split()[1] for l in open('/proc/mounts') if l.split()[3].split(',')[0] == 'rw']"
    assert sorted((await ground.attempt(code))["got"]) == ["/dev/shm", "/proc", "/tmp"]


async def test_every_mount_forbids_setuid_programs(ground: Ground) -> None:
    code = "got = [l for l in open('/proc/mounts') if 'nosuid' not in l.split()[3].split(',')]"
    assert (await ground.attempt(code))["got"] == []


async def test_kernel_addresses_are_masked(ground: Ground) -> None:
    assert (await ground.attempt("got = open('/proc/kallsyms').read()"))["got"] == ""


async def test_memory_binds(ground: Ground) -> None:
    await ground.attempt("got = 1")
    await ground.caller.send(b'"x = bytearray(400 << 20); got = 1"')
    with pytest.raises((EOFError, ConnectionResetError)):
        await ground.caller.frame()
    ended = await ground.caller.ended()
    assert (ended.signal, ended.out_of_memory) == (signal.SIGKILL, True)


async def test_scratch_does_not_count_as_memory(ground: Ground) -> None:
    """128 MB of memory, and 500 MB written."""
    await ground.attempt("got = 1")
    code = "f = open('/tmp/big', 'wb')\nfor _ in range(500): f.write(bytes(1 << 20))\nf.close()"
    assert await ground.attempt(code) == {"got": None}
    await ground.attempt("os.unlink('/tmp/big')")


async def test_a_zygote_has_no_environment(ground: Ground) -> None:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"lambent.sandbox.zygote" in (folder / "cmdline").read_bytes():
                found.append((folder / "environ").read_bytes())
        except OSError:
            continue
    assert found
    assert set(found) == {b""}


async def test_twins_draw_different_numbers(ground: Ground) -> None:
    draw = "import ssl, random, uuid; got = [ssl.RAND_bytes(8).hex(), random.random(), str(uuid.uuid4())]"
    drawn = [(await caller.call(draw))["got"] for caller in (ground.caller, ground.neighbour)]
    assert all(one != other for one, other in zip(*drawn, strict=True))


async def test_a_new_process_finds_no_old_one(ground: Ground) -> None:
    await ground.attempt("subprocess.Popen(['sleep', '999'], start_new_session=True)")
    ground.caller.process.kill()
    await ground.caller.ended()
    seen = "got = [open(f'/proc/{p}/cmdline').read() for p in os.listdir('/proc') if p.isdigit()]"
    assert not [line for line in (await ground.attempt(seen))["got"] if "999" in line]
