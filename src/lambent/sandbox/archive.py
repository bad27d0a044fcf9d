"""Unpacks an untrusted zip into a folder of read-only files; each host runs it in a child of its own."""

import calendar
import errno
import json
import os
import resource
import shutil
import stat
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from lambent.sandbox import image
from lambent.sandbox.base import BadArchive

ENTRIES = 100_000  # ours: a zip of 50 MB could name half a million empty files
LINK_BYTES = 4096
CHUNK_BYTES = 1 << 20
ENCRYPTED = 0x1
UNIX = 3

# The zip's own fault: one path as file and folder, a name too long, a link to the empty text.
BAD_PATHS = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP}
# What zipfile raises on bytes that someone else chose.
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    MemoryError,
)


def unpack(archive: int, folder: Path, limit_bytes: int) -> None:
    """A zip, or the layers of an image."""
    with _open(archive) as file:
        if image.is_image(file):
            image.extract(file, folder, limit_bytes)
        else:
            extract(archive, folder, limit_bytes)


def extract(archive: Path | int, folder: Path, limit_bytes: int) -> None:
    """Unpack `archive` (a path or an open descriptor) into a new `folder`, all or nothing.

    Files become 0444 or 0555 and folders 0555, whatever the zip says; times are kept, because a bundled .pyc
    is checked by its source's. Raises `BadArchive`, and `FileExistsError` when the folder is there already.
    """
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with _open(archive) as file:
            _unpack(file, scratch, limit_bytes)
        if folder.exists():
            raise FileExistsError(f"{folder} is there already")
        scratch.rename(folder)
    except BaseException:
        remove(scratch)
        raise


def remove(folder: Path) -> None:
    """Delete a tree of read-only folders."""
    for path, _, _ in os.walk(folder):
        os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _open(archive: Path | int) -> IO[bytes]:
    return os.fdopen(os.dup(archive), "rb") if isinstance(archive, int) else archive.open("rb")


def _unpack(file: IO[bytes], root: Path, limit_bytes: int) -> None:
    try:
        with zipfile.ZipFile(file) as packed:
            _link(_write(packed, root, limit_bytes), root)
    except BROKEN as error:
        raise BadArchive(f"not a readable zip: {error or type(error).__name__}") from None
    except OSError as error:
        if error.errno not in BAD_PATHS:
            raise
        raise BadArchive(f"a path in the zip cannot be made: {error.strerror}") from None
    for path, _, _ in os.walk(root):
        os.chmod(path, 0o555)


def _write(packed: zipfile.ZipFile, root: Path, limit_bytes: int) -> dict[Path, str]:
    """Write folders and files; return the symbolic links, which are made when nothing is written any more."""
    entries = _entries(packed)
    left = limit_bytes
    links: dict[Path, str] = {}
    for path, info in entries.items():
        target = root / path
        kind = _kind(info)
        if kind == stat.S_IFDIR:
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if kind == stat.S_IFLNK:
            links[target] = _link_text(packed, info)
            continue
        left -= _copy(packed, info, target, left, limit_bytes)
    return links


def _entries(packed: zipfile.ZipFile) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """The entries by their path; of two with one path the later wins, as with unzip."""
    infos = packed.infolist()
    if not infos:
        raise BadArchive("Uploaded file must be a non-empty zip")
    if len(infos) > ENTRIES:
        raise BadArchive(f"the zip has {len(infos)} entries, more than {ENTRIES}", too_large=True)
    return {path: info for info in infos if (path := _path(info)) != PurePosixPath()}


def _path(info: zipfile.ZipInfo) -> PurePosixPath:
    path = PurePosixPath(info.filename)
    if path.is_absolute() or ".." in path.parts:
        raise BadArchive(f"{info.filename!r} leaves the folder")
    if info.flag_bits & ENCRYPTED:
        raise BadArchive(f"{info.filename!r} is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadArchive(f"{info.filename!r} is packed by method {info.compress_type}; only deflate is read")
    return path


def _kind(info: zipfile.ZipInfo) -> int:
    mode = info.external_attr >> 16 if info.create_system == UNIX else 0
    kind = stat.S_IFMT(mode) or (stat.S_IFDIR if info.is_dir() else stat.S_IFREG)
    if kind not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        raise BadArchive(f"{info.filename!r} is neither a file nor a folder")
    return stat.S_IFDIR if info.is_dir() else kind


def _copy(packed: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, left: int, limit_bytes: int) -> int:
    """Write one file and return its size: what comes out counts, not what the zip says about it."""
    executable = info.create_system == UNIX and info.external_attr >> 16 & 0o111
    written = 0
    with packed.open(info) as source, target.open("xb") as sink:
        for chunk in _chunks(source):
            written += len(chunk)
            if written > left:
                raise BadArchive(f"Unzipped size must be smaller than {limit_bytes} bytes", too_large=True)
            sink.write(chunk)
        os.fchmod(sink.fileno(), 0o555 if executable else 0o444)
    try:
        modified = calendar.timegm(info.date_time)
    except ValueError:  # month 0, day 32: the field is only bits
        modified = 0
    os.utime(target, (modified, modified))
    return written


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    while chunk := source.read(CHUNK_BYTES):
        yield chunk


def _link_text(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    with packed.open(info) as source:
        text = source.read(LINK_BYTES)
    if not text or b"\0" in text:
        raise BadArchive(f"{info.filename!r} is no symbolic link")
    return os.fsdecode(text)


def _link(links: dict[Path, str], root: Path) -> None:
    """Make the symbolic links and then look where they lead, since a link may pass through another."""
    for path, text in links.items():
        path.symlink_to(text)
    inside = root.resolve()
    for path, text in links.items():
        if os.path.isabs(text) or not Path(os.path.realpath(path)).is_relative_to(inside):
            raise BadArchive(f"the symbolic link {path.name!r} leads out of the folder")


def main(archive: str, folder: str, limit_bytes: str) -> None:
    """The child: bind what a hostile zip could use up, unpack, print the verdict as one JSON line."""
    limit = int(limit_bytes)
    bounds = {
        resource.RLIMIT_AS: 1 << 30,
        resource.RLIMIT_CPU: 60,
        resource.RLIMIT_FSIZE: limit + CHUNK_BYTES,
        resource.RLIMIT_CORE: 0,
    }
    for what, most in bounds.items():
        resource.setrlimit(what, (most, most))
    try:
        extract(Path(archive), Path(folder), limit)
        verdict: dict[str, object] = {"ok": True}
    except BadArchive as error:
        verdict = {"ok": False, "message": str(error), "too_large": error.too_large}
    print(json.dumps(verdict))


if __name__ == "__main__":
    main(*sys.argv[1:])
