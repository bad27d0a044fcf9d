"""Images on disk: a folder or an archive in the OCI image layout, and what `docker save` writes."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import IO, Any

from lambent.images.source import DOCUMENT_BYTES, BadImage, parsed

TAG = "org.opencontainers.image.ref.name"
INDEX, DOCKER = "index.json", "manifest.json"


class Folder:
    """An OCI image layout as a folder."""

    def __init__(self, path: Path, tag: str) -> None:
        self._path = path
        self._tag = tag

    def root(self) -> bytes:
        return choose(_small(self._open(INDEX)), self._tag)

    def blob(self, digest: str) -> IO[bytes]:
        return self._open(f"blobs/{place(digest)}")

    def close(self) -> None:
        """Nothing is open."""

    def _open(self, name: str) -> IO[bytes]:
        path = (self._path / name).resolve()
        if not path.is_relative_to(self._path) or not path.is_file():
            raise BadImage(f"{self._path} has no {name}")
        return path.open("rb")


class Archive:
    """The same as one tar file."""

    def __init__(self, path: Path, tag: str) -> None:
        self._path = path
        self._tag = tag
        try:
            self._tar = tarfile.open(path, "r:")  # noqa: SIM115 - closed by `close`
        except (OSError, tarfile.TarError) as error:
            raise BadImage(f"{path} is no archive: {error}") from None

    def root(self) -> bytes:
        return choose(_small(self._member(INDEX)), self._tag)

    def blob(self, digest: str) -> IO[bytes]:
        return self._member(f"blobs/{place(digest)}")

    def close(self) -> None:
        self._tar.close()

    def _member(self, name: str) -> IO[bytes]:
        try:
            found = self._tar.extractfile(name)
        except (KeyError, tarfile.TarError, RecursionError):
            found = None
        if found is None:
            raise BadImage(f"{self._path} has no {name}")
        return found


class DockerArchive(Archive):
    """What `docker save` writes: names in place of digests, so that a manifest is made of them."""

    def root(self) -> bytes:
        listed = json.loads(_small(self._member(DOCKER)))
        found = [each for each in listed if not self._tag or self._tag in (each.get("RepoTags") or ())]
        if len(found) != 1:
            raise BadImage(f"{self._path} has {len(found)} images that may be meant; name one by its tag")
        layers = [{"digest": name, "size": self._tar.getmember(name).size} for name in found[0]["Layers"]]
        manifest = {"config": {"digest": found[0]["Config"]}, "layers": layers}
        return json.dumps(manifest).encode()

    def blob(self, digest: str) -> IO[bytes]:
        return self._member(digest)


def place(digest: str) -> str:
    algorithm, _, encoded = digest.partition(":")
    if not algorithm.isalnum() or not encoded.isalnum():
        raise BadImage(f"{digest!r:.100} is no digest")
    return f"{algorithm}/{encoded}"


def choose(index: bytes, tag: str) -> bytes:
    """The index with only the images of a tag; without one it must not have several tags."""
    document = parsed(index)
    manifests: list[dict[str, Any]] = document.get("manifests") or []
    if tag:
        manifests = [each for each in manifests if (each.get("annotations") or {}).get(TAG) == tag]
    if not manifests:
        raise BadImage(f"there is no image{f' {tag}' if tag else ''} in the layout")
    return json.dumps({**document, "manifests": manifests}).encode()


def _small(stream: IO[bytes]) -> bytes:
    with stream:
        return stream.read(DOCUMENT_BYTES)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
