"""The privileged process: what the node is given, what it may ask, and that nothing outlives it."""

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest
from tests.sandbox.conftest import Up, process_on, sandbox_on, start_in, write_code
from tests.sandbox.launched import WAIT_S, Config, Launched, spawn

from lambent.runtimes.catalog import Catalog
from lambent.sandbox import wire
from lambent.sandbox.base import Program, SandboxError, SandboxSpec
from lambent.sandbox.users import tag, users

pytestmark = pytest.mark.slow

REPORT = """
import json, os, sys
def attempt(work):
    try:
        return work()
    except OSError as error:
        return type(error).__name__
report = {
    "ids": [*os.getresuid(), *os.getresgid(), *os.getgroups()],
    "input": open(4).read(),
    "environment": dict(os.environ),
    "argv": sys.orig_argv,
    "capabilities": [line for line in open("/proc/self/status") if line.startswith("CapEff")],
    "setuid": attempt(lambda: os.setuid(0)),
    "root": attempt(lambda: sorted(os.listdir("/root"))),
    "prefix": os.access(sys.executable, os.X_OK),
    "own": attempt(lambda: os.listdir(DATA + "/sandbox")),
}
open(DATA + "/state/report", "w").write(json.dumps(report))
sys.exit(3)
"""


async def report_of(data: Path) -> dict[str, object]:
    config = Config(node=f"DATA = {str(data)!r}\n{REPORT}", input=b"secret settings")
    process = await spawn(data, config)
    async with asyncio.timeout(WAIT_S):
        assert await process.wait() == 3
    found: dict[str, object] = json.loads((data / "state" / "report").read_text())
    return found


async def test_the_node_has_no_privilege_and_gets_its_settings_by_a_descriptor(data: Path) -> None:
    report = await report_of(data)
    assert report["input"] == "secret settings"
    assert "secret" not in json.dumps([report["environment"], report["argv"]])
    assert report["ids"] == [users(data).node] * 6
    assert report["capabilities"] == ["CapEff:\t0000000000000000\n"]
    assert report["setuid"] == "PermissionError"
    assert report["own"] == "PermissionError"
    assert report["root"] in ("PermissionError", [])  # closed, or covered by an empty folder
    assert report["prefix"] is True


def processes_of(data: Path) -> list[int]:
    """Every process under a user id of this data folder's block."""
    base = users(data).base
    found = []
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            text = path.read_text()
        except OSError:
            continue
        uid = int(text.split("\nUid:")[1].split()[0])
        if base <= uid < base + 4096:
            found.append(int(path.parent.name))
    return found


def groups_of(data: Path) -> list[Path]:
    name = f"lambent-{tag(data)}"  # a walk lets groups come and go meanwhile
    return [Path(folder, name) for folder, names, _ in os.walk("/sys/fs/cgroup") if name in names]


def loops_in(data: Path) -> list[str]:
    """Loop devices whose file lies in this data folder; sysfs shows a deleted file's folder too."""
    files = Path("/sys/block").glob("loop*/loop/backing_file")
    return [text for file in files if str(data) in (text := file.read_text())]


async def gone(pids: list[int]) -> None:
    async with asyncio.timeout(WAIT_S):
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            await asyncio.sleep(0.01)


async def test_nothing_is_left_behind(up: Up, data: Path) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    links = socket.if_nameindex()
    launched = await up()
    await process_on(launched, write_code(data))
    idle = await sandbox_on(launched, write_code(data))
    await idle.destroy()
    assert groups_of(data)
    assert await launched.end() == 0
    assert processes_of(data) == []
    assert groups_of(data) == []
    assert loops_in(data) == []
    assert not (data / "sandbox").exists()
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert socket.if_nameindex() == links


async def test_a_killed_node_takes_everything_with_it(up: Up, data: Path) -> None:
    folder = data / "served"
    serve = Program(name="serve", argv=("/bin/sleep", "1000"), folder=folder)
    launched = await up(Config(programs=(serve,)))
    caller = await process_on(launched, write_code(data))
    child = await launched.host.run("serve")
    os.kill(launched.node_pid, signal.SIGKILL)
    assert await launched.ended() == 128 + signal.SIGKILL
    async with asyncio.timeout(WAIT_S):
        await launched.host.lost
    assert (await caller.ended()).signal == signal.SIGKILL
    assert child.exited.done()
    assert processes_of(data) == []
    assert groups_of(data) == []


async def test_a_killed_launcher_takes_everything_with_it_and_the_next_one_sweeps(up: Up, data: Path) -> None:
    folder = data / "served"
    serve = Program(name="serve", argv=("/bin/sleep", "1000"), folder=folder)
    first = await up(Config(programs=(serve,)))
    await process_on(first, write_code(data))
    await first.host.run("serve")
    alive = processes_of(data)
    assert len(alive) >= 4  # the node, an init, a handler, the program
    first.process.kill()
    await first.ended()
    await gone(alive)
    assert loops_in(data) == []
    second = await up(Config(programs=(serve,)))
    caller = await process_on(second, write_code(data))
    assert (await caller.call("got = 1"))["got"] == 1


async def test_signals_are_passed_on_to_the_node(data: Path) -> None:
    node = "import signal, sys\nsignal.signal(15, lambda *_: sys.exit(5))\nopen(4).read()\nsignal.pause()"
    ready = "import os\nopen({!r}, 'w').close()\n"
    mark = data / "state" / "ready"
    node = node.replace("signal.pause()", ready.format(str(mark)) + "signal.pause()")
    process = await spawn(data, Config(node=node))
    async with asyncio.timeout(WAIT_S):
        while not mark.exists():
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 5


def request(launched: Launched, message: dict[str, object], *descriptors: int) -> dict[str, object]:
    """A frame of a node that was taken over, on the host's own socket; waits for the answer."""
    sock = launched.host._socket
    asyncio.get_running_loop().remove_reader(sock)
    sock.setblocking(True)
    sock.settimeout(WAIT_S)
    wire.send(sock, {"request": 1, **message}, descriptors)
    frame = wire.receive(sock)
    sock.setblocking(False)
    asyncio.get_running_loop().add_reader(sock, launched.host._on_readable)
    assert frame is not None
    return frame[0]


CREATE = {
    "operation": "create",
    "sandbox": 7,
    "runtime": f"python3.{sys.version_info.minor}",
    "code": "attempts",
    "layers": [],
    "memory_mb": 128,
    "tmp_mb": 512,
    "ahead": True,
    "program": False,
    "image": False,
    "account": "",
}


HOSTILE: list[dict[str, object]] = [
    {"code": "../state"},
    {"code": "/etc"},
    {"code": "attempts/.."},
    {"code": "way-out"},
    {"code": "nothing"},
    {"code": None},
    {"runtime": "/bin/sh"},
    {"runtime": ["python3.11"]},
    {"layers": ["way-out"]},
    {"layers": ["attempts"] * 6},
    {"account": "../root"},
    {"memory_mb": 64},
    {"memory_mb": True},
    {"memory_mb": 10**9},
    {"tmp_mb": "512"},
    {"sandbox": -1},
    {"sandbox": 2**70},
    {"ahead": "yes"},
    {"program": None},
    {"operation": "shell"},
    {"operation": None},
    {"operation": "run", "program": "sh"},
    {"operation": "run", "program": "../sh"},
    {"operation": "start"},
    {"operation": "destroy", "sandbox": 1234},
    {"operation": "unpack", "folder": "x"},
    {"operation": "stop", "pid": "1"},
]


async def test_a_hostile_node_is_refused_and_the_launcher_goes_on(up: Up, data: Path) -> None:
    launched = await up()
    write_code(data)
    (data / "code" / "way-out").symlink_to("/etc")
    granted = [change for change in HOSTILE if "error" not in request(launched, {**CREATE, **change})]
    assert granted == []
    assert request(launched, {**CREATE, "sandbox": 8}) == {"request": 1}


async def test_frames_that_are_no_frames_are_dropped(up: Up, data: Path) -> None:
    launched = await up()
    write_code(data)
    sock = launched.host._socket
    for junk in (b"{", b"[]", b"\xff" * 100, b"[" * 5000, b"x" * (wire.FRAME_BYTES + 10)):
        sock.send(junk)
    assert request(launched, CREATE) == {"request": 1}


async def test_descriptors_of_the_wrong_kind_are_refused(up: Up, data: Path) -> None:
    launched = await up()
    write_code(data)
    assert request(launched, CREATE) == {"request": 1}
    start = {"operation": "start", "sandbox": 7, "process": 1, "environment": {}}
    with open("/dev/null") as null, open("/etc/passwd") as file:
        assert "error" in request(launched, start, null.fileno(), file.fileno())
        assert "error" in request(launched, {**CREATE, "sandbox": 9}, null.fileno())
        unpack = {"operation": "unpack", "folder": "x", "limit_bytes": 1000}
        assert "error" in request(launched, unpack, null.fileno())


async def test_a_bad_environment_is_refused(up: Up, data: Path) -> None:
    launched = await up()
    write_code(data)
    assert request(launched, CREATE) == {"request": 1}
    ours, theirs = socket.socketpair()
    read, write = os.pipe()
    message = {"operation": "start", "sandbox": 7, "process": 1}
    try:
        bad: list[object] = [{"A": 1}, {"": "x"}, {"A=B": "x"}, {"A": "\0"}, {"A": "x" * 40000}, []]
        for environment in bad:
            given = {**message, "environment": environment}
            assert "error" in request(launched, given, theirs.fileno(), write), environment
    finally:
        for end in (ours, theirs):
            end.close()
        wire.close([read, write])


async def test_only_so_many_sandboxes_are_made(up: Up, data: Path) -> None:
    launched = await up(Config(max_sandboxes=2))
    code = write_code(data)
    sandboxes = [await sandbox_on(launched, code) for _ in range(3)]
    for sandbox in sandboxes[:2]:
        await start_in(launched, sandbox)
    with pytest.raises(SandboxError, match="limit of 2 sandboxes"):
        await sandboxes[2].start({})
    await sandboxes[0].destroy()
    await start_in(launched, sandboxes[2])


async def test_every_python_of_this_machine_runs_handlers(up: Up, data: Path) -> None:
    found = Catalog.find().interpreters
    launched = await up(Config(interpreters=tuple(found.values())))
    code = write_code(data)
    for runtime, interpreter in found.items():
        sandbox = await launched.host.create(SandboxSpec(interpreter=interpreter, code=code))
        caller = await start_in(launched, sandbox)
        answer = await caller.call("import ssl, ctypes, sqlite3; got = '%d.%d' % sys.version_info[:2]")
        assert answer == {"got": runtime.removeprefix("python")}
