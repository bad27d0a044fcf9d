"""What functions can run on here, under Lambda's names: the Pythons of this machine, and the executables."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from lambent.lazy import Lazy
from lambent.model.errors import InvalidParameter
from lambent.model.interpreter import Interpreter
from lambent.runtimes import executables, shelf

loaders = Lazy("botocore.loaders")  # takes a tenth of a second, for a list that errors name

DEFAULT_RUNTIME = f"python3.{sys.version_info.minor}"  # the node's own
FIRST_MINOR = 8
MINORS = range(FIRST_MINOR, FIRST_MINOR + 30)
PROBE_TIMEOUT_S = 10.0
PROBE = "import sys; v = sys.version_info; print(*v[:3], v[3], sys.implementation.name, sys.base_prefix)"
_ANSWER = re.compile(r"3 (?P<minor>\d+) (?P<micro>\d+) final cpython (?P<prefix>.+)\n")

# What AWS's own list names and its service refuses; an old Python that the machine has is welcome here.
_RETIRED = re.compile(
    r"nodejs(|4\.3|4\.3-edge|6\.10|8\.10|1[0-6]\.x)|java8|python(2\.7|3\.[67])|dotnetcore.*|dotnet6"
    r"|go1\.x|ruby2\.\d|provided"
)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The interpreters by their runtime's name; of Pythons first."""

    interpreters: Mapping[str, Interpreter]
    executables: Mapping[str, Interpreter] = field(default_factory=dict)

    @property
    def runtimes(self) -> tuple[str, ...]:
        return (*self.interpreters, *self.executables)

    @classmethod
    def find(cls) -> "Catalog":
        """Look where Pythons usually are; one for each minor version, the node's own or the newest."""
        found: dict[str, Interpreter] = {}
        for interpreter in sorted(_probe(_candidates()), key=_preference):
            found[interpreter.runtime] = interpreter
        return cls(dict(sorted(found.items(), key=lambda item: _minor(item[0]))), executables.find())

    def get(self, runtime: str) -> Interpreter:
        """The interpreter for a runtime, with its libraries where they are built by now.

        Raises `InvalidParameter` in AWS's words, or says what this machine lacks.
        """
        if interpreter := self.interpreters.get(runtime):
            return replace(interpreter, libraries=shelf.ready(runtime))
        if executable := self.executables.get(runtime):
            return executable
        known = known_runtimes()
        if runtime not in known:
            raise InvalidParameter(
                f"Value {runtime} at 'runtime' failed to satisfy constraint: "
                f"Member must satisfy enum value set: [{', '.join(known)}] or be a valid ARN"
            )
        if _RETIRED.fullmatch(runtime):
            raise InvalidParameter(
                f"The runtime parameter of {runtime} is no longer supported for creating or updating "
                "AWS Lambda functions. We recommend you use a supported runtime while creating or "
                "updating functions."
            )
        raise InvalidParameter(f"The runtime {runtime} is not on this machine. {self._way_out(runtime)}")

    def _way_out(self, runtime: str) -> str:
        there = ", ".join(self.runtimes) or "none"
        if runtime.startswith("nodejs"):
            return f"Available are: {there}. Install that Node.js so that it is on the PATH of the node."
        if not runtime.startswith("python"):
            return f"Available are: {there}; bring any other with your package, as provided.al2023."
        return (
            f"Available are: {there}. Install {runtime} as the system's package or with pyenv, "
            "so that it is on the PATH of the node, and start the node again."
        )


@cache
def known_runtimes() -> tuple[str, ...]:
    """AWS's runtime names, from the service model."""
    return tuple(loaders.Loader().load_service_model("lambda", "service-2")["shapes"]["Runtime"]["enum"])


def _minor(runtime: str) -> int:
    return int(runtime.rpartition(".")[2])


def _preference(interpreter: Interpreter) -> tuple[bool, tuple[int, ...]]:
    own = interpreter.prefix == Path(sys.base_prefix).resolve()
    return own, tuple(int(part) for part in interpreter.version.split("."))


def _folders() -> Iterator[Path]:
    yield Path(sys.base_prefix, "bin")
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        if folder:
            yield Path(folder)
    yield from (Path("/usr/local/bin"), Path("/usr/bin"))
    for root in (os.environ.get("PYENV_ROOT"), Path.home() / ".pyenv"):
        if root:
            yield from sorted(Path(root, "versions").glob("*/bin"))


def _candidates() -> list[Path]:
    """Real paths of what is called python3.X; a shim is a script and left out, a virtual environment's
    link leads to the interpreter that it was made from."""
    found: dict[Path, None] = {}
    for folder in dict.fromkeys(_folders()):
        for minor in MINORS:
            path = folder / f"python3.{minor}"
            if os.access(path, os.X_OK) and not _is_script(path):
                found[path.resolve()] = None
    return list(found)


def _is_script(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def _probe(candidates: Iterable[Path]) -> Iterator[Interpreter]:
    """Ask every one what it is, all at the same time; what does not answer is none."""
    asked = [(path, process) for path in candidates if (process := _ask(path))]
    for path, process in asked:
        with process:
            try:
                answer, _ = process.communicate(timeout=PROBE_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                continue
        if process.returncode == 0 and (interpreter := _read(path, answer)):
            yield interpreter


def _ask(path: Path) -> "subprocess.Popen[str] | None":
    try:
        return subprocess.Popen(
            [path, "-I", "-S", "-c", PROBE],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    except OSError:  # made for another machine, or no program at all
        return None


def _read(path: Path, answer: str) -> Interpreter | None:
    told = _ANSWER.fullmatch(answer)
    if told is None or int(told["minor"]) < FIRST_MINOR:
        return None
    runtime = f"python3.{told['minor']}"
    real = Path(told["prefix"]).resolve()
    own = real / "bin" / runtime  # a virtual environment may hold a copy of it
    return Interpreter(
        runtime=runtime,
        executable=own.resolve() if own.exists() else path,
        prefix=real,
        version=f"3.{told['minor']}.{told['micro']}",
        libraries=None,
    )
