"""Lambda's InvokeWithResponseStream: an answer as events, sent as they come."""

import base64
from collections.abc import AsyncIterator

import orjson

from lambent.faces import event_stream
from lambent.faces.aws_invoke import KIND, InvokeFace, Violation, as_told, refusal, wants_tail
from lambent.faces.http import BodyTooLarge, Request, Response
from lambent.faces.streamed import Invoker, Streamed, cut
from lambent.model.errors import PlatformError, TooLarge
from lambent.model.identity import Principal
from lambent.model.invocation import Outcome
from lambent.model.limits import SYNC_PAYLOAD_BYTES
from lambent.model.names import Target


class InvokeStreamFace:
    """Answers `POST /2021-11-15/functions/{name}/response-streaming-invocations`."""

    def __init__(self, invoker: Invoker, invokes: InvokeFace) -> None:
        self._invoker = invoker
        self._invokes = invokes

    async def invoke(self, request: Request, principal: Principal, region: str) -> Response:
        kind = request.headers.get(KIND, "RequestResponse")
        try:
            target = self._invokes.target(request, principal, region)
            if kind == "RequestResponse":
                return await self._stream(request, target)
            if kind == "DryRun":
                self._invoker.resolve(target)
                return Response(204)
            raise Violation(KIND)
        except PlatformError as error:
            return refusal(error, request)

    async def _stream(self, request: Request, target: Target) -> Response:
        tail = wants_tail(request.headers)
        try:
            payload = await request.body.read(SYNC_PAYLOAD_BYTES)
        except BodyTooLarge:
            raise TooLarge(
                f"Request must be smaller than {SYNC_PAYLOAD_BYTES} bytes for the "
                "InvokeWithResponseStream operation"
            ) from None
        invocation = self._invokes.invocation(request, target, payload, tail)
        run = Streamed(self._invoker, invocation)
        await run.begin()
        headers = [
            ("Content-Type", event_stream.CONTENT_TYPE),
            ("X-Amz-Executed-Version", run.stream.version),
            ("X-Amzn-Trace-Id", as_told(invocation.trace_id)),
        ]
        return Response(200, headers, Events(run, tail))


class Events:
    """PayloadChunk for each piece, then InvokeComplete."""

    def __init__(self, run: Streamed, wants_tail: bool) -> None:
        self._run = run
        self._wants_tail = wants_tail
        self.aclose = run.aclose

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._run.stream:
            yield _chunk(piece)
        outcome = await self._run.outcome()
        if outcome.ok:
            for piece in cut(outcome.payload):
                yield _chunk(piece)
        yield self._complete(outcome)

    def _complete(self, outcome: Outcome) -> bytes:
        told = {}
        if outcome.function_error is not None:
            told["ErrorCode"] = outcome.function_error
            told["ErrorDetails"] = outcome.payload.decode(errors="replace")
        if self._wants_tail:
            told["LogResult"] = base64.b64encode(outcome.log_tail).decode()
        return event_stream.event("InvokeComplete", "application/json", orjson.dumps(told))


def _chunk(piece: bytes) -> bytes:
    return event_stream.event("PayloadChunk", "application/octet-stream", piece)
