"""The hosts that must all keep one contract, and processes on them."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.conformance.caller import Caller
from tests.sandbox.launched import Config, this_interpreter, whole_host

from lambent.model.interpreter import Interpreter
from lambent.runtimes import executables
from lambent.runtimes.catalog import Catalog
from lambent.sandbox.base import Host, Program, Sandbox, SandboxSpec
from lambent.sandbox.process import ProcessHost
from lambent.sandbox.rootless import RootlessHost
from lambent.sandbox.users import users

EXECUTABLES = executables.find()
# What the suite's programs do: one serves until it is told to stop, one runs to its end.
SERVE = "cd $0 && id -u > uid && mkfifo door && trap 'exit 7' INT && touch up && read line < door"
ONCE = "cd $0 && touch done"


def programs(data: Path) -> tuple[Program, ...]:
    folder = data / "served"
    return (
        Program(name="serve", argv=("/bin/sh", "-c", SERVE, str(folder)), folder=folder, stop_signal=2),
        Program(name="once", argv=("/bin/sh", "-c", ONCE, str(folder)), folder=folder, once=True),
    )


async def process_host(data: Path) -> Host:
    return ProcessHost(data, programs(data))


async def namespaces_host(data: Path) -> Host:
    interpreters = (this_interpreter(), *EXECUTABLES.values())
    return await whole_host(data, Config(programs=programs(data), interpreters=interpreters))


async def userns_host(data: Path) -> Host:
    interpreters = (this_interpreter(), *EXECUTABLES.values())
    host = await whole_host(data, Config(uid=users(data).node, interpreters=interpreters))
    assert isinstance(host, RootlessHost)
    host.programs = ProcessHost(data / "programs", programs(data))
    return host


HOSTS: dict[str, Callable[[Path], Awaitable[Host]]] = {
    "process": process_host,
    "namespaces": namespaces_host,
    "userns": userns_host,
}
Deploy = Callable[..., Awaitable[Sandbox]]
Start = Callable[..., Awaitable[Caller]]


@pytest.fixture(scope="session")
def interpreter() -> Interpreter:
    return Catalog.find().get(f"python3.{sys.version_info.minor}")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture(params=HOSTS)
async def host(request: pytest.FixtureRequest, data: Path) -> AsyncIterator[Host]:
    host = await HOSTS[request.param](data)
    yield host
    await host.close()


@pytest.fixture
async def deploy(host: Host, data: Path, interpreter: Interpreter) -> Deploy:
    """A sandbox for one file of code."""

    async def create(code: str, **more: object) -> Sandbox:
        folder = data / "code" / str(len(list(data.glob("code/*"))))
        folder.mkdir(parents=True)
        (folder / "handler.py").write_text(code)
        return await host.create(SandboxSpec(interpreter=interpreter, code=folder, **more))  # type: ignore[arg-type]

    return create


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """A process of a sandbox, closed when the test ends."""
    async with AsyncExitStack() as stack:

        async def run(sandbox: Sandbox, environment: Mapping[str, str] | None = None) -> Caller:
            given = {"LAMBDA_TASK_ROOT": "/var/task", "_HANDLER": "handler.handler", **(environment or {})}
            caller = Caller(await sandbox.start(given))
            stack.push_async_callback(caller.close)
            return caller

        yield run
