"""Lambda's Invoke: the hot path, which goes past the codec."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol
from urllib.parse import parse_qsl, unquote

import orjson

from lambent.faces.aws_invoke_check import violations
from lambent.faces.aws_lambda_targets import MISMATCH
from lambent.faces.call import Call
from lambent.faces.http import BodyTooLarge, Request, Response
from lambent.invoke import lineage
from lambent.model.errors import (
    Conflict,
    Forbidden,
    InvalidContent,
    InvalidParameter,
    NotFound,
    PlatformError,
    RecursiveInvocation,
    SnapStartFailed,
    SnapStartNotReady,
    SnapStartTimeout,
    Throttled,
    TooLarge,
)
from lambent.model.function import Version
from lambent.model.identity import Principal, PrincipalKind
from lambent.model.invocation import Invocation, Outcome
from lambent.model.limits import ASYNC_PAYLOAD_BYTES, CLIENT_CONTEXT_BYTES, SYNC_PAYLOAD_BYTES
from lambent.model.names import FunctionKey, Target, parse_target
from lambent.model.tenancy import check_tenant

JSON = ("Content-Type", "application/json")
KIND = "x-amz-invocation-type"
THREAD_BYTES = 64 * 1024  # a longer event is parsed off the event loop

BAD_CONTEXT = "Client context must be a valid Base64-encoded JSON object."
LONG_CONTEXT = f"Client context must be no more than {CLIENT_CONTEXT_BYTES} bytes when base64-encoded."
DURABLE = "DurableExecutionName is not supported by Lambent: durable executions are not part of it."
NOT_JSON = "Could not parse request body into json: Could not parse payload into json: {}"

# Code, status, and under which key AWS's model has the message.
_ERRORS: Mapping[type[PlatformError], tuple[str, int, str]] = {
    NotFound: ("ResourceNotFoundException", 404, "Message"),
    Conflict: ("ResourceConflictException", 409, "message"),
    InvalidParameter: ("InvalidParameterValueException", 400, "message"),
    InvalidContent: ("InvalidRequestContentException", 400, "message"),
    RecursiveInvocation: ("RecursiveInvocationException", 400, "Message"),
    TooLarge: ("RequestEntityTooLargeException", 413, "message"),
    SnapStartNotReady: ("SnapStartNotReadyException", 409, "Message"),
    SnapStartFailed: ("SnapStartException", 400, "Message"),
    SnapStartTimeout: ("SnapStartTimeoutException", 408, "Message"),
    Throttled: ("TooManyRequestsException", 429, "message"),
    Forbidden: ("AccessDeniedException", 403, "Message"),
}
_UNAVAILABLE = ("ServiceException", 500, "Message")


class Invoker(Protocol):
    async def invoke(self, invocation: Invocation) -> Outcome: ...

    def resolve(self, target: Target) -> Version:
        """Raises `NotFound`, and `Conflict` for what cannot run now."""


class Others(Protocol):
    """What is called as functions are where no function has the name."""

    def has(self, target: Target) -> bool: ...

    async def invoke(self, invocation: Invocation) -> Outcome: ...


class Violation(InvalidParameter):
    """A header with a value that the model does not have; the model has the words for it."""

    def __init__(self, header: str) -> None:
        super().__init__(f"The value of {header} is not known.")


class InvokeFace:
    """Answers `POST /2015-03-31/functions/{name}/invocations`.

    `accept` puts an event into the queue. `allow` raises `Forbidden` for who may not call a function; an
    account's root, who may, is not asked about.
    """

    def __init__(
        self,
        invoker: Invoker,
        accept: Callable[[Invocation], Awaitable[None]],
        allow: Callable[[Call, Target], None],
        may_loop: Callable[[FunctionKey], bool] = lambda key: False,
        others: Others | None = None,
    ) -> None:
        self._may_loop = may_loop
        self._invoker = invoker
        self._accept = accept
        self._allow = allow
        self._others = others

    async def invoke(self, request: Request, principal: Principal, region: str) -> Response:
        kind = request.headers.get(KIND, "RequestResponse")
        try:
            target = self.target(request, principal, region)
            if kind == "RequestResponse":
                return await self._wait(request, target)
            if kind == "Event":
                return await self._queue(request, target)
            if kind == "DryRun":
                self._find(target)
                return Response(204)
            raise Violation(KIND)
        except PlatformError as error:
            return refusal(error, request)

    def target(self, request: Request, principal: Principal, region: str) -> Target:
        """What the path names, if the caller may invoke it. Raises `PlatformError`."""
        name = request.path.split("/")[3]
        if "%" in name:
            name = unquote(name)
        target = parse_target(name, principal.account, region)
        if target is None:
            raise NotFound(f"Function not found: arn:aws:lambda:{region}:{principal.account}:function:{name}")
        if request.query:
            target = _qualify(target, request.query)
        if "x-amz-durable-execution-name" in request.headers:
            raise InvalidParameter(DURABLE)
        key = target.key
        if key.region != region:
            raise NotFound(f"Functions from '{key.region}' are not reachable in this region ('{region}')")
        if principal.kind is not PrincipalKind.ROOT or key.account != principal.account:
            self._allow(
                Call(principal, region, principal.account, request.id, "lambda", peer=request.peer), target
            )
        return target

    async def _wait(self, request: Request, target: Target) -> Response:
        tail = wants_tail(request.headers)
        try:
            payload = await request.body.read(SYNC_PAYLOAD_BYTES)
        except BodyTooLarge:
            raise TooLarge(
                f"Request must be smaller than {SYNC_PAYLOAD_BYTES} bytes for the InvokeFunction operation"
            ) from None
        invocation = self.invocation(request, target, payload, tail)
        try:
            outcome = await self._invoker.invoke(invocation)
        except NotFound:
            if self._others is None or not self._others.has(target):
                raise
            await _check_json(invocation.payload)
            outcome = await self._others.invoke(invocation)
        answer = [
            JSON,
            ("X-Amz-Executed-Version", outcome.version),
            ("X-Amzn-Trace-Id", as_told(invocation.trace_id)),
        ]
        if outcome.function_error is not None:
            answer.append(("X-Amz-Function-Error", outcome.function_error))
        if tail:
            answer.append(("X-Amz-Log-Result", base64.b64encode(outcome.log_tail).decode()))
        return Response(200, answer, outcome.payload)

    def invocation(self, request: Request, target: Target, payload: bytes, tail: bool) -> Invocation:
        """A caller's request as an invocation. Raises `InvalidContent`, `RecursiveInvocation`."""
        headers = request.headers
        context = headers.get("x-amz-client-context")
        trace_id = headers.get("x-amzn-trace-id")
        return Invocation(
            request_id=request.id,
            target=target,
            payload=payload or b"{}",
            client_context=_client_context(context) if context else None,
            tenant=headers.get("x-amz-tenant-id"),
            trace_id=self._extended(trace_id, target) if trace_id else new_trace(request.id),
            wants_tail=tail,
            accepted_at=time.time(),
        )

    def _extended(self, trace_id: str, target: Target) -> str:
        """A caller that sends a trace may be a function. Raises `RecursiveInvocation`."""
        extended = lineage.extended(trace_id, target.key, loops=self._may_loop(target.key))
        if extended is None:
            raise RecursiveInvocation
        return extended

    async def _queue(self, request: Request, target: Target) -> Response:
        try:
            payload = await request.body.read(ASYNC_PAYLOAD_BYTES)
        except BodyTooLarge:
            length = request.body.length
            size = "The" if length is None else f"{length} byte"
            raise TooLarge(
                f"{size} payload is too large for the Event invocation type "
                f"(limit {ASYNC_PAYLOAD_BYTES} bytes)"
            ) from None
        wants_tail(request.headers)  # refuses what is none of its values
        tenant = request.headers.get("x-amz-tenant-id")
        accept: Callable[[Invocation], Awaitable[object]] = self._accept
        found = self._find(target)
        if isinstance(found, Version):
            check_tenant(found, tenant)
        else:
            accept = found.invoke
        if payload:
            await _check_json(payload)
        await accept(
            Invocation(
                request_id=request.id,
                target=target,
                payload=payload or b"{}",
                source="async",
                tenant=tenant,
                trace_id=request.headers.get("x-amzn-trace-id") or new_trace(request.id),
                accepted_at=time.time(),
            )
        )
        return Response(202)

    def _find(self, target: Target) -> "Version | Others":
        """What a call would run. Raises `NotFound`, `Conflict`."""
        try:
            return self._invoker.resolve(target)
        except NotFound:
            if self._others is None or not self._others.has(target):
                raise
            return self._others


def wants_tail(headers: Mapping[str, str]) -> bool:
    """Whether the caller wants the log's end. Raises `Violation`."""
    kind = headers.get("x-amz-log-type", "None")
    if kind not in ("None", "Tail"):
        raise Violation("x-amz-log-type")
    return kind == "Tail"


def new_trace(request_id: str) -> str:
    """A trace that is not sampled, from the random digits of the request's id."""
    first, last = request_id[:8], request_id[24:]
    return f"Root=1-{int(time.time()):08x}-{last}{first}{request_id[9:13]};Parent={last}{first[:4]};Sampled=0"


def as_told(trace_id: str) -> str:
    """The trace as Invoke's answer tells it, whose names begin with small letters."""
    small = trace_id.replace("Root=", "root=", 1).replace("Parent=", "parent=", 1)
    return small.replace("Sampled=", "sampled=", 1)


def refusal(error: PlatformError, request: Request | None = None) -> Response:
    """The platform's error in Lambda's form; what `request` breaks of the model is told of first."""
    broken = violations(request) if request and isinstance(error, NotFound | InvalidParameter) else None
    if broken is not None:
        return _answer(broken.code, broken.status, {"message": broken.message})
    code, status, key = _ERRORS.get(type(error), _UNAVAILABLE)
    body = {"Type": "Server" if status >= 500 else "User", key: error.message}
    if isinstance(error, Throttled):
        body = {"Reason": error.reason, **body}
    answer = _answer(code, status, body)
    if isinstance(error, Throttled):
        answer.headers.append(("Retry-After", str(error.retry_after_s)))
    return answer


def _answer(code: str, status: int, body: Mapping[str, str]) -> Response:
    headers = [JSON, ("x-amzn-ErrorType", code)]
    return Response(status, headers, orjson.dumps(body))


def _qualify(target: Target, query: str) -> Target:
    for name, value in parse_qsl(query):
        if name == "Qualifier" and value:
            if target.qualifier not in (None, value):
                raise InvalidParameter(MISMATCH)
            return Target(target.key, value)
    return target


def _client_context(encoded: str) -> str:
    if len(encoded) > CLIENT_CONTEXT_BYTES:
        raise InvalidContent(LONG_CONTEXT)
    try:
        text = base64.b64decode(encoded, validate=True)
        if not isinstance(orjson.loads(text), dict):
            raise InvalidContent(BAD_CONTEXT)
    except ValueError:  # neither Base64 nor JSON, or not even ASCII
        raise InvalidContent(BAD_CONTEXT) from None
    return text.decode()


async def _check_json(payload: bytes) -> None:
    try:
        if len(payload) > THREAD_BYTES:
            await asyncio.to_thread(orjson.loads, payload)
        else:
            orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise InvalidContent(NOT_JSON.format(error)) from None
