"""The launcher's side of the fork servers: one per interpreter and preload set, started when first needed."""

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lambent.model.interpreter import Interpreter
from lambent.sandbox import namespaces, root, syscalls, wire
from lambent.sandbox.base import SandboxSpec

STANDARD: tuple[str, ...] = (
    "asyncio",
    "base64",
    "concurrent.futures",
    "csv",
    "datetime",
    "decimal",
    "email.message",
    "hashlib",
)
STANDARD += (
    "http.client",
    "json",
    "logging",
    "ssl",
    "tempfile",
    "traceback",
    "urllib.request",
    "uuid",
    "zipfile",
)
LIBRARIES, BOOTSTRAP = "/var/runtime", f"{root.OURS}/python"
LANGUAGE = "/var/lang"
RUNNER = root.RUNNER  # of those that exec: the platform's own Python, beside the function's language
START = "import sys; sys.path[0] = {ours!r}; from lambent.sandbox.zygote import main; main(*sys.argv[1:])"
PRELOAD = "preload.txt"  # in the folder of libraries, one a line
PAGE = os.sysconf("SC_PAGESIZE")
Shown = Sequence[tuple[Path, str]]


@dataclass(frozen=True, slots=True)
class Kind:
    """What makes two zygotes different."""

    interpreter: Interpreter
    modules: tuple[str, ...] = ()
    entry: str = "functions"  # functions | archives | executables
    account: str = ""  # the only one that it serves, where accounts are not to share any

    @property
    def runner(self) -> Interpreter:
        """The Python that the zygote itself runs on."""
        return self.interpreter if self.interpreter.forks else _platform()


@cache
def preloaded(libraries: Path | None) -> tuple[str, ...]:
    """The modules that the libraries say are worth loading ahead, dependencies first."""
    try:
        return tuple((libraries / PRELOAD).read_text().split()) if libraries else ()
    except FileNotFoundError:
        return ()


@cache
def roots_of(libraries: Path | None) -> frozenset[str]:
    """The top-level modules among them."""
    return frozenset(module.partition(".")[0] for module in preloaded(libraries))


def ahead(spec: SandboxSpec) -> bool:
    """Whether a bundle gets the libraries loaded ahead: not with a copy of one, nor if it imports none.

    One that hides what it imports still finds them. It only waits longer.
    """
    roots = roots_of(spec.interpreter.libraries)
    if spec.own_packages & roots:
        return False
    return spec.imports is None or bool(spec.layers) or bool(spec.imports & roots - sys.stdlib_module_names)


def kind_for(interpreter: Interpreter, ahead: bool, account: str = "") -> Kind:
    """The kind for a bundle, with or without the libraries."""
    if not interpreter.forks:
        return Kind(interpreter, entry="executables", account=account)
    modules = (*STANDARD, *(preloaded(interpreter.libraries) if ahead else ()))
    return Kind(interpreter, modules, account=account)


def unpacker() -> Kind:
    return Kind(_platform(), entry="archives")


def _platform() -> Interpreter:
    """The platform's own interpreter, for archives and to start other programs."""
    executable = Path(os.path.realpath(sys.executable))
    return Interpreter("platform", executable, Path(sys.base_prefix), sys.version.split()[0], None)


class Zygote:
    """One fork server."""

    def __init__(self, kind: Kind, folder: Path, files: Mapping[str, bytes], shown: Shown = ()) -> None:
        self.kind = kind
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        folder.mkdir(mode=0o700)
        try:
            root.grow(folder, [*_binds(kind), *shown], {**_own_files(kind), **files})
            self.pid = namespaces.start_zygote(folder, _command(kind), theirs).wait()
            self.namespace = os.open(f"/proc/{self.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            theirs.close()
            with contextlib.suppress(OSError):
                syscalls.unmount(str(folder))
            folder.rmdir()

    def fork(self, number: int, given: Sequence[tuple[str, int]]) -> None:
        """Ask for a stem with named descriptors; it may be asked before it has loaded everything."""
        request = {"id": number, "descriptors": [name for name, _ in given]}
        wire.send(self.socket, request, [descriptor for _, descriptor in given])

    def resident_bytes(self) -> int:
        """What a fork inherits without being charged for it; another program inherits nothing."""
        if self.kind.entry == "executables":
            return 0
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE
        except OSError:
            return 0

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        self.socket.close()
        os.close(self.namespace)


class Zygotes:
    """Those that run, by kind."""

    def __init__(self, folder: Path, files: Callable[[], Mapping[str, bytes]], shown: Shown = ()) -> None:
        self._folder = folder
        self._files = files  # what lies in every root, known only when it is made
        self._shown = shown  # and of the machine's
        self._running: dict[Kind, Zygote] = {}
        self._count = 0
        self.on_start: Callable[[Zygote], None] = lambda zygote: None

    def __iter__(self) -> Iterator[Zygote]:
        return iter(tuple(self._running.values()))

    def get(self, kind: Kind) -> Zygote:
        """The running one, or a new one, which may still be loading when it is first asked."""
        if kind not in self._running:
            self._count += 1
            zygote = Zygote(kind, self._folder / f"root-{self._count}", self._files(), self._shown)
            self._running[kind] = zygote
            self.on_start(zygote)
        return self._running[kind]

    def find(self, pid: int) -> Zygote | None:
        return next((zygote for zygote in self if zygote.pid == pid), None)

    def remove(self, zygote: Zygote) -> None:
        self._running.pop(zygote.kind, None)
        zygote.close()


def _command(kind: Kind) -> list[str]:
    """Without `site`: the host's own packages are no part of a function's world."""
    language = LANGUAGE if kind.interpreter.forks else RUNNER
    place = Path(language) / kind.runner.executable.relative_to(kind.runner.prefix)
    start = START.format(ours=root.OURS)
    return [str(place), "-S", "-B", "-c", start, kind.entry, LIBRARIES, BOOTSTRAP, *kind.modules]


def _binds(kind: Kind) -> list[tuple[Path, str]]:
    binds = [(kind.interpreter.prefix, LANGUAGE)]
    if kind.interpreter.libraries:
        binds.append((kind.interpreter.libraries, LIBRARIES))
    if not kind.interpreter.forks:
        binds.append((kind.runner.prefix, RUNNER))
    return binds


def _own_files(kind: Kind) -> dict[str, bytes]:
    if kind.entry == "archives":
        return root.own_files(root.ARCHIVES)
    runtime = root.PACKAGE / "runtimes" / kind.interpreter.family
    if kind.entry == "executables":
        place = BOOTSTRAP if kind.interpreter.program else LIBRARIES
        files = {f"{place}/{path.name}": path.read_bytes() for path in runtime.glob("*") if path.is_file()}
        return {**root.own_files(root.EXECUTABLES), **files}
    bootstrap = {f"{BOOTSTRAP}/{path.name}": path.read_bytes() for path in sorted(runtime.glob("*.py"))}
    return {**root.own_files(root.ZYGOTE), **bootstrap}
