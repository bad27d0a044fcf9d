"""The host without walls: plain children, for machines whose kernel offers nothing else and for fast tests.

/tmp and /var/task are not at Lambda's places: TMPDIR and LAMBDA_TASK_ROOT name the real folders. Functions
share the network, the processes and the files of the user who runs the node, and memory is not bound.
"""

import asyncio
import json
import os
import resource
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from lambent.sandbox import family, jail
from lambent.sandbox.archive import remove
from lambent.sandbox.base import (
    BadArchive,
    Child,
    Door,
    Exit,
    Process,
    Program,
    Sandbox,
    SandboxError,
    SandboxSpec,
)
from lambent.sandbox.family import Family
from lambent.sandbox.users import users

RUNTIMES = Path(__file__).parent.parent / "runtimes"
FILES = 1024  # AWS's limit of open files
KILL_TIMEOUT_S = 10.0
UNPACK_TIMEOUT_S = 120.0
LOG_BYTES = 10 << 20  # a program's output from earlier runs is cut beyond this


class PlainProcess:
    """A bootstrap in a session of its own."""

    def __init__(self, control: socket.socket, output: int, started: Family) -> None:
        self.control = control
        self.output = output
        self.exited = started.exited
        self.kill = started.kill
        self.terminate = started.terminate
        self._family = started

    def memory_peak_mb(self) -> int:
        return self._family.memory_peak_mb()


class PlainSandbox:
    """A scratch folder, and the rule of one process at a time."""

    def __init__(self, folder: Path, spec: SandboxSpec, forget: Callable[[str], object]) -> None:
        self.id = folder.name
        self._folder = folder
        self._spec = spec
        self._forget = forget
        self._family: Family | None = None
        (folder / "tmp").mkdir(parents=True)

    async def start(self, environment: Mapping[str, str], snapshot: int | None = None) -> Process:
        if snapshot is not None:
            raise SandboxError("a process without a zygote has no snapshots")
        if self._family and not self._family.exited.done():
            raise SandboxError(f"sandbox {self.id}: its process {self._family.pid} still runs")
        control, inside = socket.socketpair()
        output, written = os.pipe()
        try:
            self._family = _start(
                [*self._command(), str(inside.fileno()), *self._folders()],
                environment={**environment, **self._places(environment)},
                output=written,
                keep=(inside.fileno(),),
            )
        except OSError as error:
            control.close()
            os.close(output)
            raise SandboxError(f"{self._spec.interpreter.executable}: {error.strerror}") from None
        finally:
            inside.close()
            os.close(written)
        with suppress(ProcessLookupError):
            resource.prlimit(self._family.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
            resource.prlimit(self._family.pid, resource.RLIMIT_CORE, (0, 0))
        _note(self._folder / "pid", self._family.pid)
        control.setblocking(False)
        os.set_blocking(output, False)
        return PlainProcess(control, output, self._family)

    def hold_to_share(self) -> None:
        """Nothing is bound here."""

    def freeze(self) -> None:
        """Nothing is frozen: what is stopped would not notice the end of a node that is killed."""

    def thaw(self) -> None:
        """Nothing was frozen."""

    async def destroy(self) -> None:
        if self._family:
            await _killed(self._family)
        await asyncio.to_thread(remove, self._folder)
        self._forget(self.id)

    def _command(self) -> list[str]:
        interpreter = self._spec.interpreter
        if interpreter.forks:
            return [str(interpreter.executable), "-I", "-S", str(RUNTIMES / "python")]
        return [sys.executable, "-I", "-S", str(RUNTIMES / "start.py")]

    def _folders(self) -> list[str]:
        interpreter = self._spec.interpreter
        libraries = [str(interpreter.libraries or "")] if interpreter.forks else []
        return [*libraries, *map(str, self._spec.layers)]

    def _places(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The variables that name what is elsewhere here than on AWS."""
        interpreter = self._spec.interpreter
        runtime = {} if interpreter.forks else {"LAMBDA_RUNTIME_DIR": str(RUNTIMES / interpreter.family)}
        if interpreter.program:
            folders = [*(layer / "python" for layer in reversed(self._spec.layers)), interpreter.libraries]
            runtime["PYTHONPATH"] = os.pathsep.join(str(folder) for folder in folders if folder)
        return {
            "LAMBDA_TASK_ROOT": str(self._spec.code),
            "TMPDIR": str(self._folder / "tmp"),
            "PATH": f"{interpreter.prefix / 'bin'}:{environment.get('PATH', os.defpath)}",
            **runtime,
        }


class PlainChild:
    """A program of the platform."""

    def __init__(self, program: Program, started: Family) -> None:
        self.pid = started.pid
        self.exited = started.exited
        self._program = program
        self._family = started

    async def stop(self, grace_s: float = 10.0) -> Exit:
        self._family.signal(self._program.stop_signal)
        with suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(self.exited), grace_s)
        return await _killed(self._family)


class ProcessHost:
    """Plain children under the node's own user; as root, each program's folder has a user of its own."""

    isolation = "process"
    snapshots = False

    def __init__(self, data: Path, programs: Iterable[Program] = ()) -> None:
        self._folder = data / "sandbox"
        self._programs = {program.name: program for program in programs}
        folders = sorted({program.folder for program in self._programs.values()})
        self._uids = {folder: users(data).program(index) for index, folder in enumerate(folders)}
        self._sandboxes: dict[str, PlainSandbox] = {}
        self._children: dict[str, PlainChild] = {}
        self._folder.mkdir(parents=True, exist_ok=True)
        self._sweep()

    async def create(self, spec: SandboxSpec) -> Sandbox:
        if spec.image:
            raise SandboxError("an image runs in a sandbox only")
        sandbox = PlainSandbox(self._folder / uuid.uuid4().hex, spec, self._forget)
        self._sandboxes[sandbox.id] = sandbox
        return sandbox

    async def prepare(self, spec: SandboxSpec) -> None:
        """Nothing is made ahead."""

    def _forget(self, sandbox: str) -> None:
        self._sandboxes.pop(sandbox, None)

    async def unpack(self, archive: Path, folder: Path, limit_bytes: int) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        read, written = os.pipe()
        with os.fdopen(read) as verdicts:
            argv = [sys.executable, "-m", "lambent.sandbox.archive", str(archive), str(folder)]
            try:
                child = _start([*argv, str(limit_bytes)], environment=os.environ, output=written)
            finally:
                os.close(written)
            try:
                await asyncio.wait_for(asyncio.shield(child.exited), UNPACK_TIMEOUT_S)
            except TimeoutError:
                await _killed(child)
                raise BadArchive(f"unpacking took longer than {UNPACK_TIMEOUT_S:.0f} s") from None
            _judge(verdicts, child.exited.result())

    async def run(self, program: str) -> Child:
        known = self._programs[program]
        running = self._children.get(program)
        if running and not running.exited.done():
            raise SandboxError(f"{program} runs already, as process {running.pid}")
        argv = self._make_ready(known)
        log = self._folder / f"{program}.log"
        with log.open("ab") as output:
            if output.tell() > LOG_BYTES:
                output.truncate(0)
            try:
                started = _start(argv, environment=known.environment, output=output.fileno())
            except OSError as error:
                raise SandboxError(f"{program}: {argv[0]}: {error.strerror}") from None
        _note(self._folder / f"{program}.pid", started.pid)
        child = self._children[program] = PlainChild(known, started)
        return child

    def door(self, port: int) -> Door:
        return Door("127.0.0.1", None)

    async def close(self) -> None:
        await asyncio.gather(*(sandbox.destroy() for sandbox in list(self._sandboxes.values())))
        running = [child for child in self._children.values() if not child.exited.done()]
        await asyncio.gather(*(child.stop() for child in running))

    def _make_ready(self, program: Program) -> Sequence[str]:
        """Make the program's folder; the command to run, which as root goes by the stage to its own user."""
        program.folder.mkdir(parents=True, exist_ok=True)
        program.folder.chmod(0o750 if program.shared else 0o700)
        if os.getuid() != 0:
            return program.argv
        uid = self._uids[program.folder]
        os.chown(program.folder, uid, os.getgid() if program.shared else uid)
        paths = [program.folder, *map(_installation, program.argv)]
        shown = [str(path) for path in paths if path and path.exists() and jail.closed_ancestor(path)]
        return [sys.executable, "-m", "lambent.sandbox.stage", str(uid), *shown, "--", *program.argv]

    def _sweep(self) -> None:
        """Kill what a killed node left running, and remove its sandboxes."""
        for file in [*self._folder.glob("*/pid"), *self._folder.glob("*.pid")]:
            with suppress(ValueError):
                family.sweep(*map(int, file.read_text().split()))
            file.unlink()
        for folder in self._folder.glob("*/tmp"):
            remove(folder.parent)


def _start(
    argv: Sequence[str], *, environment: Mapping[str, str], output: int, keep: Sequence[int] = ()
) -> Family:
    process = subprocess.Popen(
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=keep,
        start_new_session=True,
    )
    return Family(process)


def _note(file: Path, pid: int) -> None:
    """Write down who runs, for the next node's sweep."""
    file.write_text(f"{pid} {family.start_time(pid)}")


async def _killed(started: Family) -> Exit:
    started.kill()
    try:
        return await asyncio.wait_for(asyncio.shield(started.exited), KILL_TIMEOUT_S)
    except TimeoutError:
        raise SandboxError(f"process {started.pid} did not end within {KILL_TIMEOUT_S:.0f} s") from None


def _judge(verdicts: IO[str], exit: Exit) -> None:
    """Read the unpacking child's verdict: its last line."""
    lines = verdicts.read().splitlines() or [""]
    try:
        verdict = json.loads(lines[-1])
    except ValueError:
        how = f"signal {exit.signal}" if exit.signal else f"status {exit.status}"
        raise SandboxError(f"unpacking ended with {how}: {lines[-1]}") from None
    if not verdict["ok"]:
        raise BadArchive(verdict["message"], too_large=verdict["too_large"])


def _installation(argument: str) -> Path | None:
    """The folder that has to be seen for a program's argument that is a path: for .../bin/x its ... ."""
    path = Path(argument)
    if not path.is_absolute():
        return None
    folder = path if path.is_dir() else path.parent
    return folder.parent if folder.name == "bin" and folder != path else folder
