"""The checksums that S3 clients send with a body."""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

import anycrc

from lambent.faces.errors import ServiceError

PREFIX = "x-amz-checksum-"
_NOT_DIGESTS = frozenset({"x-amz-checksum-mode", "x-amz-checksum-type", "x-amz-checksum-algorithm"})


class Hash(Protocol):
    """What hashlib's objects can do, as far as it is needed here."""

    @property
    def digest_size(self) -> int: ...

    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc:
    """A cyclic redundancy check with the interface of a hash."""

    def __init__(self, extend: Callable[[bytes, int], int], digest_size: int) -> None:
        self._extend = extend
        self._value = 0
        self.digest_size = digest_size

    def update(self, data: bytes, /) -> None:
        self._value = self._extend(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self.digest_size, "big")


_crc32c = anycrc.Model("CRC32C")
_crc64nvme = anycrc.Model("CRC64-NVME")

ALGORITHMS: dict[str, Callable[[], Hash]] = {
    "crc32": lambda: _Crc(zlib.crc32, 4),
    "crc32c": lambda: _Crc(_crc32c.calc, 4),
    "crc64nvme": lambda: _Crc(_crc64nvme.calc, 8),
    "sha1": hashlib.sha1,
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
    "md5": hashlib.md5,
}


class Digest:
    """One digest that a client announced, and what the body really has."""

    def __init__(self, name: str, hash: Hash, expected: bytes | None, mismatch: ServiceError) -> None:
        self.name = name  # of the header or trailer
        self.hash = hash
        self.expected = expected  # None until its trailer comes
        self._mismatch = mismatch

    def check(self) -> None:
        """Raises `ServiceError`."""
        if self.hash.digest() != self.expected:
            raise self._mismatch


def announced(headers: Mapping[str, str]) -> list[Digest]:
    """The digests that headers carry, and those that trailers will. Raises `ServiceError`."""
    found = []
    if "content-md5" in headers:
        found.append(content_md5(headers["content-md5"]))
    names = {n: v for n, v in headers.items() if n.startswith(PREFIX) and n not in _NOT_DIGESTS}
    for name in headers.get("x-amz-trailer", "").lower().split(","):
        if name.strip().startswith(PREFIX):
            names[name.strip()] = ""
    for name, value in names.items():
        found.append(checksum(name))
        if value:
            found[-1].expected = decode(name, value, found[-1].hash.digest_size)
    return found


def checksum(name: str) -> Digest:
    algorithm = name.removeprefix(PREFIX)
    make = ALGORITHMS.get(algorithm)
    if make is None:
        known = ", ".join(ALGORITHMS)
        raise ServiceError("InvalidRequest", f"The checksum {name} is not supported here; use {known}.", 400)
    text = f"The {algorithm.upper()} you specified did not match the calculated checksum."
    return Digest(name, make(), None, ServiceError("BadDigest", text, 400))


def content_md5(value: str) -> Digest:
    try:
        expected = base64.b64decode(value, validate=True)
    except binascii.Error:
        expected = b""
    if len(expected) != 16:
        raise ServiceError("InvalidDigest", "The Content-MD5 you specified was invalid.", 400)
    text = "The Content-MD5 you specified did not match what we received."
    return Digest("content-md5", hashlib.md5(), expected, ServiceError("BadDigest", text, 400))


def body_sha256(value: str) -> Digest:
    text = "The provided 'x-amz-content-sha256' header does not match what was computed."
    mismatch = ServiceError("XAmzContentSHA256Mismatch", text, 400)
    return Digest("x-amz-content-sha256", hashlib.sha256(), bytes.fromhex(value), mismatch)


def decode(name: str, value: str, size: int) -> bytes:
    """The bytes of a base64 digest. Raises `ServiceError`."""
    try:
        digest = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != size:
        raise ServiceError("InvalidRequest", f"Value for {name} header is invalid.", 400)
    return digest
