"""Function URLs: HTTP requests of anybody's as events, handlers' answers as responses."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

import orjson

from lambent.faces import function_url_cors as cors
from lambent.faces import function_url_event as events
from lambent.faces.aws_invoke import THREAD_BYTES, new_trace, refusal
from lambent.faces.call import Call
from lambent.faces.errors import ServiceError
from lambent.faces.http import BodyTooLarge, Request, Response, Truncated
from lambent.faces.signature import Verifier
from lambent.faces.streamed import Invoker, Streamed, cut
from lambent.faces.verified import Verified
from lambent.model.errors import Forbidden, InvalidContent, PlatformError
from lambent.model.function_url import PUBLIC, STREAMED, FunctionUrl
from lambent.model.identity import ANONYMOUS
from lambent.model.invocation import Invocation
from lambent.model.limits import SYNC_PAYLOAD_BYTES
from lambent.model.names import Target

T = TypeVar("T")

DOMAIN = ".lambda-url."
PATHS = "/_lambent/url/"  # the same without a name: PATHS, the URL's id, the path
HEAD_BYTES = 64 * 1024  # of a streamed response, with which its status and headers come
BYTES = "application/octet-stream"
HTTP_RESPONSE = "application/vnd.awslambda.http-integration-response"
FORBIDDEN = (
    "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)
JSON = ("Content-Type", "application/json")


class Urls(Protocol):
    def find(self, url_id: str) -> FunctionUrl | None: ...


Allow = Callable[[Call, Target, str], None]  # raises `Forbidden` for who may not use a URL of this AuthType


class FunctionUrls:
    """Serves all of them, by the host of a request or by its path."""

    def __init__(self, urls: Urls, allow: Allow, verifier: Verifier, invoker: Invoker) -> None:
        self._urls = urls
        self._allow = allow
        self._verifier = verifier
        self._invoker = invoker

    async def by_host(self, request: Request) -> Response:
        url_id = request.headers["host"].partition(DOMAIN)[0].lower()
        return await self._answer(request, url_id, request.path)

    async def by_path(self, request: Request) -> Response:
        url_id, slash, path = request.path.removeprefix(PATHS).partition("/")
        return await self._answer(request, url_id, slash + path or "/")

    async def _answer(self, request: Request, url_id: str, path: str) -> Response:
        url = self._urls.find(url_id)
        if url is None:
            return Response(403, [JSON], b'{"Message":null}')
        if url.cors and cors.is_preflight(request):
            return cors.preflight(url.cors, request)
        response = await self._checked(request, url, path)
        if url.cors:
            response.headers = cors.add(url.cors, request, response.headers)
        return response

    async def _checked(self, request: Request, url: FunctionUrl, path: str) -> Response:
        try:
            verified = None if url.auth_type == PUBLIC else await self._verifier.verify(request)
        except ServiceError as error:
            return _refused(403, error.message)
        if not self._admits(request, url, verified):
            return _refused(403, FORBIDDEN)
        try:
            body = await request.body.read(SYNC_PAYLOAD_BYTES)
            invocation = await self._invocation(request, url, path, body, verified)
        except BodyTooLarge:
            return _refused(413, f"Request must be smaller than {SYNC_PAYLOAD_BYTES} bytes")
        try:
            respond = self._stream if url.invoke_mode == STREAMED else self._buffer
            return await respond(invocation)
        except InvalidContent:
            return _failed()
        except PlatformError as error:
            return refusal(error)
        except events.BadAnswer:
            return _failed()

    def _admits(self, request: Request, url: FunctionUrl, verified: Verified | None) -> bool:
        key, principal = url.key, verified.principal if verified else ANONYMOUS
        if url.auth_type != PUBLIC and (
            verified is None or (verified.service, verified.region) != ("lambda", key.region)
        ):
            return False
        call = Call(principal, key.region, key.account, request.id, "lambda", peer=request.peer)
        try:
            self._allow(call, url.target, url.auth_type)
        except Forbidden:
            return False
        return True

    async def _invocation(
        self, request: Request, url: FunctionUrl, path: str, body: bytes, verified: Verified | None
    ) -> Invocation:
        """Raises `BodyTooLarge` when the event is."""
        caller, access_key = (verified.principal, verified.access_key) if verified else (ANONYMOUS, "")
        trace = request.headers.get("x-amzn-trace-id") or new_trace(request.id)
        payload = await _apart(
            body, lambda: events.event(url, request, path, body, caller, access_key, trace)
        )
        if len(payload) > SYNC_PAYLOAD_BYTES:
            raise BodyTooLarge
        return Invocation(request.id, url.target, payload, trace_id=trace)

    async def _buffer(self, invocation: Invocation) -> Response:
        outcome = await self._invoker.invoke(invocation)
        if not outcome.ok:
            return _failed()
        response = await _apart(outcome.payload, lambda: events.response(outcome.payload))
        response.headers.append(("X-Amzn-Trace-Id", invocation.trace_id))
        return response

    async def _stream(self, invocation: Invocation) -> Response:
        run = Streamed(self._invoker, invocation)
        await run.begin()
        try:
            response = await _begun(run)
        except events.BadAnswer:
            await run.aclose()
            raise
        response.headers.append(("X-Amzn-Trace-Id", invocation.trace_id))
        return response


class Pieces:
    """A response's body as the handler sends it."""

    def __init__(self, run: Streamed, first: bytes) -> None:
        self._run = run
        self._first = first
        self.aclose = run.aclose

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._first:
            yield self._first
        async for piece in self._run.stream:
            yield piece
        outcome = await self._run.outcome()
        if not outcome.ok:
            raise Truncated
        for piece in cut(outcome.payload):
            yield piece


async def _begun(run: Streamed) -> Response:
    """The response that a stream begins. Raises `BadAnswer`."""
    if not await run.stream.begun():
        outcome = await run.outcome()
        if not outcome.ok:
            raise events.BadAnswer(outcome.run.error_type)
        return Response(200, [JSON], outcome.payload)
    if run.stream.content_type != HTTP_RESPONSE:
        kind = run.stream.content_type
        fits = kind and events.is_header(kind)
        return Response(200, [("Content-Type", kind if fits else BYTES)], Pieces(run, b""))
    told = b""
    async for piece in run.stream:
        told += piece
        if events.HEAD_END in told or len(told) > HEAD_BYTES:
            break
    told, end, rest = told.partition(events.HEAD_END)
    if not end:
        raise events.BadAnswer("a stream without the end of its head")
    try:
        response = events.head(orjson.loads(told))
    except orjson.JSONDecodeError:
        raise events.BadAnswer("the head of the stream is no JSON") from None
    response.body = Pieces(run, rest)
    return response


def address(url: FunctionUrl, base: str) -> str:
    """Where a URL is called, at a node that is reached at `base`; by its path where a name would not do."""
    parts = urlsplit(base)
    host = parts.hostname or "localhost"
    if host.endswith("localhost") or host.startswith("127.") or host == "::1":
        host = "localhost"
    elif host.replace(".", "").isdecimal() or ":" in host:
        return f"{base.rstrip('/')}{PATHS}{url.id}/"
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{url.id}{DOMAIN}{url.key.region}.{host}{port}/"


async def _apart(data: bytes, work: Callable[[], T]) -> T:
    """Large data is read and written off the event loop."""
    return await asyncio.to_thread(work) if len(data) > THREAD_BYTES else work()


def _refused(status: int, message: str) -> Response:
    return Response(status, [JSON], orjson.dumps({"Message": message}))


def _failed() -> Response:
    return Response(502, [JSON], b"Internal Server Error")
