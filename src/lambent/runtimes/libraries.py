"""The read-only folder of packages that functions find ready: boto3, and what reaches the warehouse.

`python -m lambent.runtimes.libraries [python3.X ...]` builds them at set-up; `ensure` when one is missing.
"""

import fcntl
import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from lambent.model.errors import InvalidParameter
from lambent.model.interpreter import Interpreter
from lambent.runtimes.catalog import Catalog
from lambent.runtimes.shelf import PRELOAD, folder_for, pins_for

BUILD_TIMEOUT_S = 600.0

Tell = Callable[[str], None]

# Says which modules a first boto3 client and the two drivers bring in. They are imported before a fork;
# no client or session is made then. A set whose import starts a thread cannot be forked from.
SURVEY = """
import importlib.util, sys, threading
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
for name in ("boto3", "redshift_connector", "psycopg"):
    if importlib.util.find_spec(name):
        importlib.import_module(name)
if "boto3" in sys.modules:
    import boto3
    boto3.client("s3", "us-east-1", aws_access_key_id="-", aws_secret_access_key="-")
if threading.active_count() == 1:
    print(*(n for n in sys.modules if n not in before and not n.startswith("__")), sep="\\n")
"""


class Unavailable(Exception):
    """The packages could not be fetched; the message says why."""


def ensure(interpreter: Interpreter, tell: Tell) -> Interpreter:
    """The interpreter with its libraries, built now if there are none; blocks for up to a minute.

    Without a package index the node's own copies stand in, or none do: `tell` says which.
    """
    folder = folder_for(interpreter.runtime)
    if folder.is_dir():
        return replace(interpreter, libraries=folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _turn(folder):
        if not folder.is_dir():
            tell(f"{interpreter.runtime}: fetching boto3, redshift_connector and psycopg for functions")
            if not _build(interpreter, folder, tell):
                return replace(interpreter, libraries=None)
    return replace(interpreter, libraries=folder)


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """One build of a folder at a time on this machine."""
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(interpreter: Interpreter, folder: Path, tell: Tell) -> bool:
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        _fill(interpreter, scratch, tell)
        _compile(interpreter, scratch)
        _survey(interpreter, scratch)
        scratch.chmod(0o755)
        scratch.rename(folder)
    except Unavailable as error:
        tell(f"{interpreter.runtime}: functions find no libraries besides their own: {error}")
        return False
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return True


def _fill(interpreter: Interpreter, folder: Path, tell: Tell) -> None:
    try:
        _install(interpreter, folder)
    except Unavailable as error:
        if interpreter.runtime != "python{}.{}".format(*sys.version_info):
            raise
        _copy_own(interpreter, folder)
        tell(f"{interpreter.runtime}: functions get copies of this node's own packages: {error}")


def _install(interpreter: Interpreter, folder: Path) -> None:
    """Let pip fetch wheels of exactly the pinned versions, for a Python that need not be pip's own."""
    python = sys.executable if _has_pip(sys.executable) else str(interpreter.executable)
    options = ["--no-deps", "--only-binary=:all:", "--no-compile", "--disable-pip-version-check", "--quiet"]
    _run(
        [
            *(python, "-m", "pip", "install", "--no-input"),
            *options,
            *("--python-version", interpreter.runtime.removeprefix("python")),
            *("--target", str(folder), "--requirement", str(pins_for(interpreter.runtime))),
        ]
    )
    shutil.rmtree(folder / "bin", ignore_errors=True)


def _has_pip(python: str) -> bool:
    done = subprocess.run([python, "-c", "import pip"], capture_output=True, timeout=BUILD_TIMEOUT_S)
    return done.returncode == 0


def _copy_own(interpreter: Interpreter, folder: Path) -> None:
    """Copy what this node has of the list; versions may differ from it."""
    names = [line.partition("==")[0] for line in pins_for(interpreter.runtime).read_text().split()]
    copied = 0
    for name in names:
        try:
            files = importlib.metadata.distribution(name).files or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for file in files:
            if ".." in file.parts or file.suffix == ".pyc":
                continue
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), target)
            copied += 1
    if not copied:
        raise Unavailable("there is no package index, and this node has no copies of its own")


def _compile(interpreter: Interpreter, folder: Path) -> None:
    """Byte-compile once, never to be checked again: the folder does not change."""
    compiler = ["-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    # A package may hold sources for other Pythons, so a file that does not compile is no failure.
    subprocess.run(
        [interpreter.executable, *compiler, str(folder)], capture_output=True, timeout=BUILD_TIMEOUT_S
    )


def _survey(interpreter: Interpreter, folder: Path) -> None:
    modules = _run([str(interpreter.executable), "-I", "-S", "-c", SURVEY, str(folder)])
    (folder / PRELOAD).write_text(modules)


def _run(argv: list[str]) -> str:
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{argv[0]} took longer than {BUILD_TIMEOUT_S:.0f} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise Unavailable(f"{' '.join(argv[:3])} failed: {lines[-1]}")
    return done.stdout


def main(runtimes: list[str]) -> int:
    """Build the libraries of the named runtimes, or of the node's own Python."""
    catalog = Catalog.find()
    missing = 0
    for runtime in runtimes or ["python{}.{}".format(*sys.version_info)]:
        try:
            interpreter = ensure(catalog.get(runtime), print)
        except InvalidParameter as error:
            print(error.message, file=sys.stderr)
            missing += 1
            continue
        missing += interpreter.libraries is None
        print(f"{runtime}: {interpreter.libraries or 'no libraries'}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
