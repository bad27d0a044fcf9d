"""The client of the store: what it sends, and how it fails."""

from collections.abc import AsyncIterator, Awaitable, Callable

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.objects.stub import Answer, Stub, answer

from lambent.objects.signing import Endpoint, encode_path, encode_query, sign
from lambent.objects.upstream import Broken, Call, NotSent, Upstream

Open = Callable[[Answer], Awaitable[tuple[Upstream, Stub]]]


@pytest.fixture
async def open() -> AsyncIterator[Open]:
    opened: list[tuple[Upstream, Stub]] = []

    async def start(tell: Answer) -> tuple[Upstream, Stub]:
        stub = await Stub(tell).start()
        opened.append((Upstream(stub), stub))
        return opened[-1]

    yield start
    for upstream, stub in opened:
        await upstream.close()
        await stub.stop()


class UnsignedPayload(botocore.auth.S3SigV4Auth):  # type: ignore[misc]
    def payload(self, request: AWSRequest) -> str:
        return "UNSIGNED-PAYLOAD"


@pytest.mark.parametrize("key", ["a", "a b+c", "ü/~x", "a//b", "x%20y"])
def test_it_signs_as_botocore_does(key: str) -> None:
    endpoint = Endpoint("http://127.0.0.1:8333", "AKEY", "secret")
    path, query = encode_path("files", key), encode_query({"uploads": "", "prefix": "a b/ü"})
    headers = {"x-amz-meta-a": "one   two"}
    ours = sign(endpoint, "PUT", path, query, headers)
    asked = AWSRequest("PUT", f"{endpoint.url}{path}?{query}", headers=dict(headers))
    for name in ("x-amz-date", "x-amz-content-sha256", "host"):
        asked.headers[name] = ours[name]
    asked.context["timestamp"] = ours["x-amz-date"]
    theirs = UnsignedPayload(Credentials("AKEY", "secret"), "s3", "us-east-1")
    text = theirs.string_to_sign(asked, theirs.canonical_request(asked))
    assert ours["authorization"].endswith(f"Signature={theirs.signature(text, asked)}")
    assert f"SignedHeaders={theirs.signed_headers(theirs.headers_to_sign(asked))}," in ours["authorization"]


async def pieces(*given: bytes | Exception) -> AsyncIterator[bytes]:
    for piece in given:
        if isinstance(piece, Exception):
            raise piece
        yield piece


async def test_a_body_is_streamed_with_its_length(open: Open) -> None:
    upstream, stub = await open(lambda asked, body: answer(200, b"told", "X-Amz-Thing: 1"))
    reply = await upstream.ask(Call(method="PUT", bucket="b", key="k", length=6), pieces(b"abc", b"def"))
    assert (reply.status, reply.body, reply.headers["x-amz-thing"]) == (200, b"told", "1")
    assert stub.asked == [("PUT /b/k", b"abcdef")]


async def test_what_the_body_raises_comes_out_as_it_was(open: Open) -> None:
    upstream, stub = await open(lambda asked, body: answer(200))
    with pytest.raises(KeyError, match="mine"):
        await upstream.ask(
            Call(method="PUT", bucket="b", key="k", length=6), pieces(b"abc", KeyError("mine"))
        )
    assert stub.asked == []


async def test_a_store_that_is_not_there_was_sent_nothing(open: Open) -> None:
    upstream, stub = await open(lambda asked, body: answer(200))
    await stub.stop()
    with pytest.raises(NotSent):
        await upstream.ask(Call(method="GET", bucket="b"))


async def test_a_connection_that_breaks_leaves_doubt_and_sends_nothing_twice(open: Open) -> None:
    upstream, stub = await open(lambda asked, body: answer(200))
    await upstream.ask(Call(method="PUT", bucket="b", key="k", length=1), pieces(b"1"))
    stub.tell = lambda asked, body: None
    with pytest.raises(Broken):
        await upstream.ask(Call(method="PUT", bucket="b", key="k", length=1), pieces(b"2"))
    assert [body for _, body in stub.asked] == [b"1", b"2"]


async def test_a_redirect_is_not_followed(open: Open) -> None:
    upstream, stub = await open(lambda asked, body: answer(301, b"", "Location: http://203.0.113.1/"))
    assert (await upstream.ask(Call(method="GET", bucket="b"))).status == 301
    assert len(stub.asked) == 1
