"""S3 bodies, taken out of aws-chunked and checked before their last bytes are let go."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import replace

from lambent.faces import checksums
from lambent.faces.authorization import STREAMING_PREFIX, UNSIGNED
from lambent.faces.canonical import sign
from lambent.faces.errors import Fault, ServiceError, refuse
from lambent.faces.http import Body, BodyTooLarge, Disconnected, Request
from lambent.faces.verified import Payload

LINE_BYTES = 1024  # a chunk's header or a trailer
TRAILERS = 16

_EMPTY = hashlib.sha256(b"").hexdigest()
_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
_SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_FORMS = frozenset({_SIGNED, _SIGNED_TRAILER, _UNSIGNED_TRAILER})


def open_body(request: Request, payload: Payload) -> "CheckedBody":
    """The body that a request really carries. Raises `ServiceError`."""
    headers = request.headers
    if payload.hash == UNSIGNED and headers.get("x-amz-content-sha256") == _UNSIGNED_TRAILER:
        payload = replace(payload, hash=_UNSIGNED_TRAILER)  # an old or missing signature does not say so
    digests = [] if _describes_the_object(request) else checksums.announced(headers)
    if not payload.hash.startswith(STREAMING_PREFIX):
        if payload.hash != UNSIGNED:
            digests.append(checksums.body_sha256(payload.hash))
        return CheckedBody(_Plain(request.body), request.body.length, digests)
    if payload.hash not in _FORMS:
        text = f"x-amz-content-sha256 {payload.hash} is not supported here."
        raise ServiceError("NotImplemented", text, 501)
    length = headers.get("x-amz-decoded-content-length", "")
    if not (length.isascii() and length.isdigit()):
        text = "You must provide the Content-Length HTTP header."
        raise ServiceError("MissingContentLength", text, 411)
    return CheckedBody(_Chunked(request.body, payload), int(length), digests)


def _describes_the_object(request: Request) -> bool:
    """CompleteMultipartUpload's checksum headers are about the object, not about the request's body."""
    return request.method == "POST" and "uploadId=" in request.query


class _Source:
    """A body's bytes, and the trailers once they are all read."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self.trailers: dict[str, str] = {}

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise NotImplementedError


class _Plain(_Source):
    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._body)


class CheckedBody:
    """A body that ends with an error in place of its last bytes unless everything announced is true."""

    def __init__(self, source: _Source, length: int | None, digests: list[checksums.Digest]) -> None:
        self._source = source
        self._digests = digests
        self.length = length

    @property
    def trailers(self) -> dict[str, str]:
        """What came after the body; there once it is read."""
        return self._source.trailers

    async def read(self, limit: int) -> bytes:
        if self.length is not None and self.length > limit:
            raise BodyTooLarge
        parts = bytearray()
        async for data in self:
            parts += data
            if len(parts) > limit:
                raise BodyTooLarge
        return bytes(parts)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        held = b""
        size = 0
        try:
            async for data in self._source:
                size += len(data)
                if self.length is not None and size > self.length:
                    raise incomplete_body()
                for digest in self._digests:
                    digest.hash.update(data)
                if held:
                    yield held
                held = data
        except Disconnected:
            raise incomplete_body() from None
        if self.length is not None and size != self.length:
            raise incomplete_body()
        for digest in self._digests:
            if digest.expected is None:
                digest.expected = self._trailer(digest)
            digest.check()
        if held:
            yield held

    def _trailer(self, digest: checksums.Digest) -> bytes:
        value = self._source.trailers.get(digest.name)
        if value is None:
            raise malformed_trailer()
        return checksums.decode(digest.name, value, digest.hash.digest_size)


class _Chunked(_Source):
    """aws-chunked: each chunk has its size and, where the body is signed, a signature of its own."""

    def __init__(self, body: Body, payload: Payload) -> None:
        super().__init__(body)
        self._payload = payload
        self._signed = payload.hash != _UNSIGNED_TRAILER
        self._previous = payload.seed
        self._buffer = bytearray()
        self._chunks = aiter(body)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            size, signature = self._parse_header(await self._line())
            hash = hashlib.sha256() if self._signed else None
            left = size
            while left:
                data = await self._some(left)
                left -= len(data)
                if hash is not None:
                    hash.update(data)
                if data and not left:
                    # The end of a chunk waits for the chunk's signature.
                    self._check_chunk(signature, hash.hexdigest() if hash is not None else "")
                yield data
            if not size:
                break
            if await self._line():
                raise incomplete_body()
        self._check_chunk(signature, _EMPTY)
        await self._read_trailers()

    def _parse_header(self, line: bytes) -> tuple[int, str]:
        size, _, extension = line.partition(b";")
        try:
            if not size or size.strip(b"0123456789abcdefABCDEF"):
                raise ValueError
            return int(size, 16), extension.removeprefix(b"chunk-signature=").decode("ascii")
        except ValueError:
            raise ServiceError("InvalidRequest", "A chunk's header is not valid.", 400) from None

    def _check_chunk(self, signature: str, hexdigest: str) -> None:
        if self._signed:
            self._check_signature(signature, "AWS4-HMAC-SHA256-PAYLOAD", f"{_EMPTY}\n{hexdigest}")

    def _check_signature(self, given: str, algorithm: str, digest: str) -> None:
        payload = self._payload
        text = f"{self._previous}\n{digest}"
        expected = sign(payload.key, payload.timestamp, payload.scope, text, algorithm)
        if not hmac.compare_digest(expected.encode(), given.encode()):
            raise refuse("s3", Fault.MISMATCH)
        self._previous = expected

    async def _read_trailers(self) -> None:
        while line := await self._line(at_end=True):
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or len(self.trailers) >= TRAILERS:
                raise malformed_trailer()
            self.trailers[name.strip(" \t").lower()] = value.strip(" \t")
        if self._buffer or await self._fill():
            raise incomplete_body()
        if self._payload.hash == _SIGNED:
            self.trailers.clear()  # nothing vouches for them
            return
        signature = self.trailers.pop("x-amz-trailer-signature", "")
        if self._signed:
            text = "".join(f"{name}:{value}\n" for name, value in sorted(self.trailers.items()))
            digest = hashlib.sha256(text.encode("latin-1")).hexdigest()
            self._check_signature(signature, "AWS4-HMAC-SHA256-TRAILER", digest)

    async def _line(self, *, at_end: bool = False) -> bytes:
        """The next line, without its end. At the body's end there may be none."""
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > LINE_BYTES:
                raise ServiceError("InvalidRequest", "A chunk's header is too long.", 400)
            if not await self._fill():
                if at_end and not self._buffer:
                    return b""
                raise incomplete_body()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    async def _some(self, most: int) -> bytes:
        if not self._buffer and not await self._fill():
            raise incomplete_body()
        data = bytes(self._buffer[:most])
        del self._buffer[:most]
        return data

    async def _fill(self) -> bool:
        data = await anext(self._chunks, None)
        if data is None:
            return False
        self._buffer += data
        return True


def incomplete_body() -> ServiceError:
    text = "You did not provide the number of bytes specified by the Content-Length HTTP header"
    return ServiceError("IncompleteBody", text, 400)


def malformed_trailer() -> ServiceError:
    text = (
        "The request contained trailing data that was not well-formed or did not conform to our"
        " published schema."
    )
    return ServiceError("MalformedTrailerError", text, 400)
