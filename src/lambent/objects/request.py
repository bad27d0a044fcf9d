"""A verified S3 request and its answer, free of the HTTP server's types."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from lambent.model.identity import Principal


class Body(Protocol):
    """A body, decoded and checked: it raises before its last bytes when hash or checksums disagree."""

    length: int | None  # of what it yields

    async def read(self, limit: int) -> bytes: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Request:
    """One request. `bucket` is "" for the service itself, `key` is "" for a bucket; both are decoded."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]  # decoded; a parameter without a value has ""
    headers: Mapping[str, str]  # names in lower case
    body: Body
    principal: Principal
    region: str
    id: str
    peer: str = ""
    trailers: Mapping[str, str] = field(default_factory=dict)  # filled by the time the body is read

    @property
    def resource(self) -> str:
        return f"/{self.bucket}/{self.key}" if self.key else f"/{self.bucket}"


@dataclass(slots=True)
class Answer:
    """One answer. A body that is iterated is streamed; its `aclose` gives the store's connection back."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | AsyncIterable[bytes] = b""


class WholeBody:
    """A body that is all there."""

    def __init__(self, data: bytes = b"") -> None:
        self._data = data
        self.length: int | None = len(data)

    async def read(self, limit: int) -> bytes:
        assert len(self._data) <= limit
        return self._data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._data:
            yield self._data


def host_id(request_id: str) -> str:
    """The value of x-amz-id-2: opaque, and here no more than the request's id in another form."""
    return request_id.replace("-", "")[::-1]
