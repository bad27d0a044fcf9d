"""Bodies in every form that S3 clients send them, and bodies that are not what they say."""

import base64
import hashlib
import io
import zlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import anycrc
import pytest
from botocore.exceptions import ClientError
from hypothesis import example, given
from hypothesis import strategies as st
from tests.faces.edge import Edge, call

from lambent.faces.canonical import sign
from lambent.faces.checksums import ALGORITHMS
from lambent.faces.chunked import CheckedBody, open_body
from lambent.faces.errors import ServiceError
from lambent.faces.http import BodyTooLarge, Disconnected, Request
from lambent.faces.verified import Payload

KEY, SCOPE, TIME, SEED = b"k" * 32, "20251123/us-east-1/s3/aws4_request", "20251123T140249Z", "5" * 64
EMPTY = hashlib.sha256(b"").hexdigest()
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = f"{SIGNED}-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
PLAIN = "UNSIGNED-PAYLOAD"


class Pieces:
    """A body that arrives in pieces, and perhaps not whole."""

    def __init__(self, pieces: Iterable[bytes], *, lost: bool = False, length: int | None = None) -> None:
        self._pieces = list(pieces)
        self._lost = lost
        self.length = length

    async def read(self, limit: int) -> bytes:
        raise AssertionError("a checked body reads in pieces")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._lost:
            raise Disconnected


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def opened(
    pieces: Iterable[bytes],
    hash: str,
    headers: dict[str, str],
    *,
    lost: bool = False,
    length: int | None = None,
) -> CheckedBody:
    body = Pieces(pieces, lost=lost, length=length)
    request = Request("PUT", "/b/k", "", headers, body)
    return open_body(request, Payload(hash, KEY, SCOPE, TIME, SEED))


async def taken(body: CheckedBody) -> tuple[bytes, str]:
    """What the reader got, and the code of the error that ended it."""
    data = b""
    try:
        async for piece in body:
            data += piece
    except ServiceError as error:
        return data, error.code
    return data, ""


def aws_chunked(data: bytes, size: int, form: str, trailers: dict[str, str]) -> bytes:
    """A body as AWS documents the form."""
    wire, previous = b"", SEED
    for chunk in [*cut(data, size), b""]:
        head = f"{len(chunk):x}"
        if form != UNSIGNED_TRAILER:
            digest = f"{previous}\n{EMPTY}\n{hashlib.sha256(chunk).hexdigest()}"
            previous = sign(KEY, TIME, SCOPE, digest, "AWS4-HMAC-SHA256-PAYLOAD")
            head += f";chunk-signature={previous}"
        wire += head.encode() + b"\r\n" + chunk + (b"\r\n" if chunk else b"")
    lines = "".join(f"{name}:{value}\n" for name, value in trailers.items())
    wire += lines.replace("\n", "\r\n").encode()
    if form == SIGNED_TRAILER:
        digest = f"{previous}\n{hashlib.sha256(lines.encode()).hexdigest()}"
        signature = sign(KEY, TIME, SCOPE, digest, "AWS4-HMAC-SHA256-TRAILER")
        wire += f"x-amz-trailer-signature:{signature}\r\n".encode()
    return wire + b"\r\n"


@pytest.mark.parametrize("form", [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER])
@given(data=st.binary(max_size=300), chunk=st.integers(1, 120), piece=st.integers(1, 97))
async def test_a_good_body_comes_through(form: str, data: bytes, chunk: int, piece: int) -> None:
    trailers = {} if form == SIGNED else {"x-amz-checksum-crc32": b64(zlib.crc32(data).to_bytes(4, "big"))}
    headers = {"x-amz-decoded-content-length": str(len(data)), "x-amz-trailer": ",".join(trailers)}
    body = opened(cut(aws_chunked(data, chunk, form, trailers), piece), form, headers)
    assert body.length == len(data)
    assert await taken(body) == (data, "")
    assert body.trailers == trailers


@pytest.mark.parametrize("form", [SIGNED, SIGNED_TRAILER])
@given(at=st.integers(0, 1000), piece=st.integers(1, 97))
@example(at=750, piece=1)  # a line's end that becomes white space
async def test_no_altered_byte_goes_unnoticed(form: str, at: int, piece: int) -> None:
    data = bytes(range(200))
    trailers = {} if form == SIGNED else {"x-amz-checksum-crc32": b64(zlib.crc32(data).to_bytes(4, "big"))}
    headers = {"x-amz-decoded-content-length": str(len(data)), "x-amz-trailer": ",".join(trailers)}
    wire = bytearray(aws_chunked(data, 64, form, trailers))
    wire[at % len(wire)] ^= 1
    found, code = await taken(opened(cut(bytes(wire), piece), form, headers))
    assert code
    assert len(found) < len(data)


@pytest.mark.parametrize("form", [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER])
@given(kept=st.integers(0, 1000), piece=st.integers(1, 97), lost=st.booleans())
async def test_no_missing_end_goes_unnoticed(form: str, kept: int, piece: int, lost: bool) -> None:
    data = bytes(range(200))
    trailers = {} if form == SIGNED else {"x-amz-checksum-crc32": b64(zlib.crc32(data).to_bytes(4, "big"))}
    headers = {"x-amz-decoded-content-length": str(len(data)), "x-amz-trailer": ",".join(trailers)}
    wire = aws_chunked(data, 64, form, trailers)
    # The empty line at the very end says nothing more.
    end = len(wire) - 3
    found, code = await taken(opened(cut(wire[: kept % end], piece), form, headers, lost=lost))
    assert code
    assert len(found) < len(data)


@given(data=st.binary(max_size=500), piece=st.integers(1, 97))
async def test_rubbish_is_refused_without_a_crash(data: bytes, piece: int) -> None:
    body = opened(cut(data, piece), UNSIGNED_TRAILER, {"x-amz-decoded-content-length": "1000"})
    assert (await taken(body))[1] in ("InvalidRequest", "IncompleteBody", "MalformedTrailerError")


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
async def test_checksums_in_headers_and_trailers(algorithm: str) -> None:
    data, name = b"123456789" * 1000, f"x-amz-checksum-{algorithm}"
    hash = ALGORITHMS[algorithm]()
    hash.update(data)
    right, wrong = b64(hash.digest()), b64(bytes(hash.digest_size))
    for value, code in ((right, ""), (wrong, "BadDigest")):
        found = await taken(opened(cut(data, 1000), PLAIN, {name: value}))
        assert found == (data if not code else data[:-1000], code)
        headers = {"x-amz-decoded-content-length": str(len(data)), "x-amz-trailer": name}
        wire = aws_chunked(data, 1000, UNSIGNED_TRAILER, {name: value})
        found = await taken(opened(cut(wire, 512), UNSIGNED_TRAILER, headers))
        assert found[1] == code
        assert (found[0] == data) == (not code)


def test_checksums_are_the_standard_ones() -> None:
    """Check values of the catalogue of parametrised CRC algorithms."""
    checks = {"crc32": "cbf43926", "crc32c": "e3069283", "crc64nvme": "ae8b14860a799888"}
    for name, expected in checks.items():
        hash = ALGORITHMS[name]()
        hash.update(b"1234")
        hash.update(b"56789")
        assert hash.digest().hex() == expected
    assert anycrc.Model("CRC64-NVME").calc(b"") == 0


@pytest.mark.parametrize(
    ("headers", "hash", "code"),
    [
        ({}, hashlib.sha256(b"body").hexdigest(), ""),
        ({}, hashlib.sha256(b"other").hexdigest(), "XAmzContentSHA256Mismatch"),
        ({"content-md5": b64(hashlib.md5(b"body").digest())}, PLAIN, ""),
        ({"content-md5": b64(hashlib.md5(b"other").digest())}, PLAIN, "BadDigest"),
    ],
)
async def test_hashes_of_plain_bodies(headers: dict[str, str], hash: str, code: str) -> None:
    found, problem = await taken(opened([b"bo", b"dy"], hash, headers))
    assert problem == code
    assert found == (b"bo" if code else b"body")


@pytest.mark.parametrize(
    ("headers", "hash", "code"),
    [
        ({"content-md5": "x"}, PLAIN, "InvalidDigest"),
        ({"content-md5": "AAAA"}, PLAIN, "InvalidDigest"),
        ({"x-amz-checksum-crc32": "AAAA"}, PLAIN, "InvalidRequest"),
        ({"x-amz-checksum-crc31": "AAAA"}, PLAIN, "InvalidRequest"),
        ({}, SIGNED, "MissingContentLength"),
        ({"x-amz-decoded-content-length": "-1"}, SIGNED, "MissingContentLength"),
        ({}, "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "NotImplemented"),
    ],
)
def test_what_is_refused_before_a_byte_is_read(headers: dict[str, str], hash: str, code: str) -> None:
    with pytest.raises(ServiceError) as caught:
        opened([b"body"], hash, headers)
    assert caught.value.code == code


async def test_lengths_must_agree() -> None:
    for said in (3, 5):
        assert (await taken(opened([b"ab", b"cd"], PLAIN, {}, length=said)))[1] == "IncompleteBody"
        headers = {"x-amz-decoded-content-length": str(said)}
        wire = aws_chunked(b"abcd", 2, UNSIGNED_TRAILER, {})
        assert (await taken(opened([wire], UNSIGNED_TRAILER, headers)))[1] == "IncompleteBody"


async def test_announced_trailers_must_come_and_be_few() -> None:
    headers = {"x-amz-decoded-content-length": "4", "x-amz-trailer": "x-amz-checksum-crc32"}
    wire = aws_chunked(b"abcd", 4, UNSIGNED_TRAILER, {})
    assert await taken(opened([wire], UNSIGNED_TRAILER, headers)) == (b"", "MalformedTrailerError")
    wire = aws_chunked(b"abcd", 4, UNSIGNED_TRAILER, {f"x-{n}": "y" for n in range(17)})
    assert (await taken(opened([wire], UNSIGNED_TRAILER, headers)))[1] == "MalformedTrailerError"


async def test_an_endless_line_is_not_kept() -> None:
    body = opened([b"0" * 2000] * 1000, UNSIGNED_TRAILER, {"x-amz-decoded-content-length": "4"})
    assert await taken(body) == (b"", "InvalidRequest")


async def test_reading_has_a_limit() -> None:
    with pytest.raises(BodyTooLarge):
        await opened([b"abcd"], PLAIN, {}, length=4).read(3)
    with pytest.raises(BodyTooLarge):
        await opened([b"ab", b"cd"], PLAIN, {}).read(3)
    assert await opened([b"ab", b"cd"], PLAIN, {}).read(4) == b"abcd"


async def test_the_checksum_of_a_multipart_object_is_not_the_requests() -> None:
    headers = {"x-amz-checksum-crc32": "AAAAAA=="}
    request = Request("POST", "/b/k", "uploadId=1", headers, Pieces([b"<xml/>"]))
    assert await open_body(request, Payload(PLAIN)).read(100) == b"<xml/>"


async def test_a_stream_needs_no_signature_to_be_taken_apart() -> None:
    headers = {"x-amz-content-sha256": UNSIGNED_TRAILER, "x-amz-decoded-content-length": "4"}
    assert await taken(opened([aws_chunked(b"abcd", 3, UNSIGNED_TRAILER, {})], PLAIN, headers)) == (
        b"abcd",
        "",
    )


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
@pytest.mark.parametrize("size", [0, 5, 3_000_000])
async def test_what_boto3_sends(edge: Edge, algorithm: str, size: int) -> None:
    put = edge.client("s3").put_object
    for body in (b"x" * size, io.BytesIO(b"x" * size)):
        await call(put, Bucket="bkt", Key="k", Body=body, ChecksumAlgorithm=algorithm)
    with pytest.raises(ClientError, match=r"BadDigest|XAmzContentSHA256Mismatch"):
        await call(put, Bucket="bkt", Key="k", Body=b"x", **wrong(algorithm))


def wrong(algorithm: str) -> dict[str, Any]:
    size = {"CRC32": 4, "SHA1": 20, "SHA256": 32}[algorithm]
    return {f"Checksum{algorithm}": b64(bytes(size))}
