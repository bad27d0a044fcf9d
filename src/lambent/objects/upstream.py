"""The client of the object store: a bounded pool of connections, streams in both directions."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from lambent.lazy import Lazy
from lambent.objects.signing import WITH_TRAILER, Endpoint, encode_path, encode_query, sign

if TYPE_CHECKING:
    import aiohttp
    import yarl
else:
    aiohttp, yarl = Lazy("aiohttp"), Lazy("yarl")  # for the first bucket

CONNECTIONS = 256
CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 300.0  # a large CompleteMultipartUpload is quiet for long
READ_BUFFER_BYTES = 256 * 1024
WHOLE_BYTES = 8 * 1024 * 1024  # the largest document that the store answers with: a listing


class ObjectStore(Protocol):
    """An S3-compatible store that can be reached, started if need be."""

    async def ensure(self) -> Endpoint: ...


class NotSent(Exception):
    """The request did not reach the store, so nothing came of it."""


class Broken(Exception):
    """The connection broke after the request was sent: nobody knows what came of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request to the store."""

    method: str
    bucket: str = ""
    key: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = 0  # of the body; None: not known, sent in chunks
    trailer: str = ""  # the checksum that comes after the body, by its header's name
    trailers: Mapping[str, str] = field(default_factory=dict)  # where it is once the body is read


@dataclass(frozen=True, slots=True)
class Reply:
    """The store's answer, read whole. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class _Feed:
    """A request's body on its way to the store, which remembers why it broke off."""

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self.error: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._body:
                yield piece
        except Exception as error:
            self.error = error
            raise


class Stream:
    """The body of an answer as it comes; closing it gives the connection back."""

    def __init__(self, response: "aiohttp.ClientResponse") -> None:
        self._response = response

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> bytes:
        try:
            piece = await self._response.content.readany()
        except (aiohttp.ClientError, TimeoutError) as error:
            self._response.close()
            raise Broken(str(error)) from None
        if not piece:
            self._response.release()
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        if not self._response.content.at_eof():
            self._response.close()
        self._response.release()


class Upstream:
    """Speaks S3 to the store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _open(self) -> "aiohttp.ClientSession":
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, use_dns_cache=False),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=ANSWER_TIMEOUT_S
                ),
                auto_decompress=False,
                read_bufsize=READ_BUFFER_BYTES,
                skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept", "Content-Type"),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            # It would send a PUT again whose body is used up; the client of S3 decides on retries.
            self._session._retry_connection = False
        return self._session

    async def send(self, call: Call, body: AsyncIterator[bytes] | None = None) -> "aiohttp.ClientResponse":
        """The answer's head; its body is still to be read.

        Raises `NotSent`, `Broken`, or what `body` raised; then the store has got only a part and keeps none.
        """
        endpoint = await self._store.ensure()
        path, query = encode_path(call.bucket, call.key), encode_query(call.query)
        if call.trailer and body is not None and call.length:
            body = _framed(body, call.trailer, call.trailers)
            headers = sign(endpoint, call.method, path, query, _announced(call), WITH_TRAILER)
        else:
            headers = sign(endpoint, call.method, path, query, call.headers)
            if call.length is not None:
                headers["content-length"] = str(call.length)
        url = yarl.URL(f"{endpoint.url}{path}{'?' if query else ''}{query}", encoded=True)
        feed = _Feed(body) if body is not None and call.length != 0 else None
        try:
            return await self._open().request(
                call.method, url, headers=headers, data=feed, allow_redirects=False
            )
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            if feed is not None and feed.error is not None:
                raise feed.error from None
            raise _kind(error) from None

    async def ask(self, call: Call, body: AsyncIterator[bytes] | None = None) -> Reply:
        """The whole answer. Raises as `send` does."""
        response = await self.send(call, body)
        parts = bytearray()
        stream = Stream(response)
        try:
            async for piece in stream:
                parts += piece
                if len(parts) > WHOLE_BYTES:
                    raise Broken(f"the store's answer is longer than {WHOLE_BYTES} bytes")
        finally:
            await stream.aclose()
        return Reply(response.status, lower(response), bytes(parts))


def _announced(call: Call) -> dict[str, str]:
    """Without the coding's name in Content-Encoding, which SeaweedFS would keep as the object's own."""
    length = {"x-amz-decoded-content-length": str(call.length), "x-amz-trailer": call.trailer}
    return {**call.headers, **length}


async def _framed(
    body: AsyncIterator[bytes], trailer: str, trailers: Mapping[str, str]
) -> AsyncIterator[bytes]:
    """aws-chunked, so that the store keeps a checksum that is known only after the body."""
    async for piece in body:
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield f"0\r\n{trailer}:{trailers[trailer]}\r\n\r\n".encode()


def _kind(error: Exception) -> NotSent | Broken:
    unsent = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    return (NotSent if unsent else Broken)(str(error) or type(error).__name__)


def lower(response: "aiohttp.ClientResponse") -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}
