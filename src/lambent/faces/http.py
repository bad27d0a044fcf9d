"""A request and a response, as every face sees them."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass, field
from random import getrandbits
from typing import Protocol


class Body(Protocol):
    """A request's body as it comes in, with back pressure; reading it twice gives nothing."""

    length: int | None  # Content-Length; None for a chunked body

    async def read(self, limit: int) -> bytes:
        """All of it. Raises `BodyTooLarge` when it is longer than `limit` bytes."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class BodyTooLarge(Exception):
    """A body over the reader's limit; the rest of it is not read and the connection closes."""


class Disconnected(Exception):
    """The client went away, or stopped sending, before its body was complete."""


class Truncated(Exception):
    """A streamed answer that ends before its end, which only a closed connection can say."""


class WholeBody:
    """A body that is all there."""

    __slots__ = ("_data", "length")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length: int | None = len(data)

    async def read(self, limit: int) -> bytes:
        data, self._data = self._data, b""
        if len(data) > limit:
            raise BodyTooLarge
        return data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        data, self._data = self._data, b""
        if data:
            yield data


@dataclass(slots=True)
class Request:
    """One HTTP request. `path` and `query` are raw: split first, decode afterwards."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]  # names in lower case, repeated ones joined by a comma
    body: Body
    peer: str = ""
    id: str = ""  # uuid, the request id of the answer


@dataclass(slots=True)
class Response:
    """One HTTP answer. A body that is iterated is streamed, chunked unless Content-Length is given."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | AsyncIterable[bytes] = b""


class Handler(Protocol):
    """Anything that answers a request."""

    async def __call__(self, request: Request) -> Response: ...


def new_id() -> str:
    """A request id: a random uuid, no secret, made in a quarter of the time that the uuid module takes."""
    digits = f"{getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
