"""The Runtime API (2018-06-01), by which a runtime asks for events and answers them."""

import base64
import binascii
import re
from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple, Protocol

import orjson

from lambent.model.invocation import TooLong
from lambent.model.limits import RESPONSE_PAYLOAD_BYTES, STREAM_BYTES
from lambent.runtimes.http import JSON, Exchange, Headers
from lambent.runtimes.http_listener import Part

PREFIX = "/2018-06-01/runtime/"
NEXT = "invocation/next"
UNKNOWN = "Runtime.Unknown"  # when a runtime gives its error no type
TOO_LARGE = "Function.ResponseSizeTooLarge"
TRUNCATED = "Runtime.TruncatedResponse"
_PATHS = re.compile(
    r"(?P<plain>invocation/next|init/error)|invocation/(?P<id>[^/]+)/(?P<verb>response|error)"
)
_ERROR_TYPE = "lambda-runtime-function-error-type"
_ERROR_BODY = "lambda-runtime-function-error-body"
_MODE = "lambda-runtime-function-response-mode"


class State(Enum):
    """Where a runtime is on its way."""

    INIT = auto()
    IDLE = auto()  # it has asked for an event
    RUNNING = auto()  # it has one
    ANSWERING = auto()  # its answer is coming
    ANSWERED = auto()
    FAILED = auto()


# The state after a request; one that is not here is refused.
_AFTER = {
    (State.INIT, NEXT): State.IDLE,
    (State.IDLE, NEXT): State.IDLE,  # again, after it lost the connection on which it waited
    (State.ANSWERED, NEXT): State.IDLE,
    (State.INIT, "init/error"): State.FAILED,
    (State.RUNNING, "response"): State.ANSWERING,
    (State.RUNNING, "error"): State.ANSWERING,
}


class Sink(Protocol):
    """Takes an answer as it comes."""

    content_type: str

    def feed(self, data: bytes, hold: Callable[[], None], resume: Callable[[], None]) -> None:
        """Raises `TooLong`."""


class Call(NamedTuple):
    """An event for the runtime."""

    request_id: str
    payload: bytes
    headers: Headers  # beside that of the id
    sink: Sink | None = None  # of a caller who takes an answer as it comes


class Said(NamedTuple):
    """What a runtime gave in answer; an error has a type and a JSON object for a body."""

    body: bytes
    error_type: str | None = None


class Owner(Protocol):
    """Who is told of the runtime's progress."""

    def asked(self) -> None:
        """It wants an event: its init, or its last invocation, is over."""

    def answered(self, said: Said) -> None: ...

    def failed(self, said: Said) -> None:
        """Its init came to nothing."""


class RuntimeApi(Part):
    """The way of one runtime through its states."""

    def __init__(self, owner: Owner) -> None:
        self.state = State.INIT
        self._owner = owner
        self._request_id = ""  # of the event that it has
        self._call: Call | None = None  # that it has not got yet
        self._sink: Sink | None = None  # for the answer to the event that it has
        self._waiting: Exchange | None = None

    def give(self, call: Call) -> None:
        """An event, now or as soon as the runtime asks for one."""
        self._call = call
        self._hand_over()

    def opened(self, exchange: Exchange) -> None:
        operation = self._operation(exchange)
        if operation is None or not self._allowed(exchange, operation) or operation == NEXT:
            return
        self.state = _AFTER[self.state, operation]
        exchange.limit = RESPONSE_PAYLOAD_BYTES
        if self.state is State.ANSWERING:
            exchange.on_lost = self._half_answered
            if operation == "response" and self._sink and exchange.headers.get(_MODE) == "streaming":
                self._stream(exchange, self._sink)

    def complete(self, exchange: Exchange) -> None:
        if exchange.method == "GET":
            self._wait(exchange)
        elif self.state is State.FAILED:
            exchange.accept()
            self._owner.failed(_error(exchange))
        else:
            self.state = State.ANSWERED
            self._take_answer(exchange)

    def _operation(self, exchange: Exchange) -> str | None:
        """What is asked; None when it was refused."""
        found = _PATHS.fullmatch(exchange.path.removeprefix(PREFIX))
        if found is None:
            exchange.refuse(404, "NotFound", f"There is no {exchange.path[:100]}")
            return None
        operation = found["plain"] or found["verb"]
        if exchange.method != ("GET" if operation == NEXT else "POST"):
            exchange.refuse(405, "MethodNotAllowed", f"{exchange.method} does not go with {operation}")
            return None
        if found["id"] and found["id"] != self._request_id:
            exchange.refuse(400, "InvalidRequestID", "Invalid request ID")
            return None
        return operation

    def _allowed(self, exchange: Exchange, operation: str) -> bool:
        if (self.state, operation) in _AFTER and (operation != NEXT or self._waiting is None):
            return True
        message = f"State transition from {self.state.name} by {operation} is not allowed"
        exchange.refuse(403, "InvalidStateTransition", message)
        return False

    def _wait(self, exchange: Exchange) -> None:
        if not self._allowed(exchange, NEXT):  # another one was quicker
            return
        self._waiting = exchange
        exchange.on_lost = self._no_longer_waits
        before, self.state = self.state, State.IDLE
        if before is not State.IDLE:
            self._owner.asked()
        self._hand_over()

    def _hand_over(self) -> None:
        exchange, call = self._waiting, self._call
        if exchange is None or call is None:
            return
        self._waiting = self._call = None
        self._request_id, self._sink = call.request_id, call.sink
        self.state = State.RUNNING
        headers = [JSON, ("Lambda-Runtime-Aws-Request-Id", call.request_id), *call.headers]
        exchange.answer(200, call.payload, headers)

    def _stream(self, exchange: Exchange, sink: Sink) -> None:
        """Pass the body on as it comes."""
        sink.content_type = exchange.headers.get("content-type", "")
        exchange.on_lost = self._truncated

        def take(data: bytes) -> None:
            try:
                sink.feed(data, exchange.hold, exchange.go_on)
            except TooLong:
                self.state = State.ANSWERED
                self._refuse_size(exchange, STREAM_BYTES)

        exchange.sink = take

    def _refuse_size(self, exchange: Exchange, limit_bytes: int) -> None:
        limit = f"maximum allowed payload size ({limit_bytes} bytes)."
        exchange.refuse(413, "RequestEntityTooLarge", f"Exceeded {limit}")
        told = _described(TOO_LARGE, f"Response payload size exceeded {limit}")
        self._owner.answered(Said(told, TOO_LARGE))

    def _take_answer(self, exchange: Exchange) -> None:
        if exchange.too_large:
            self._refuse_size(exchange, RESPONSE_PAYLOAD_BYTES)
            return
        exchange.accept()
        failed = exchange.path.endswith("/error") or _ERROR_TYPE in exchange.headers
        self._owner.answered(_error(exchange) if failed else Said(bytes(exchange.body)))

    def _no_longer_waits(self) -> None:
        self._waiting = None

    def _half_answered(self) -> None:
        """It may try again."""
        self.state = State.RUNNING

    def _truncated(self) -> None:
        """What its caller has cannot be taken back."""
        self.state = State.ANSWERED
        told = _described(TRUNCATED, "The response stream was closed before its end.")
        self._owner.answered(Said(told, TRUNCATED))


def _error(exchange: Exchange) -> Said:
    """An error as the runtime describes it; what it leaves out is filled in."""
    body = bytes(exchange.body)
    error_type = exchange.headers.get(_ERROR_TYPE, UNKNOWN)
    if trailer := exchange.headers.get(_ERROR_BODY):  # of a stream that broke off
        try:
            body = base64.b64decode(trailer, validate=True)
        except binascii.Error:
            body = trailer.encode()
    try:
        described = orjson.loads(body)
    except orjson.JSONDecodeError:
        described = None
    if not isinstance(described, dict):
        return Said(_described(error_type, body.decode(errors="replace")), error_type)
    if isinstance(described.get("errorType"), str):
        return Said(body, described["errorType"])
    return Said(orjson.dumps({**described, "errorType": error_type}), error_type)


def _described(error_type: str, message: str) -> bytes:
    return orjson.dumps({"errorType": error_type, "errorMessage": message})
