"""What a function may use up: its own share of memory, processes, descriptors, disk and time."""

import asyncio
import json
import signal
import time
from pathlib import Path

import pytest
from tests.conformance.caller import Caller
from tests.sandbox.launched import Config, launch
from tests.security.conftest import Ground

from lambent.sandbox.base import SandboxError

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

THREADS = """
import threading
threading.stack_size(65536)
end = threading.Event()
count = 0
try:
    while count < 1100:
        threading.Thread(target=end.wait, daemon=True).start()
        count += 1
except RuntimeError:
    pass
finally:
    end.set()
got = count
"""
# By the C library: Python's own fork has every child copy what its hooks write to.
FORKS = """
import ctypes
libc = ctypes.PyDLL(None, use_errno=True)
children = []
while len(children) < 1100:
    pid = libc.fork()
    if pid == 0:
        while True: libc.pause()
    if pid < 0:
        got = [ctypes.get_errno(), len(children)]
        break
    children.append(pid)
for pid in children:
    os.kill(pid, 9)
for pid in children:
    os.waitpid(pid, 0)
"""
DESCRIPTORS = """
kept = []
try:
    while len(kept) < 1100:
        kept.append(os.open('/dev/null', os.O_RDONLY))
except OSError as error:
    got = [error.errno, len(kept)]
for fd in kept: os.close(fd)
"""
FILL = """
import contextlib
written = 0
try:
    with open('/tmp/fill', 'wb', buffering=0) as file:
        while written < 700:
            file.write(bytes(1 << 20)); written += 1
            if written % 16 == 0: os.fdatasync(file.fileno())
except OSError as error:
    got = [error.errno, written]
with contextlib.suppress(OSError): os.unlink('/tmp/fill')
"""
NAMES = """
made = 0
try:
    while made < 200_000:
        os.mkdir(f'/tmp/d{made}'); made += 1
except OSError as error:
    got = [error.errno, made]
"""
WATCHES = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
made = 0
while made < 2000 and (fd := libc.inotify_init()) >= 0:
    made += 1
got = [ctypes.get_errno(), made]
"""


NETWORK_BUFFERS = """
listener = socket.create_server(('127.0.0.1', 0)); listener.setsockopt(1, 8, 1 << 26)
sent, kept = 0, []
for _ in range(300):
    client = socket.socket(); client.setsockopt(1, 7, 1 << 26); client.settimeout(2)
    try:
        client.connect(listener.getsockname())
        kept += [client, listener.accept()[0]]
        client.setblocking(False)
        while True: sent += client.send(bytes(1 << 20))
    except OSError:
        continue
got = [sent >> 20]
"""


async def lost(caller: Caller, code: str) -> tuple[int | None, bool]:
    """Run code that the process does not survive; the signal, and whether it was for its memory."""
    await caller.send(json.dumps(code).encode())
    ended = await caller.ended()
    return ended.signal, ended.out_of_memory


MEMORY = {
    "an array": "x = bytearray(400 << 20)",
    "many small things": "x = [str(n) * 10 for n in range(10_000_000)]",
    "shared memory": "import mmap\nx = mmap.mmap(-1, 4 << 28)\nfor at in range(0, 4 << 28, 4096): x[at] = 1",
    "a file without a name": "f = os.memfd_create('x')\nfor _ in range(400): os.write(f, bytes(1 << 20))",
    "children": (
        "children = [subprocess.Popen([sys.executable, '-S', '-c', 'x = bytearray(60 << 20); input()'],"
        " stdin=-1) for _ in range(9)]\nx = bytearray(400 << 20)"
    ),
    "pipes": (
        "import fcntl\npairs = [os.pipe() for _ in range(500)]\nfor r, w in pairs:\n"
        "    os.set_blocking(w, False)\n    try:\n        while os.write(w, bytes(65536)): pass\n"
        "    except BlockingIOError: pass\nx = bytearray(100 << 20)"
    ),
}


@pytest.mark.parametrize("what", MEMORY)
async def test_memory_binds(ground: Ground, what: str) -> None:
    """128 MB."""
    _, caller = await ground.another()
    assert await lost(caller, MEMORY[what]) == (signal.SIGKILL, True)


async def test_memory_of_the_network_is_bounded(ground: Ground) -> None:
    """The kernel's buffers for TCP are not charged like other memory."""
    _, caller = await ground.another()
    before = tcp_mib()
    answer = await caller.call(NETWORK_BUFFERS)
    taken = tcp_mib() - before
    assert answer["got"][0] > 20, answer
    assert taken < 300


def tcp_mib() -> int:
    """What all TCP sockets of the machine hold."""
    line = next(
        line for line in Path("/proc/net/sockstat").read_text().splitlines() if line.startswith("TCP")
    )
    return int(line.split()[-1]) * 4096 >> 20


async def test_shared_memory_files_are_bounded(ground: Ground) -> None:
    code = "f = open('/dev/shm/x', 'wb', buffering=0)\nfor _ in range(80): f.write(bytes(1 << 20))"
    answer = await ground.attempt(code)
    await ground.attempt("os.unlink('/dev/shm/x')")
    assert "No space left" in answer["text"]


async def test_threads_are_bounded(ground: Ground) -> None:
    assert 900 < await ground.got(THREADS) < 1024


async def test_processes_are_bounded(ground: Ground) -> None:
    sandbox, caller = await ground.another(memory_mb=2048)
    answer = await caller.call(FORKS)
    assert answer["got"][0] == 11, answer  # EAGAIN
    assert 900 < answer["got"][1] < 1024
    await sandbox.destroy()


async def test_a_fork_bomb_ends_with_its_sandbox(ground: Ground) -> None:
    sandbox, caller = await ground.another(memory_mb=512)
    await caller.send(json.dumps("while True:\n    try: os.fork()\n    except OSError: pass").encode())
    assert (await ground.neighbour.call("got = 1"))["got"] == 1
    async with asyncio.timeout(20):
        await sandbox.destroy()
    assert (await caller.ended()).signal == signal.SIGKILL


async def test_descriptors_are_bounded(ground: Ground) -> None:
    number, count = await ground.got(DESCRIPTORS)
    assert number == 24  # EMFILE
    assert count < 1024


async def test_scratch_is_bounded(ground: Ground) -> None:
    number, written = await ground.got(FILL)
    assert number == 28  # ENOSPC
    assert 512 <= written <= 560


async def test_the_number_of_files_in_scratch_is_bounded(ground: Ground) -> None:
    sandbox, caller = await ground.another()
    answer = await caller.call(NAMES)
    assert answer["got"][0] == 28, answer
    await sandbox.destroy()


async def test_scratch_does_not_count_as_memory(ground: Ground) -> None:
    """128 MB of memory, and 500 MB written."""
    code = "f = open('/tmp/big', 'wb')\nfor _ in range(500): f.write(bytes(1 << 20))\n"
    code += "f.close(); os.unlink('/tmp/big')"
    assert await ground.got(code) is None


async def test_watches_are_bounded_for_each_by_itself(ground: Ground) -> None:
    sandbox, caller = await ground.another()
    answer = await caller.call(WATCHES)
    assert answer["got"][0] == 24, answer
    assert (await ground.neighbour.call("import ctypes; got = ctypes.CDLL(None).inotify_init()"))["got"] >= 0
    await sandbox.destroy()


async def test_instances_are_bounded(tmp_path: Path) -> None:
    """The launcher refuses one more, says which setting that is, and goes on."""
    launched = await launch(tmp_path / "data", Config(max_sandboxes=3))
    ground = Ground(tmp_path / "data", launched, None, None, None)  # type: ignore[arg-type]
    made = [await ground.another(f"f{n}") for n in range(3)]
    with pytest.raises(SandboxError, match="max_instances"):
        await ground.another("more")
    await made[0][0].destroy()
    _, caller = await ground.another("more")
    assert (await caller.call("got = 1"))["got"] == 1
    for opened in launched.callers:
        await opened.close()
    await launched.end()
    await launched.host.close()


async def test_a_loop_is_stopped_at_once(ground: Ground) -> None:
    """A kill takes the way over the launcher; AWS's 20 ms are kept where the machine is free."""
    took: list[float] = []
    while not took or (min(took) >= 0.02 and len(took) < 50):
        sandbox, caller = await ground.another()
        await caller.send(json.dumps("import signal\nsignal.signal(15, print)\nwhile True: pass").encode())
        began = time.perf_counter()
        caller.process.kill()
        assert (await caller.ended()).signal == signal.SIGKILL
        took.append(time.perf_counter() - began)
        await sandbox.destroy()
    assert min(took) < 0.02, took


async def test_nobody_hears_of_the_hosts_crash_handler(ground: Ground) -> None:
    _, caller = await ground.another()
    assert await lost(caller, "os.abort()") == (signal.SIGABRT, False)
    assert (await ground.got("import resource; got = resource.getrlimit(resource.RLIMIT_CORE)")) == [1, 1]


async def test_the_neighbour_is_as_it_was(ground: Ground) -> None:
    assert (await ground.neighbour.call("got = os.getpid()"))["got"] == 2
