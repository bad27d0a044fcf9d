"""A function's package, made from a file or a folder: the same files give the same bytes."""

import io
import json
import os
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path

from lambent.cli.failure import Failure
from lambent.cli.languages import BOOTSTRAP, NODE_FILES, family
from lambent.cli.output import size
from lambent.model import limits

SKIPPED = frozenset(
    {
        *("__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".tox", ".nox"),
        *(".git", ".hg", ".svn", ".venv", "venv", ".idea", ".vscode", ".DS_Store"),
    }
)
SOURCES = (".py", *NODE_FILES)
MODULES = "node_modules"  # what npm has installed: part of a function for Node.js, and of no other
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can say


@dataclass(frozen=True, slots=True)
class Bundle:
    """A zip, and the text of the source files that are the user's own (not installed for them)."""

    zip: bytes
    files: int
    sources: dict[str, str]


def build(path: Path, installed: Path | None = None) -> Bundle:
    """Zip a file or a folder, with the packages in `installed` under it; the folder's own files win."""
    if path.suffix == ".zip":
        return _read_zip(path)
    if path.is_file() and not path.name.endswith(SOURCES) and path.name != BOOTSTRAP:
        raise Failure(f"{path} is neither a file of Python or JavaScript, a bootstrap, a folder nor a zip")
    own = {path.name: path} if path.is_file() else _walk(path)
    _check_modules(path, own)
    everything = {**(_walk(installed) if installed else {}), **own}
    if not own:
        raise Failure(f"{path} has no files in it")
    _check_unzipped(path, everything)
    packed = _zip(everything)
    if len(packed) > limits.ZIP_BYTES:
        raise Failure(
            f"{path} makes a zip of {size(len(packed))}; Lambda takes {size(limits.ZIP_BYTES)}:"
            " leave out data files or put them into a bucket"
        )
    sources = {
        name: file.read_text(errors="replace")
        for name, file in own.items()
        if name.endswith(SOURCES) and MODULES not in name.split("/")
    }
    return Bundle(packed, len(everything), sources)


def _walk(folder: Path) -> dict[str, Path]:
    """Files below `folder` by their name in the zip; links to files are followed, to folders refused."""
    found: dict[str, Path] = {}
    skipped = SKIPPED if family(folder) == "nodejs" else SKIPPED | {MODULES}
    for root, folders, files in os.walk(folder):
        here = Path(root)
        folders[:] = sorted(name for name in folders if name not in skipped)
        for name in folders:
            if (here / name).is_symlink():
                raise Failure(f"{here / name} is a link to a folder: copy the folder, or move the link away")
        for name in sorted(files):
            if name not in skipped and not name.endswith((".pyc", ".pyo")):
                found[(here / name).relative_to(folder).as_posix()] = here / name
    return found


def _check_modules(path: Path, own: dict[str, Path]) -> None:
    """npm puts what package.json asks for beside it; nobody else does."""
    if "package.json" not in own or any(name.startswith(f"{MODULES}/") for name in own):
        return
    try:
        wanted = json.loads(own["package.json"].read_bytes()).get("dependencies")
    except (ValueError, AttributeError):
        wanted = None
    if wanted:
        raise Failure(
            f"{path} has no {MODULES}: run `npm install` in it, for {', '.join(sorted(wanted)[:5])}"
        )


def _check_unzipped(path: Path, files: dict[str, Path]) -> None:
    total = sum(file.stat().st_size for file in files.values())
    if total > limits.UNZIPPED_BYTES:
        largest = max(files, key=lambda name: files[name].stat().st_size)
        raise Failure(
            f"{path} holds {size(total)}; Lambda takes {size(limits.UNZIPPED_BYTES)} unzipped:"
            f" the largest file is {largest}"
        )


def _zip(files: dict[str, Path]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            mode = 0o755 if files[name].stat().st_mode & stat.S_IXUSR else 0o644
            entry.external_attr = (stat.S_IFREG | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name].read_bytes())
    return buffer.getvalue()


def _read_zip(path: Path) -> Bundle:
    """A zip that somebody made goes as it is."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            sources = {
                name: archive.read(name).decode(errors="replace")
                for name in names
                if name.endswith(SOURCES) and "/" not in name
            }
    except zipfile.BadZipFile as error:
        raise Failure(f"{path} is no zip: {error}") from None
    return Bundle(path.read_bytes(), len(names), sources)
