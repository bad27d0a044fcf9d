"""A real launcher for tests, in a process of its own, whose node hands its socket to the test and waits."""

import asyncio
import os
import pickle
import secrets
import socket
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.conformance.caller import Caller

from lambent.model.interpreter import Interpreter
from lambent.runtimes.catalog import Catalog
from lambent.sandbox.base import Program
from lambent.sandbox.client import LauncherHost
from lambent.sandbox.launcher import LauncherConfig
from lambent.sandbox.programs import chown_tree
from lambent.sandbox.reach import PLATFORM_ONLY, Reach
from lambent.sandbox.rootless import RootlessHost

ROOT = Path(__file__).parent.parent.parent
LAUNCH = """
import pickle, sys
from lambent.sandbox.launcher import supervise
sys.exit(supervise(pickle.load(sys.stdin.buffer)))
"""
# The node: gives descriptor 3 away, and ends with the status that the test says, or when the test is gone.
NODE = """
import array, os, socket, sys
test = socket.socket(socket.AF_UNIX)
test.connect("\\0" + os.environ["MEET"])
test.sendmsg([b"here"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [3]))])
os.close(3)
sys.exit(int(test.recv(10) or b"0"))
"""
WAIT_S = 60.0


def this_interpreter() -> Interpreter:
    return Catalog.find().get(f"python3.{sys.version_info.minor}")


@dataclass
class Launched:
    """A running launcher."""

    process: asyncio.subprocess.Process
    node: socket.socket
    host: LauncherHost
    callers: list[Caller] = field(default_factory=list)

    @property
    def node_pid(self) -> int:
        pid, _, _ = struct.unpack("3i", self.node.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return int(pid)

    async def end(self, status: int = 0) -> int:
        """End the node; returns what the launcher ends with."""
        self.node.send(str(status).encode())
        self.node.close()
        return await self.ended()

    async def ended(self) -> int:
        async with asyncio.timeout(WAIT_S):
            return await self.process.wait()


@dataclass(kw_only=True)
class Config:
    """What a test wants to have different."""

    ports: tuple[int, ...] = (9000,)
    programs: tuple[Program, ...] = ()
    interpreters: tuple[Interpreter, ...] = field(default_factory=lambda: (this_interpreter(),))
    certificates: Path | None = None
    input: bytes = b""
    max_sandboxes: int = 50
    cpu: str = "weight"
    reach: Reach = PLATFORM_ONLY
    node: str = NODE
    uid: int = 0  # who starts the launcher
    groups: tuple[Path, ...] = ()  # control groups that it is started in


async def launch(
    data: Path, config: Config | None = None, kind: type[LauncherHost] = LauncherHost
) -> Launched:
    """Start a launcher on a data folder and connect to it as its node."""
    name = f"lambent-test-{secrets.token_hex(8)}"
    meeting = socket.socket(socket.AF_UNIX)
    meeting.bind("\0" + name)
    meeting.listen(1)
    meeting.setblocking(False)
    process = await spawn(data, config or Config(), name)
    async with asyncio.timeout(WAIT_S):
        node, _ = await asyncio.get_running_loop().sock_accept(meeting)
    meeting.close()
    node.setblocking(True)
    _, descriptors, _, _ = socket.recv_fds(node, 16, 1)
    return Launched(process, node, await kind.connect(descriptors[0]))


async def spawn(data: Path, config: Config, meeting: str = "") -> asyncio.subprocess.Process:
    """Start a launcher and nothing else."""
    source = os.memfd_create("input", 0)
    os.write(source, config.input)
    os.lseek(source, 0, os.SEEK_SET)
    given = LauncherConfig(
        data=data,
        argv=(sys.executable, "-c", config.node),
        environment={"MEET": meeting},
        paths=(Path(sys.prefix), Path(sys.base_prefix), ROOT / "src"),
        ports=config.ports,
        programs=config.programs,
        interpreters=config.interpreters,
        certificates=config.certificates,
        input=source,
        max_sandboxes=config.max_sandboxes,
        cpu=config.cpu,
        reach=config.reach,
        rootless=bool(config.uid),
    )
    command = [sys.executable, "-c", LAUNCH]
    if config.uid:
        data.mkdir(parents=True, exist_ok=True)
        chown_tree(data, config.uid, config.uid)
        command = staged(config.uid, [data, *_seen(given)], command)
    if config.groups:
        join = "".join(f"echo $$ > {group}/cgroup.procs; " for group in config.groups)
        command = ["sh", "-c", join + 'exec "$@"', "sh", *command]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        pass_fds=(source,),
    )
    os.close(source)
    assert process.stdin is not None
    process.stdin.write(pickle.dumps(given))
    process.stdin.close()
    return process


def staged(uid: int, paths: Iterable[Path], command: list[str]) -> list[str]:
    """A command as an ordinary user runs it, who can reach these paths."""
    stage = [sys.executable, "-m", "lambent.sandbox.stage", str(uid)]
    return [*stage, *(str(path) for path in paths if path.exists()), "--", *command]


def _seen(config: LauncherConfig) -> list[Path]:
    """What a user needs of the one who runs the tests."""
    interpreters = [(each.prefix, each.libraries) for each in config.interpreters]
    return [*config.paths, *(path for pair in interpreters for path in pair if path)]


class WholeHost(LauncherHost):
    """A host that takes its launcher with it when it closes, for those who want nothing but a host."""

    launched: Launched

    async def close(self) -> None:
        if not self.lost.done():
            await super().close()
            assert await self.launched.end() == 0


class WholeRootlessHost(WholeHost, RootlessHost):
    """The same of a launcher that is no root."""


async def whole_host(data: Path, config: Config | None = None) -> WholeHost:
    launched = await launch(data, config, WholeRootlessHost if config and config.uid else WholeHost)
    assert isinstance(launched.host, WholeHost)
    launched.host.launched = launched
    return launched.host
