"""What the plain host does beyond the contract: it sweeps up after a dead node and fails in plain words."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop
from tests.conformance.caller import WAIT_S, Caller

from lambent.model.interpreter import Interpreter
from lambent.runtimes.catalog import Catalog
from lambent.sandbox import family
from lambent.sandbox.base import Program, SandboxError, SandboxSpec
from lambent.sandbox.family import Family
from lambent.sandbox.process import LOG_BYTES, ProcessHost

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def interpreter() -> Interpreter:
    return Catalog.find().get(f"python3.{sys.version_info.minor}")


@pytest.fixture
def spec(tmp_path: Path, interpreter: Interpreter) -> SandboxSpec:
    code = tmp_path / "code"
    code.mkdir()
    (code / "handler.py").write_text("import os\ndef handler(event, context): return os.environ['TMPDIR']")
    return SandboxSpec(interpreter=interpreter, code=code)


@pytest.fixture
async def new_host(tmp_path: Path) -> AsyncIterator[Callable[..., ProcessHost]]:
    hosts: list[ProcessHost] = []

    def make(*programs: Program) -> ProcessHost:
        hosts.append(ProcessHost(tmp_path / "data", programs))
        return hosts[-1]

    yield make
    for host in hosts:
        await host.close()


def leaves(pid: int) -> "asyncio.Future[None]":
    return asyncio.ensure_future(asyncio.wait_for(family._gone(pid), WAIT_S))


NODE = """
import asyncio, sys
from pathlib import Path
from lambent.runtimes.catalog import Catalog
from lambent.sandbox.base import Program, SandboxSpec
from lambent.sandbox.process import ProcessHost

async def main(data, code):
    program = Program(name="server", argv=("/bin/sleep", "600"), folder=data / "server")
    host = ProcessHost(data, [program])
    interpreter = Catalog.find().get(f"python3.{sys.version_info.minor}")
    sandbox = await host.create(SandboxSpec(interpreter=interpreter, code=code))
    process = await sandbox.start({"_HANDLER": "handler.handler"})
    child = await host.run("server")
    print(process._family.pid, child.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
"""


async def test_the_next_node_sweeps_what_a_killed_one_left(
    tmp_path: Path, new_host: Callable[..., ProcessHost]
) -> None:
    code = tmp_path / "code"
    code.mkdir()
    # A handler that is busy does not notice that its node has gone.
    (code / "handler.py").write_text("import time\ntime.sleep(600)\n")
    argv = [sys.executable, "-c", NODE, str(tmp_path / "data"), str(code)]
    node = await asyncio.create_subprocess_exec(*argv, stdout=subprocess.PIPE)
    assert node.stdout is not None
    pids = [int(word) for word in (await asyncio.wait_for(node.stdout.readline(), WAIT_S)).split()]
    node.kill()
    await node.wait()
    assert os.path.exists(f"/proc/{pids[0]}"), "nothing to sweep, the test says nothing"
    gone = [leaves(pid) for pid in pids]
    new_host()
    await asyncio.gather(*gone)
    assert list((tmp_path / "data" / "sandbox").glob("*/tmp")) == []
    assert list((tmp_path / "data" / "sandbox").glob("**/*pid")) == []


async def test_a_sweep_leaves_another_process_under_that_pid_alone() -> None:
    process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    child = Family(process)
    started = family.start_time(child.pid)
    assert started is not None
    family.sweep(child.pid, started + 1)
    assert not child.exited.done()
    assert family.members(child.pid) == [child.pid]
    family.sweep(child.pid, started)
    assert (await asyncio.wait_for(child.exited, WAIT_S)).signal == signal.SIGKILL
    assert family.members(child.pid) == []


async def test_members_are_found_across_sessions() -> None:
    """A child in a session of its own, and one whose parent is in one."""
    script = "setsid sleep 600 & echo $!; setsid sh -c 'sleep 600 & echo $!; wait' & wait"
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", script, start_new_session=True, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    pids = [int(await asyncio.wait_for(process.stdout.readline(), WAIT_S)) for _ in range(2)]
    found = family.members(process.pid)
    assert {process.pid, *pids} < set(found), "the shell between them too"
    gone = [leaves(pid) for pid in found]
    family.sweep(process.pid, family.start_time(process.pid) or 0)
    await asyncio.gather(*gone)
    await process.wait()


def test_exits_are_seen_on_uvloop_too(tmp_path: Path, spec: SandboxSpec) -> None:
    async def run() -> None:
        host = ProcessHost(tmp_path / "data")
        sandbox = await host.create(spec)
        caller = Caller(await sandbox.start({"_HANDLER": "handler.handler"}))
        await caller.ready()
        assert (await caller.call()).startswith(str(tmp_path))
        caller.process.kill()
        assert (await caller.ended()).signal == signal.SIGKILL
        await caller.close()
        await host.close()

    uvloop.run(run())


async def test_an_interpreter_that_is_gone_is_named(
    spec: SandboxSpec, new_host: Callable[..., ProcessHost]
) -> None:
    lost = replace(spec, interpreter=replace(spec.interpreter, executable=Path("/nowhere/python3.11")))
    sandbox = await new_host().create(lost)
    with pytest.raises(SandboxError, match=r"/nowhere/python3\.11: No such file"):
        await sandbox.start({"_HANDLER": "handler.handler"})
    await sandbox.destroy()


async def test_memory_is_known_after_the_end(spec: SandboxSpec, new_host: Callable[..., ProcessHost]) -> None:
    sandbox = await new_host().create(spec)
    caller = await Caller(await sandbox.start({"_HANDLER": "handler.handler"})).ready()
    running_mb = caller.process.memory_peak_mb()
    caller.process.kill()
    await caller.ended()
    assert 5 < running_mb < 100  # and not what the large process that started it has
    assert running_mb <= caller.process.memory_peak_mb() < 100
    await caller.close()


async def test_a_program_runs_once_at_a_time(tmp_path: Path, new_host: Callable[..., ProcessHost]) -> None:
    host = new_host(Program(name="server", argv=("/bin/sleep", "600"), folder=tmp_path / "data" / "server"))
    child = await host.run("server")
    with pytest.raises(SandboxError, match=f"server runs already, as process {child.pid}"):
        await host.run("server")


async def test_a_program_that_ignores_its_signal_is_killed(
    tmp_path: Path, new_host: Callable[..., ProcessHost]
) -> None:
    folder = tmp_path / "data" / "server"
    deaf = f"trap '' TERM; mkfifo {folder}/up; echo > {folder}/up; read x < {folder}/up"
    host = new_host(Program(name="server", argv=("/bin/sh", "-c", deaf, str(folder)), folder=folder))
    child = await host.run("server")
    async with asyncio.timeout(WAIT_S):
        while not (folder / "up").exists():
            await asyncio.sleep(0.01)
    assert (await child.stop(grace_s=0.1)).signal == signal.SIGKILL


async def test_a_programs_output_is_kept_and_cut(
    tmp_path: Path, new_host: Callable[..., ProcessHost]
) -> None:
    folder = tmp_path / "data" / "server"
    argv = ("/bin/sh", "-c", "echo says something; echo $NAME", str(folder))
    program = Program(name="talk", argv=argv, folder=folder, environment={"NAME": "given"}, once=True)
    host = new_host(program)
    log = tmp_path / "data" / "sandbox" / "talk.log"
    log.write_bytes(bytes(LOG_BYTES + 1))
    await asyncio.wait_for((await host.run("talk")).exited, WAIT_S)
    assert log.read_text() == "says something\ngiven\n"
