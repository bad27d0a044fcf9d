"""Fork servers: what is loaded ahead, for whom, and that they hold nothing."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.sandbox.conftest import Up, process_on, sandbox_on, start_in, write_code
from tests.sandbox.launched import Config, this_interpreter

from lambent.model.interpreter import Interpreter
from lambent.runtimes.catalog import Catalog
from lambent.sandbox import zygotes
from lambent.sandbox.base import SandboxError, SandboxSpec

HOOKS = """
import importlib, os, sys
os.register_at_fork = lambda **hooks: print(sys._getframe(1).f_globals["__name__"])
sys.path.append(sys.argv[1])
for name in sys.argv[2:]:
    importlib.import_module(name)
"""


@pytest.fixture
def interpreters() -> list[Interpreter]:
    """Those of the machine that are forked from."""
    catalog = Catalog.find()
    return [catalog.get(name) for name in catalog.interpreters]


def libraries(folder: Path) -> Path:
    (folder / "ahead").mkdir(parents=True)
    (folder / "ahead" / "__init__.py").write_text("import os\npid = os.getpid()\n")
    (folder / "ahead" / "part.py").write_text("")
    (folder / "beside.py").write_text("")
    (folder / zygotes.PRELOAD).write_text("json\nahead\nahead.part\n")
    return folder


@pytest.mark.parametrize(
    ("wanted", "gets"),
    [
        ({}, True),
        ({"own_packages": {"beside", "mine"}}, True),
        ({"own_packages": {"ahead"}}, False),  # its own copy
        ({"imports": {"ahead", "os"}}, True),
        ({"imports": {"json", "os"}}, False),  # nothing but the standard library
        ({"imports": {"os"}, "layers": ("layer",)}, True),  # nobody has looked into the layer
    ],
)
def test_who_gets_the_libraries_ahead(tmp_path: Path, wanted: dict[str, set[str]], gets: bool) -> None:
    interpreter = replace(this_interpreter(), libraries=libraries(tmp_path / "libraries"))
    spec = SandboxSpec(interpreter=interpreter, code=tmp_path, **wanted)  # type: ignore[arg-type]
    assert zygotes.ahead(spec) is gets


def test_the_libraries_come_after_the_standard_library(tmp_path: Path) -> None:
    interpreter = replace(this_interpreter(), libraries=libraries(tmp_path / "libraries"))
    assert zygotes.kind_for(interpreter, True).modules[-2:] == ("ahead", "ahead.part")
    assert zygotes.kind_for(interpreter, False).modules == zygotes.STANDARD
    alone = replace(interpreter, libraries=None)
    assert zygotes.kind_for(alone, True).modules == zygotes.STANDARD


@pytest.mark.slow
async def test_what_was_preloaded_is_there_and_a_copy_comes_first(up: Up, data: Path) -> None:
    interpreter = replace(this_interpreter(), libraries=libraries(data.parent / "libraries"))
    launched = await up(Config(interpreters=(interpreter,)))
    code = write_code(data)
    (code / "ahead.py").write_text("pid = 'own copy'\n")
    ask = "import ahead; got = [ahead.pid, os.getpid()]"
    preloaded = await process_on(launched, code, interpreter=interpreter)
    loaded_by, pid = (await preloaded.call(ask))["got"]
    assert isinstance(loaded_by, int)
    assert loaded_by != pid
    sandbox = await sandbox_on(launched, code, interpreter=interpreter, own_packages=frozenset({"ahead"}))
    own = await start_in(launched, sandbox)
    assert (await own.call(ask))["got"][0] == "own copy"


@pytest.mark.slow
def test_a_fork_without_hooks_misses_none_that_matters(interpreters: list[Interpreter]) -> None:
    """Those of the standard library are about threads and loops, which it has not, and random numbers."""
    harmless = {"asyncio.events", "concurrent.futures.thread", "logging", "random", "threading"}
    for interpreter in interpreters:
        modules = zygotes.kind_for(interpreter, True).modules
        done = subprocess.run(
            [interpreter.executable, "-S", "-c", HOOKS, str(interpreter.libraries or ""), *modules],
            capture_output=True,
            text=True,
            check=True,
        )
        assert set(done.stdout.split()) <= harmless


@pytest.mark.slow
async def test_one_that_is_prepared_runs_before_a_sandbox_is_asked_for(up: Up, data: Path) -> None:
    launched = await up()
    code = write_code(data)
    spec = SandboxSpec(interpreter=this_interpreter(), code=code)
    for _ in range(2):
        await launched.host.prepare(spec)
    (zygote,) = zygotes_of(launched.process.pid)
    await process_on(launched, code)
    assert zygotes_of(launched.process.pid) == [zygote]


@pytest.mark.slow
async def test_strict_accounts_share_no_zygote(up: Up, data: Path) -> None:
    """Nor its address layout."""
    launched = await up()
    code = write_code(data)
    where = "got = next(line.split()[0] for line in open('/proc/self/maps') if '[stack]' in line)"
    layouts = []
    for account in ("111111111111", "222222222222", "111111111111", ""):
        caller = await process_on(launched, code, account=account)
        layouts.append((await caller.call(where))["got"])
    assert len(zygotes_of(launched.process.pid)) == 3
    assert layouts[0] == layouts[2]
    assert len(set(layouts)) == 3


@pytest.mark.slow
async def test_an_account_is_a_number(up: Up, data: Path) -> None:
    launched = await up()
    with pytest.raises(SandboxError, match="12 digits"):
        await process_on(launched, write_code(data), account="../x")


@pytest.mark.slow
async def test_a_killed_zygote_ends_its_processes_and_another_takes_over(up: Up, data: Path) -> None:
    launched = await up()
    code = write_code(data)
    sandbox = await sandbox_on(launched, code)
    caller = await start_in(launched, sandbox)
    for pid in zygotes_of(launched.process.pid):
        os.kill(pid, 9)
    assert (await caller.ended()).signal == 9
    await sandbox.destroy()
    again = await process_on(launched, code)
    assert (await again.call("got = sys.version_info[1]"))["got"] == sys.version_info[1]


def zygotes_of(launcher: int) -> list[int]:
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    return [int(pid) for pid in children if b"sandbox.zygote" in _command(pid)]


def _command(pid: str) -> bytes:
    """Nothing of a process that has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
