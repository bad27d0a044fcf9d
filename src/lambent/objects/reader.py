"""Objects for other parts of the platform, read and written as a principal, never as the node."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

from lambent.model.identity import Principal
from lambent.model.names import DEFAULT_REGION
from lambent.objects import xml
from lambent.objects.errors import S3Error
from lambent.objects.request import Answer, S3Request, WholeBody
from lambent.objects.upstream import Stream

LISTED = 100_000  # the most objects that one listing gives


@dataclass(frozen=True, slots=True)
class ObjectStream:
    """An object being read; `await close()` when it is not read to its end."""

    size: int
    etag: str  # without quotes
    chunks: AsyncIterator[bytes]

    async def close(self) -> None:
        if isinstance(self.chunks, Stream):
            await self.chunks.aclose()


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object in a listing."""

    key: str
    size: int
    etag: str  # without quotes


class Reader:
    """Goes through the gateway's own door, so that access and events are the same as for any client."""

    def __init__(self, handle: Callable[[S3Request], Awaitable[Answer]]) -> None:
        self._handle = handle

    async def open(
        self, principal: Principal, bucket: str, key: str, version: str | None = None
    ) -> ObjectStream:
        """Raises `S3Error`: NoSuchBucket, NoSuchKey, NoSuchVersion, AccessDenied, …"""
        answer = await self._ask(principal, "GET", bucket, key, {"versionId": version} if version else None)
        if isinstance(answer.body, bytes):
            raise refusal(answer)
        headers = dict(answer.headers)
        size, etag = int(headers["content-length"]), headers.get("etag", "").strip('"')
        return ObjectStream(size, etag, aiter(answer.body))

    async def list(self, principal: Principal, bucket: str, prefix: str = "") -> list[ObjectInfo]:
        """Every object under the prefix, in the order of their keys. Raises `S3Error`."""
        found: list[ObjectInfo] = []
        query = {"list-type": "2", "prefix": prefix}
        while True:
            answer = await self._ask(principal, "GET", bucket, query=query)
            root = xml.parse(await _whole(answer))
            found += [_info(element) for element in root.findall("Contents")]
            token = xml.text_of(root, "NextContinuationToken")
            if not token:
                return found
            if len(found) >= LISTED:
                message = f"More than {LISTED} objects begin with {prefix!r}; name a longer prefix."
                raise S3Error("InvalidArgument", message)
            query["continuation-token"] = token

    async def put(self, principal: Principal, bucket: str, key: str, data: bytes) -> None:
        """Raises `S3Error`."""
        answer = await self._ask(principal, "PUT", bucket, key, data=data)
        if answer.status >= 300:
            raise refusal(answer)

    async def _ask(
        self,
        principal: Principal,
        method: str,
        bucket: str,
        key: str = "",
        query: Mapping[str, str] | None = None,
        data: bytes = b"",
    ) -> Answer:
        request = S3Request(
            method=method,
            bucket=bucket,
            key=key,
            query=dict(query or {}),
            headers={},
            body=WholeBody(data),
            principal=principal,
            region=DEFAULT_REGION,
            id=str(uuid.uuid4()),
            peer="127.0.0.1",
        )
        return await self._handle(request)


async def _whole(answer: Answer) -> bytes:
    if isinstance(answer.body, bytes):
        raise refusal(answer)
    return b"".join([piece async for piece in answer.body])


def refusal(answer: Answer) -> S3Error:
    """The error that an answer carries."""
    body = answer.body if isinstance(answer.body, bytes) else b""
    root = xml.parse(body or b"<Error/>")
    code, message = xml.text_of(root, "Code"), xml.text_of(root, "Message")
    return S3Error(code or "InternalError", message or f"HTTP status {answer.status}", answer.status)


def _info(element: xml.Element) -> ObjectInfo:
    size, etag = int(xml.text_of(element, "Size") or 0), xml.text_of(element, "ETag").strip('"')
    return ObjectInfo(xml.text_of(element, "Key"), size, etag)
