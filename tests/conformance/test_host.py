"""What every sandbox host does, whatever its walls are made of."""

import asyncio
import json
import os
import signal
import stat
import zipfile
from pathlib import Path

import pytest
from tests.conformance.caller import WAIT_S, Caller
from tests.conformance.conftest import HOSTS, Deploy, Start

from lambent.model.interpreter import Interpreter
from lambent.runtimes.python import frames
from lambent.sandbox.base import BadArchive, Child, Host, SandboxError, SandboxSpec

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

ECHO = "def handler(event, context):\n    return event\n"
SHELL = """
import os, subprocess, sys, time

def handler(event, context):
    return eval(event)
"""
LIMIT_BYTES = 1_000_000


async def test_a_process_answers(deploy: Deploy, start: Start) -> None:
    process = await (await start(await deploy(ECHO))).ready()
    assert [await process.call({"n": n}) for n in range(3)] == [{"n": 0}, {"n": 1}, {"n": 2}]


async def test_six_megabytes_go_both_ways(deploy: Deploy, start: Start) -> None:
    process = await (await start(await deploy(ECHO))).ready()
    event = "x" * (6 * 1024 * 1024 - 2)
    assert await process.call(event) == event


async def test_what_was_printed_is_there_before_the_answer(deploy: Deploy, start: Start) -> None:
    code = "import sys\ndef handler(event, context):\n    print('out'); print('err', file=sys.stderr)\n"
    process = await (await start(await deploy(code))).ready()
    await process.call()
    assert process.drained() == b"out\nerr\n"


async def test_a_gigabyte_of_output_waits_for_its_reader(deploy: Deploy, start: Start) -> None:
    code = "def handler(event, context):\n    line = 'x' * 65535\n    for _ in range(1024): print(line)\n"
    process = await (await start(await deploy(code))).ready()
    await process.call()
    process.process.kill()
    assert len(await process.all_output()) == 64 * 1024 * 1024


async def test_the_environment_is_what_was_given(deploy: Deploy, start: Start) -> None:
    given = {"NAME": "välue", "EMPTY": "", "AWS_LAMBDA_FUNCTION_NAME": "f"}
    os.environ["LAMBENT_TEST_SECRET"] = "of the node"
    try:
        process = await (await start(await deploy(SHELL), given)).ready()
    finally:
        del os.environ["LAMBENT_TEST_SECRET"]
    found = await process.call("dict(os.environ)")
    places = {"LAMBDA_TASK_ROOT", "TMPDIR", "PATH", "LC_CTYPE", "_HANDLER"}
    assert {k: v for k, v in found.items() if k not in places} == given


async def test_code_and_scratch_are_where_the_environment_says(deploy: Deploy, start: Start) -> None:
    process = await (await start(await deploy(SHELL))).ready()
    assert await process.call("os.getcwd() == os.environ['LAMBDA_TASK_ROOT']")
    assert await process.call("open('handler.py').read()") == SHELL
    assert await process.call("__import__('tempfile').mkdtemp() != ''")


async def test_only_standard_streams_and_the_control_socket_are_open(deploy: Deploy, start: Start) -> None:
    process = await (await start(await deploy(SHELL))).ready()
    open_ones = "len([f for f in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + f) or f])"
    assert await process.call(open_ones) == 5  # and the folder that is being listed
    assert await process.call("sys.stdin.read()") == ""


@pytest.mark.parametrize(
    ("code", "status", "number"),
    [
        ("os._exit(3)", 3, None),
        ("sys.exit(4)", 4, None),
        ("sys.exit(0)", 0, None),
        ("os.kill(os.getpid(), 15)", None, signal.SIGTERM),
        ("os.kill(os.getpid(), 9)", None, signal.SIGKILL),
        ("os.abort()", None, signal.SIGABRT),
    ],
)
async def test_an_exit_tells_its_status_or_its_signal(
    deploy: Deploy, start: Start, code: str, status: int | None, number: int | None
) -> None:
    process = await (await start(await deploy(SHELL))).ready()
    await process.send(json.dumps(code).encode())
    with pytest.raises((EOFError, ConnectionResetError)):
        await process.frame()
    exit = await process.ended()
    assert (exit.status, exit.signal, exit.out_of_memory) == (status, number, False)


async def test_a_crash_gets_a_new_process_and_keeps_its_scratch(deploy: Deploy, start: Start) -> None:
    sandbox = await deploy(SHELL)
    first = await (await start(sandbox)).ready()
    scratch = "__import__('tempfile').gettempdir() + '/kept'"
    await first.call(f"open({scratch}, 'w').write('here')")
    first.process.kill()
    await first.ended()
    second = await (await start(sandbox)).ready()
    assert await second.call(f"open({scratch}).read()") == "here"
    assert await second.call("len([m for m in sys.modules if m == 'handler'])") == 1


async def test_a_second_process_has_to_wait_for_the_first(deploy: Deploy, start: Start) -> None:
    sandbox = await deploy(ECHO)
    await (await start(sandbox)).ready()
    with pytest.raises(SandboxError):
        await start(sandbox)


async def test_kill_reaches_everything_that_was_started(deploy: Deploy, start: Start) -> None:
    """The pipe ends when its last holder is gone, so its end says that nobody is left."""
    process = await (await start(await deploy(SHELL))).ready()
    await process.call("subprocess.Popen(['sleep', '600']).pid")
    await process.call("subprocess.Popen(['sleep', '600'], start_new_session=True).pid")
    process.process.kill()
    exit = await process.ended()
    assert exit.signal == signal.SIGKILL
    await process.all_output()


async def test_what_a_process_leaves_behind_ends_with_it(deploy: Deploy, start: Start) -> None:
    process = await (await start(await deploy(SHELL))).ready()
    await process.call("subprocess.Popen(['sleep', '600']).pid")
    await process.send(b'"os._exit(0)"')
    assert (await process.ended()).status == 0
    await process.all_output()


async def test_kill_stops_a_loop_at_once_and_twice_is_no_error(deploy: Deploy, start: Start) -> None:
    process = await (
        await start(await deploy("def handler(event, context):\n    while True: pass\n"))
    ).ready()
    await process.send(b"1")
    process.process.kill()
    process.process.kill()
    assert (await process.ended()).signal == signal.SIGKILL
    process.process.kill()


TICKING = """
import os, threading, time

def tick():
    while True:
        os.write(1, b".")
        time.sleep(0.001)

def handler(event, context):
    if event == "begin":
        threading.Thread(target=tick, daemon=True).start()
    return event
"""


async def prints_on(process: Caller) -> bool:
    before = len(process.printed)
    async with asyncio.timeout(WAIT_S):
        while len(process.printed) == before:
            await asyncio.sleep(0.01)
    return True


async def test_what_is_frozen_stands_still_until_it_is_thawed(
    deploy: Deploy, start: Start, host: Host
) -> None:
    sandbox = await deploy(TICKING)
    process = await (await start(sandbox)).ready()
    for _ in range(2):
        assert await process.call("begin") == "begin"
        assert await prints_on(process)
        sandbox.freeze()
        sandbox.freeze()
        await asyncio.sleep(0.1)  # what was on its way is here
        seen = len(process.printed)
        await process.send(b'"question"')
        await asyncio.sleep(0.2)
        assert (len(process.printed) == seen) is (host.isolation == "namespaces")
        sandbox.thaw()
        sandbox.thaw()
        assert (await process.frame())[2] == b'"question"'
        assert await prints_on(process)


async def test_what_is_frozen_can_be_killed_and_destroyed(deploy: Deploy, start: Start) -> None:
    sandbox = await deploy(TICKING)
    process = await (await start(sandbox)).ready()
    sandbox.freeze()
    process.process.kill()
    assert (await process.ended()).signal == signal.SIGKILL
    again = await (await start(sandbox)).ready()
    assert await again.call(1) == 1
    sandbox.freeze()
    await sandbox.destroy()
    assert (await again.ended()).signal == signal.SIGKILL


@pytest.mark.parametrize(
    ("code", "status", "number"),
    [("pass", None, signal.SIGTERM), ("signal.signal(15, lambda *_: (print('bye'), sys.exit(5)))", 5, None)],
)
async def test_who_is_told_to_end_may_say_good_bye(
    deploy: Deploy, start: Start, code: str, status: int | None, number: int | None
) -> None:
    source = f"import signal, sys\n{code}\ndef handler(event, context):\n    return event\n"
    process = await (await start(await deploy(source))).ready()
    process.process.terminate()
    exit = await process.ended()
    assert (exit.status, exit.signal) == (status, number)
    assert bytes(await process.all_output()) == (b"bye\n" if status else b"")
    process.process.terminate()


async def test_memory_is_known(deploy: Deploy, start: Start) -> None:
    process = await (await start(await deploy(SHELL), None)).ready()
    before = process.process.memory_peak_mb()
    await process.call("len(b'x' * 50_000_000)")
    assert process.process.memory_peak_mb() >= before + 40
    process.process.kill()
    await process.ended()


async def test_a_layer_is_found_after_the_code(deploy: Deploy, start: Start, data: Path) -> None:
    layer = data / "code" / "layer"
    (layer / "python").mkdir(parents=True)
    (layer / "python" / "extra.py").write_text("where = 'layer'\n")
    (layer / "python" / "handler.py").write_text("raise RuntimeError('the code comes first')\n")
    process = await (await start(await deploy(SHELL, layers=(layer,)))).ready()
    assert await process.call("__import__('extra').where") == "layer"


async def test_destroy_ends_the_process_and_removes_the_scratch(
    deploy: Deploy, start: Start, data: Path
) -> None:
    sandbox = await deploy(SHELL)
    process = await (await start(sandbox)).ready()
    await process.call("open(__import__('tempfile').gettempdir() + '/file', 'w').write('x')")
    await sandbox.destroy()
    assert (await process.ended()).signal == signal.SIGKILL
    assert not any(sandbox.id in folders for _, folders, _ in os.walk(data / "sandbox"))


async def test_closing_the_host_ends_everything(
    isolation: str, tmp_path: Path, interpreter: Interpreter, start: Start
) -> None:
    code = tmp_path / "data" / "code" / "echo"
    code.mkdir(parents=True)
    (code / "handler.py").write_text(ECHO)
    host = await HOSTS[isolation](tmp_path / "data")
    process = await (await start(await host.create(SandboxSpec(interpreter=interpreter, code=code)))).ready()
    child = await host.run("serve")
    await host.close()
    assert process.process.exited.done()
    assert child.exited.done()


def pack(path: Path, name: str, data: bytes, mode: int = stat.S_IFREG | 0o644) -> Path:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(info, data)
    return path


async def test_unpack_makes_a_read_only_folder(host: Host, data: Path) -> None:
    folder = data / "code" / "digest"
    before = set(data.glob("code/*"))
    await host.unpack(pack(data / "a.zip", "pkg/a.py", b"x = 1\n"), folder, LIMIT_BYTES)
    assert (folder / "pkg" / "a.py").read_bytes() == b"x = 1\n"
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "pkg", folder / "pkg" / "a.py")]
    assert modes == [0o555, 0o555, 0o444]
    assert set(data.glob("code/*")) - before == {folder}


@pytest.mark.parametrize(
    ("name", "content", "mode", "too_large"),
    [
        ("../out.py", b"x", stat.S_IFREG, False),
        ("/etc/x", b"x", stat.S_IFREG, False),
        ("link", b"/etc/passwd", stat.S_IFLNK, False),
        ("device", b"", stat.S_IFCHR, False),
        ("big", bytes(LIMIT_BYTES + 1), stat.S_IFREG, True),
    ],
)
async def test_unpack_refuses_what_must_not_come_out(
    host: Host, data: Path, name: str, content: bytes, mode: int, too_large: bool
) -> None:
    path = pack(data / "a.zip", name, content, mode | 0o644)
    before = set(data.glob("code/*"))
    with pytest.raises(BadArchive) as caught:
        await host.unpack(path, data / "code" / "refused", LIMIT_BYTES)
    assert caught.value.too_large is too_large
    assert set(data.glob("code/*")) == before


async def test_unpack_refuses_what_is_no_zip(host: Host, data: Path) -> None:
    (data / "a.zip").write_bytes(b"not a zip")
    with pytest.raises(BadArchive):
        await host.unpack(data / "a.zip", data / "code" / "refused", LIMIT_BYTES)


async def appears(path: Path) -> None:
    """Programs have no socket to the test: their first file says that they are up."""
    async with asyncio.timeout(WAIT_S):
        while not path.exists():
            await asyncio.sleep(0.01)


async def running(host: Host, data: Path) -> Child:
    for left in (data / "served").glob("*"):
        left.unlink()
    child = await host.run("serve")
    await appears(data / "served" / "up")
    return child


async def test_a_program_runs_and_stops_by_its_signal(host: Host, data: Path) -> None:
    child = await running(host, data)
    assert not child.exited.done()
    exit = await child.stop()
    assert (exit.status, exit.signal) in ((7, None), (None, signal.SIGINT))


async def test_a_program_does_not_run_as_root(host: Host, data: Path) -> None:
    child = await running(host, data)
    uid = int((data / "served" / "uid").read_text())
    assert uid == (data / "served").stat().st_uid
    assert uid != 0
    await child.stop()


async def test_a_program_that_runs_once_ends_by_itself_and_can_run_again(host: Host, data: Path) -> None:
    for _ in range(2):
        child = await host.run("once")
        async with asyncio.timeout(WAIT_S):
            assert (await asyncio.shield(child.exited)).status == 0
        (data / "served" / "done").unlink()


async def test_a_program_that_is_killed_is_noticed_and_runs_again(host: Host, data: Path) -> None:
    child = await running(host, data)
    os.kill(child.pid, signal.SIGKILL)
    async with asyncio.timeout(WAIT_S):
        await asyncio.shield(child.exited)
    await (await running(host, data)).stop()


async def test_a_failing_init_is_told(deploy: Deploy, start: Start) -> None:
    process = await start(await deploy("import nowhere\n"))
    kind, _, payload = await process.frame()
    assert kind == frames.INIT_ERROR
    assert json.loads(payload)["errorType"] == "Runtime.ImportModuleError"
    assert (await process.ended()).status == 1


async def test_a_door_is_an_address(host: Host) -> None:
    door = host.door(9000)
    assert door.host.count(".") == 3 or ":" in door.host
