"""What an image is read from, and an image that cannot be read."""

import hashlib
import json
from typing import IO, Any, Protocol

from lambent.model.errors import InvalidParameter

DOCUMENT_BYTES = 4 * 1024 * 1024


class BadImage(InvalidParameter):
    """It is not there, or is none that can run here."""


class Source(Protocol):
    """One image. Both methods may wait for a disk or a network."""

    def root(self) -> bytes:
        """The manifest that its name stands for, or an index of several. Raises `BadImage`."""

    def blob(self, digest: str) -> IO[bytes]:
        """Content by its digest, not yet verified. Raises `BadImage`."""

    def close(self) -> None: ...


def document(source: Source, digest: str) -> bytes:
    """A small blob, whole, with its digest verified."""
    with source.blob(digest) as stream:
        content = stream.read(DOCUMENT_BYTES + 1)
    if len(content) > DOCUMENT_BYTES:
        raise BadImage(f"{digest} has more than {DOCUMENT_BYTES} bytes, which is much for a manifest")
    verify(digest, hashlib.sha256(content).hexdigest())
    return content


def verify(digest: str, found: str) -> None:
    """Names without an algorithm are those of a docker archive, which promises nothing."""
    algorithm, _, wanted = digest.rpartition(":")
    if algorithm and (algorithm != "sha256" or wanted != found):
        raise BadImage(f"{digest} is not what came for it: sha256:{found}")


def parsed(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise BadImage(f"a document of the image is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise BadImage("a document of the image is no JSON object")
    return found
