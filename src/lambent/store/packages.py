"""The packages: uploaded zips by their digest, and what they unpack to."""

import asyncio
import base64
import hashlib
import logging
import os
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Protocol

from lambent.model.errors import InvalidParameter, NotFound
from lambent.model.function import Code
from lambent.model.limits import IMAGE_BYTES, UNZIPPED_BYTES
from lambent.sandbox.archive import extract, remove
from lambent.sandbox.base import BadArchive
from lambent.store.bundle import Bundle, layer_packages, look_into, unpacked_bytes

log = logging.getLogger(__name__)

COLLECT_EVERY_S = 600.0
GRACE_S = 7200.0  # longer than an instance of code that was replaced may go on

NO_ZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."
UNZIPPED = f"Unzipped size must be smaller than {UNZIPPED_BYTES} bytes"
EMPTY = "Uploaded file must be a non-empty zip"


class Unpacker(Protocol):
    """The part of a sandbox host that packages need."""

    async def unpack(self, archive: Path, folder: Path, limit_bytes: int) -> None: ...


class Packages:
    """Zips in `data/state/packages`, their contents in `data/code`, both named by the zip's SHA-256."""

    def __init__(self, data: Path, host: Unpacker) -> None:
        self._zips = data / "state" / "packages"
        self._folders = data / "code"
        self._host = host
        self._storing: dict[str, asyncio.Task[None]] = {}  # by digest: two uploads of one zip are one
        self._bundles: dict[str, Bundle] = {}
        self._brought: dict[tuple[str, str], frozenset[str]] = {}  # by layers: digest and runtime
        self._sizes: dict[str, int] = {}
        self._unused: dict[str, float] = {}  # digest: since when (monotonic) no version needs it

    async def put(self, zipped: bytes, *, own: bool = False) -> Code:
        """Keep a zip and unpack it; one of our `own` making needs no sandbox for that.

        Raises `InvalidParameter` for what cannot be unpacked.
        """
        if not zipped:
            raise InvalidParameter(EMPTY)
        hashed = await asyncio.to_thread(hashlib.sha256, zipped)
        code = Code(hashed.hexdigest(), len(zipped), base64.b64encode(hashed.digest()).decode())
        self._unused.pop(code.digest, None)
        await self._once(code.digest, zipped, own=own)
        return code

    async def put_image(self, digest: str, write: Callable[[Path], None]) -> Code:
        """Keep an image's layers, which `write` writes to a file, and unpack them.

        Raises `InvalidParameter` for what cannot be unpacked, and what `write` raises.
        """
        code = Code(digest, 0, digest)
        self._unused.pop(digest, None)
        if not (self.folder(code).exists() and self._archive(digest).exists()):
            await asyncio.to_thread(_place, self._archive(digest), write)
            await self._once(digest, None, IMAGE_BYTES)
        return code

    async def ensure(self, code: Code) -> None:
        """Unpack once more what has been lost, such as when only the state was restored from a backup."""
        if not self.folder(code).exists():
            await self._once(code.digest, None, UNZIPPED_BYTES if code.size else IMAGE_BYTES)

    def folder(self, code: Code) -> Path:
        return self._folders / code.digest

    def archive(self, digest: str) -> Path:
        """The zip itself. Raises `NotFound`."""
        path = self._zips / f"{digest}.zip"
        if not path.is_file():
            raise NotFound("The resource you requested does not exist.")
        return path

    def bundle(self, code: Code) -> Bundle:
        """What can be seen of it from outside; looked at once."""
        if code.digest not in self._bundles:
            self._bundles[code.digest] = look_into(self.folder(code))
        return self._bundles[code.digest]

    def brought(self, code: Code, runtime: str) -> frozenset[str]:
        """The top-level modules that a layer brings for a runtime; looked at once."""
        key = code.digest, runtime
        if key not in self._brought:
            self._brought[key] = layer_packages(self.folder(code), runtime)
        return self._brought[key]

    async def unpacked_bytes(self, code: Code) -> int:
        """What the contents take; measured once."""
        if code.digest not in self._sizes:
            self._sizes[code.digest] = await asyncio.to_thread(unpacked_bytes, self.folder(code))
        return self._sizes[code.digest]

    async def tend(self, used: Callable[[], AbstractSet[str]]) -> None:
        """Delete, as long as the node runs, what no version needs any more."""
        while True:
            await asyncio.sleep(COLLECT_EVERY_S)
            await self.collect(used())

    async def collect(self, used: AbstractSet[str], *, grace_s: float = GRACE_S) -> list[str]:
        """Delete the packages that have been without a version for `grace_s`; 0 only before anything runs."""
        now = time.monotonic()
        if grace_s == 0:
            await asyncio.to_thread(self._sweep)
        kept = await asyncio.to_thread(self._digests)
        for digest in kept - used:
            self._unused.setdefault(digest, now)
        for digest in self._unused.keys() & used:
            del self._unused[digest]
        gone = [digest for digest, since in self._unused.items() if now - since >= grace_s]
        for digest in gone:
            del self._unused[digest]
            self._forget(digest)
            await asyncio.to_thread(self._remove, digest)
        return gone

    def _archive(self, digest: str) -> Path:
        return self._zips / f"{digest}.zip"

    async def _once(
        self, digest: str, zipped: bytes | None, limit_bytes: int = UNZIPPED_BYTES, *, own: bool = False
    ) -> None:
        task = self._storing.get(digest)
        if task is None:
            task = asyncio.create_task(self._store(digest, zipped, limit_bytes, own))
            self._storing[digest] = task
            task.add_done_callback(lambda _: self._storing.pop(digest))
        await asyncio.shield(task)

    async def _store(self, digest: str, zipped: bytes | None, limit_bytes: int, own: bool) -> None:
        path, folder = self._archive(digest), self._folders / digest
        if zipped is not None:
            await asyncio.to_thread(_write, path, zipped)
        if folder.exists():
            return
        await asyncio.to_thread(self._folders.mkdir, parents=True, exist_ok=True)
        if own:
            await asyncio.to_thread(extract, path, folder, limit_bytes)
            return
        try:
            await self._host.unpack(path, folder, limit_bytes)
        except BadArchive as error:
            log.info("the zip %s is refused: %s", digest, error)
            await asyncio.to_thread(path.unlink, missing_ok=True)
            if limit_bytes == IMAGE_BYTES:
                raise InvalidParameter(str(error)) from None
            text = UNZIPPED if error.too_large else EMPTY if str(error) == EMPTY else NO_ZIP
            raise InvalidParameter(text) from None

    def _forget(self, digest: str) -> None:
        self._bundles.pop(digest, None)
        self._sizes.pop(digest, None)
        for key in [key for key in self._brought if key[0] == digest]:
            del self._brought[key]

    def _digests(self) -> set[str]:
        return {path.name.removesuffix(".zip") for path in self._files() if not path.name.startswith(".")}

    def _sweep(self) -> None:
        """Remove what a killed node had not finished to write."""
        for path in self._files():
            if path.name.startswith("."):
                _remove(path)

    def _files(self) -> list[Path]:
        return [
            path for folder in (self._zips, self._folders) if folder.exists() for path in folder.iterdir()
        ]

    def _remove(self, digest: str) -> None:
        _remove(self._folders / digest)
        _remove(self._zips / f"{digest}.zip")


def _remove(path: Path) -> None:
    try:
        remove(path) if path.is_dir() else path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s is no longer needed but cannot be deleted: %s", path, error)


def _write(path: Path, data: bytes) -> None:
    def write(scratch: Path) -> None:
        with scratch.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    _place(path, write)


def _place(path: Path, write: Callable[[Path], None]) -> None:
    """All or nothing, and on disk once it returns."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists():
        return
    scratch = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        write(scratch)
        scratch.rename(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
