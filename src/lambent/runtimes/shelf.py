"""Where the libraries of each runtime lie, and which ones they are."""

import hashlib
import os
from functools import cache
from pathlib import Path

PINS = Path(__file__).parent / "requirements"
PRELOAD = "preload.txt"  # beside the packages: the modules that a zygote imports, one a line


def cache_folder() -> Path:
    if given := os.environ.get("LAMBENT_RUNTIMES"):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "lambent" / "runtimes"


def pins_for(runtime: str) -> Path:
    """The list of exact versions for a Python: its own, or that of the newest one before it."""
    minor = int(runtime.rpartition(".")[2])
    lists = {int(path.stem.rpartition(".")[2]): path for path in PINS.glob("3.*.txt")}
    return lists[max(n for n in lists if n <= minor)]


def folder_for(runtime: str) -> Path:
    """Where the packages are once they are built, which is when it exists; a changed list has another."""
    return cache_folder() / f"{runtime}-{_digest(runtime)[:12]}"


@cache
def _digest(runtime: str) -> str:
    return hashlib.sha256(pins_for(runtime).read_bytes()).hexdigest()


def ready(runtime: str) -> Path | None:
    folder = folder_for(runtime)
    return folder if folder.is_dir() else None
