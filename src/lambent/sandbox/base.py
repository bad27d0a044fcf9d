"""The contract of a sandbox host, which every isolation fulfils and one conformance suite checks."""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lambent.model.interpreter import Interpreter


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSpec:
    """What a sandbox is made from. Paths are the host's; the sandbox sees them at Lambda's places."""

    interpreter: Interpreter
    code: Path  # unpacked package, seen read-only at /var/task
    image: bool = False  # the code is the root of an image, and seen as that; the interpreter runs none of it
    layers: tuple[Path, ...] = ()  # in order, seen read-only at /opt
    memory_mb: int = 128
    tmp_mb: int = 512
    own_packages: frozenset[str] = frozenset()  # top-level modules the bundle carries itself
    imports: frozenset[str] | None = None  # words of its import statements, where they are known
    account: str = ""  # whose zygotes it is forked from; the empty text is those of everybody


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: an exit status or a signal, and whether the memory limit killed it."""

    status: int | None
    signal: int | None = None
    out_of_memory: bool = False


class Process(Protocol):
    """A process in a sandbox, from its start to its end.

    `control` is the node's end of a stream socket, non-blocking; frames are `runtimes/python/frames.py`.
    Of an interpreter that does not fork there is one frame, which carries the listening socket of the Runtime
    API, and perhaps another that tells why its program could not be run (`runtimes/start.py`).
    `output` is the read end of the pipe behind its standard output and error, non-blocking. Both belong
    to the caller, who closes them. `exited` is set once the process and all it started are gone.
    """

    control: socket.socket
    output: int
    exited: asyncio.Future[Exit]

    def terminate(self) -> None:
        """SIGTERM to what runs in the sandbox, which may end by it; it must not be frozen."""

    def kill(self) -> None:
        """SIGKILL everything in the sandbox, frozen or not; `exited` follows."""

    def memory_peak_mb(self) -> int:
        """The most memory that it held since it started, with what it inherited from its zygote."""


class Sandbox(Protocol):
    """Walls that outlive their processes: a crash or a timeout gets a new process in the same sandbox."""

    id: str

    async def start(self, environment: Mapping[str, str], snapshot: int | None = None) -> Process:
        """Start the runtime's bootstrap with exactly this environment; the previous process must be gone.

        `snapshot` is an open file that stays the caller's: a template writes one into it, of which another
        process of the same interpreter is made (`runtimes/python/snapstart.py`).
        """

    def hold_to_share(self) -> None:
        """Init is over: no more cpu than its share, if the host was set up so, until the next `start`."""

    def freeze(self) -> None:
        """Stop its processes where they are, if the host can: a system call, and no question to anybody."""

    def thaw(self) -> None:
        """Let them go on; nothing when they are not frozen."""

    async def destroy(self) -> None:
        """Kill what runs and remove the sandbox with its /tmp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A server that the platform runs as a child under a uid of its own, such as the object store."""

    name: str
    argv: tuple[str, ...]
    folder: Path  # made for it, owned by its uid, mode 0700 unless `shared`
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: int = 15
    shared: bool = (
        False  # the node may enter the folder too (a unix socket lies in it): mode 0750, node's gid
    )
    once: bool = False  # runs to its end at each start request, such as initdb


class Child(Protocol):
    """A started program."""

    pid: int
    exited: asyncio.Future[Exit]

    async def stop(self, grace_s: float = 10.0) -> Exit: ...


@dataclass(frozen=True, slots=True)
class Door:
    """An address at which functions reach a port of the platform."""

    host: str  # IP literal
    listener: socket.socket | None  # to serve on as well; None when functions share the host's network


class Host(Protocol):
    """Makes sandboxes and runs the platform's own child programs."""

    isolation: str  # namespaces | userns | process
    snapshots: bool  # whether its processes can be made from a snapshot

    async def create(self, spec: SandboxSpec) -> Sandbox: ...

    async def prepare(self, spec: SandboxSpec) -> None:
        """Have ready what the first sandbox like this would wait for."""

    async def unpack(self, archive: Path, folder: Path, limit_bytes: int) -> None:
        """Unpack an untrusted zip into a new `folder`, all or nothing.

        Raises `BadArchive` for what is no zip, leaves the folder, is no plain file or folder, or is larger
        unpacked than `limit_bytes`.
        """

    async def run(self, program: str) -> Child:
        """Start one of the programs that the host was set up with."""

    def door(self, port: int) -> Door: ...

    async def close(self) -> None:
        """Destroy every sandbox, stop every child."""


class BadArchive(Exception):
    """An archive that cannot or must not be unpacked. `too_large` tells the size limit from the rest."""

    def __init__(self, message: str, *, too_large: bool = False) -> None:
        super().__init__(message)
        self.too_large = too_large


class SandboxError(Exception):
    """The host could not do it: the kernel refused, a limit of the machine was reached."""
