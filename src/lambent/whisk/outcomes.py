"""What the engine's outcomes mean in OpenWhisk's words."""

from typing import Any

import orjson

from lambent.model.invocation import TIMED_OUT, Outcome
from lambent.model.limits import INIT_TIMEOUT_S
from lambent.whisk.activation import Response, Status
from lambent.whisk.entities import Action

RESULT_BYTES = 1024 * 1024

EXITED = "The action did not produce a valid response and exited unexpectedly."
NOT_INITIALIZED = "The action did not initialize and exited unexpectedly."
EXHAUSTED = "The action exhausted its memory and was aborted."
TIMEOUT = "The action exceeded its time limits of {} milliseconds{}."
TOO_LARGE = (
    "The action produced a response that exceeded the allowed length: {} > {} bytes. "
    "The truncated response was: {}"
)
NO_JSON = "The action did not produce a valid JSON or JSON Array response: {}"
NO_DICTIONARY = "The action did not return a dictionary{}."


def response_of(action: Action, outcome: Outcome) -> Response:
    if outcome.ok:
        return _answered(action, outcome.payload)
    return Response.error(Status.DEVELOPER_ERROR, _failure(action, outcome))


def _answered(action: Action, payload: bytes) -> Response:
    if len(payload) > RESULT_BYTES:
        shown = payload[:RESULT_BYTES].decode(errors="replace")
        return Response.error(Status.APPLICATION_ERROR, TOO_LARGE.format(len(payload), RESULT_BYTES, shown))
    try:
        value = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return Response.error(Status.DEVELOPER_ERROR, NO_JSON.format(payload.decode(errors="replace")))
    if isinstance(value, dict):
        if "error" in value:  # what else is there is not kept
            return Response(Status.APPLICATION_ERROR, orjson.dumps({"error": value["error"]}))
        return Response(Status.SUCCESS, payload)
    if isinstance(value, list):
        return Response(Status.SUCCESS, payload)
    if value is None:
        return Response.error(Status.DEVELOPER_ERROR, NO_JSON.format("null"))
    also = "" if action.kind.startswith("nodejs") else " or array"
    return Response.error(Status.DEVELOPER_ERROR, NO_DICTIONARY.format(also))


def _failure(action: Action, outcome: Outcome) -> str:
    kind = outcome.run.error_type
    if kind == TIMED_OUT:
        in_init = (outcome.run.init_ms or 0) >= INIT_TIMEOUT_S * 1000
        return TIMEOUT.format(action.limits.timeout_ms, " during initialization" if in_init else "")
    message = _message(outcome.payload)
    if kind != "Runtime.ExitError":
        return message
    if "signal: killed" in message:
        return EXHAUSTED
    return NOT_INITIALIZED if message.startswith("RequestId:  ") else EXITED


def _message(payload: bytes) -> str:
    try:
        described: Any = orjson.loads(payload)
        return str(described["errorMessage"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return EXITED
