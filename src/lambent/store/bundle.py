"""What is seen of a bundle from outside: the modules that it brings, and those that it imports."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

READ_BYTES = 1024 * 1024  # of sources; more takes too long, and a large bundle imports a lot anyway
IMPORT = re.compile(rb"^[ \t]*(?:import|from)[ \t]+(.+)", re.MULTILINE)
WORD = re.compile(rb"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A guess from the sources: what is imported by other ways than the statement is not seen."""

    own_packages: frozenset[str]  # top-level modules: what they shadow must not be preloaded
    imports: frozenset[str] | None  # words of all import statements; None when nobody knows


def look_into(folder: Path) -> Bundle:
    return Bundle(_own_packages(folder), _imports(folder))


def layer_packages(folder: Path, runtime: str) -> frozenset[str]:
    """The top-level modules of a layer, where a runtime looks for them."""
    places = (folder / "python", folder / "python" / "lib" / runtime / "site-packages")
    return frozenset[str]().union(*(_own_packages(place) for place in places if place.is_dir()))


def unpacked_bytes(folder: Path) -> int:
    """The size of all files."""
    return sum(
        os.lstat(os.path.join(place, name)).st_size for place, _, names in os.walk(folder) for name in names
    )


def _own_packages(folder: Path) -> frozenset[str]:
    with os.scandir(folder) as entries:
        return frozenset(
            entry.name.partition(".")[0]
            for entry in entries
            if entry.name.isidentifier() or entry.name.endswith((".py", ".so", ".pyc"))
        )


def _imports(folder: Path) -> frozenset[str] | None:
    found: set[bytes] = set()
    left = READ_BYTES
    for place, _, names in os.walk(folder):
        for name in names:
            if name.endswith((".so", ".pyc")):
                return None
            if name.endswith(".py"):
                source = Path(place, name).read_bytes()[: left + 1]
                left -= len(source)
                if left < 0:
                    return None
                for statement in IMPORT.findall(source):
                    found.update(WORD.findall(statement))
    return frozenset(word.decode() for word in found)
