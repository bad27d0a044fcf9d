"""Unpacks the layers of a container image into a root; runs in a sandbox, as what is in them is hostile."""

import os
import shutil
import stat
import sys
import tarfile
import zlib
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO

from lambent.sandbox.base import BadArchive

ENTRIES = 1_000_000  # ours
LINKS = 40  # followed for one path
CHUNK_BYTES = 1 << 20
ZSTD = b"\x28\xb5\x2f\xfd"
WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
# What every sandbox has in places of an image's root: folders, and files.
FOLDERS = ("dev", "etc", "opt", "proc", "tmp", "var/task")
FILES = ("etc/hosts", "etc/resolv.conf")
BROKEN = (tarfile.TarError, zlib.error, LZMAError, EOFError, ValueError, MemoryError, RecursionError)


def is_image(file: IO[bytes]) -> bool:
    """Whether it is a tar of layers rather than a zip."""
    file.seek(257)
    magic = file.read(5)
    file.seek(0)
    return magic == b"ustar"


def extract(file: IO[bytes], folder: Path, limit_bytes: int) -> None:
    """Make a new `folder` of the layers in a tar of tars. Raises `BadArchive`."""
    folder.mkdir()
    root = Root(folder, limit_bytes)
    try:
        with tarfile.open(fileobj=file, mode="r:") as bundle:
            for member in bundle:
                layer = bundle.extractfile(member)
                if layer is not None:
                    _check_readable(layer)
                    with layer, tarfile.open(fileobj=layer, mode="r|*") as entries:
                        root.apply(entries)
    except BROKEN as error:
        raise BadArchive(f"a layer of the image cannot be read: {error or type(error).__name__}") from None
    root.finish()


def _check_readable(layer: IO[bytes]) -> None:
    """Raises `BadArchive` for what tarfile would call no tar."""
    zstd = layer.read(len(ZSTD)) == ZSTD
    layer.seek(0)
    if zstd and "zst" not in tarfile.TarFile.OPEN_METH:  # Pythons before 3.14
        raise BadArchive(
            f"a layer is compressed with zstd, which this node's Python {sys.version_info.major}."
            f"{sys.version_info.minor} cannot read: build the image with gzip, or run the node with 3.14"
        )


class Root:
    """A root file system that layers are laid into, one over the other. Nothing is written outside of it."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        self.left_bytes = limit_bytes
        self.left_entries = ENTRIES
        self.written: set[Path] = set()  # by this layer

    def apply(self, entries: tarfile.TarFile) -> None:
        self.written = set()
        for entry in entries:
            self.left_entries -= 1
            if self.left_entries < 0:
                raise BadArchive(f"the image has more than {ENTRIES} files", too_large=True)
            path = _inside(entry.name)
            if path != PurePosixPath():
                self.lay(entries, entry, path)

    def lay(self, entries: tarfile.TarFile, entry: tarfile.TarInfo, path: PurePosixPath) -> None:
        parent = self.resolve(path.parent)
        if path.name == OPAQUE:
            for name in os.listdir(parent):
                if parent / name not in self.written:
                    _delete(parent / name)
        elif path.name.startswith(WHITEOUT):
            _delete(parent / _plain(path.name.removeprefix(WHITEOUT)))
        elif entry.isdir() or entry.isreg() or entry.issym() or entry.islnk():
            self.put(entries, entry, parent / path.name)
        elif not (entry.ischr() or entry.isblk() or entry.isfifo()):  # devices are the sandbox's own
            raise BadArchive(f"{entry.name!r} is of an unknown kind")

    def put(self, entries: tarfile.TarFile, entry: tarfile.TarInfo, target: Path) -> None:
        self.written.add(target)
        if entry.isdir():
            if target.is_symlink() or not target.is_dir():
                _delete(target)
                target.mkdir()
            return
        source = self.resolve(_inside(entry.linkname)) if entry.islnk() else None
        if source == target:
            return
        _delete(target)
        if entry.issym():
            target.symlink_to(entry.linkname)
        elif source is not None:
            if not stat.S_ISREG(os.lstat(source).st_mode):
                raise BadArchive(f"{entry.name!r} is a link to what is no file")
            os.link(source, target)
        else:
            self.copy(entries, entry, target)

    def copy(self, entries: tarfile.TarFile, entry: tarfile.TarInfo, target: Path) -> None:
        stream = entries.extractfile(entry)
        with target.open("xb") as sink:
            while stream is not None and (chunk := stream.read(CHUNK_BYTES)):
                self.left_bytes -= len(chunk)
                if self.left_bytes < 0:
                    raise BadArchive(f"the image has more than {self.limit_bytes} bytes", too_large=True)
                sink.write(chunk)
            os.fchmod(sink.fileno(), 0o555 if entry.mode & 0o111 else 0o444)
        os.utime(target, (entry.mtime, entry.mtime))

    def resolve(self, path: PurePosixPath) -> Path:
        """Where a path leads within the root, made of folders where there is nothing yet."""
        rest = list(path.parts)
        at = self.folder
        links = 0
        while rest:
            name = rest.pop(0)
            if name in ("/", "."):
                at = self.folder if name == "/" else at
                continue
            if name == "..":
                at = at if at == self.folder else at.parent
                continue
            step = at / name
            if step.is_symlink():
                links += 1
                if links > LINKS:
                    raise BadArchive(f"{path} leads through too many links")
                rest = [*PurePosixPath(os.readlink(step)).parts, *rest]
            elif step.is_dir() or (not rest and step.exists()):
                at = step
            else:
                _delete(step)
                step.mkdir()
                at = step
        return at

    def finish(self) -> None:
        """What the sandbox mounts over is there, and nothing can be written."""
        for name in FOLDERS:
            self._own(name, folder=True)
        for name in FILES:
            self._own(name, folder=False)
        for place, _, _ in os.walk(self.folder):
            os.chmod(place, 0o555)

    def _own(self, name: str, folder: bool) -> None:
        """A real one at this place, whatever the image has there."""
        path = self.folder
        for part in PurePosixPath(name).parts:
            path = path / part
            wanted = folder or path != self.folder / name
            if path.is_symlink() or (path.exists() and path.is_dir() is not wanted):
                _delete(path)
            if not path.exists():
                path.mkdir() if wanted else path.touch(0o444)


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name.lstrip("/"))
    if ".." in path.parts or "\0" in name:
        raise BadArchive(f"{name!r} leaves the image")
    return path


def _plain(name: str) -> str:
    if name in ("", ".", ".."):
        raise BadArchive(f"a whiteout of {name!r}")
    return name


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
