"""The hosts that must all keep one contract, and processes on them."""

import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
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
Create = Callable[[SandboxSpec], Awaitable[Sandbox]]
Deploy = Callable[..., Awaitable[Sandbox]]
Start = Callable[..., Awaitable[Caller]]


@pytest.fixture(scope="session")
def interpreter() -> Interpreter:
    return Catalog.find().get(f"python3.{sys.version_info.minor}")


@pytest.fixture(scope="module", params=HOSTS)
def isolation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def data(isolation: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp(isolation) / "data"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host(isolation: str, data: Path) -> AsyncIterator[Host]:
    """One for all tests of a module: what a test leaves, the next ones find."""
    data.mkdir()
    host = await HOSTS[isolation](data)
    yield host
    await host.close()


@pytest_asyncio.fixture(loop_scope="module")
async def create(host: Host) -> AsyncIterator[Create]:
    """Sandboxes, destroyed when the test ends."""
    async with AsyncExitStack() as stack:

        async def make(spec: SandboxSpec) -> Sandbox:
            sandbox = await host.create(spec)
            stack.push_async_callback(sandbox.destroy)
            return sandbox

        yield make


@pytest.fixture
def deploy(create: Create, data: Path, interpreter: Interpreter) -> Deploy:
    """A sandbox for one file of code."""

    async def write(code: str, **more: object) -> Sandbox:
        folder = data / "code" / uuid.uuid4().hex
        folder.mkdir(parents=True)
        (folder / "handler.py").write_text(code)
        return await create(SandboxSpec(interpreter=interpreter, code=folder, **more))  # type: ignore[arg-type]

    return write


@pytest_asyncio.fixture(loop_scope="module")
async def start(create: Create) -> AsyncIterator[Start]:
    """A process of a sandbox, closed when the test ends, before the sandbox is."""
    async with AsyncExitStack() as stack:

        async def run(sandbox: Sandbox, environment: Mapping[str, str] | None = None) -> Caller:
            given = {"LAMBDA_TASK_ROOT": "/var/task", "_HANDLER": "handler.handler", **(environment or {})}
            caller = Caller(await sandbox.start(given))
            stack.push_async_callback(caller.close)
            return caller

        yield run
