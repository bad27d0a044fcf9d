"""What an ended asynchronous invocation tells others, in AWS's envelope, and to whom."""

import time
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import orjson

from lambent.invoke.retry import Done, End
from lambent.model.event_invoke import Terms
from lambent.model.invocation import Invocation, Outcome
from lambent.model.names import LATEST
from lambent.model.queue import MessageAttribute
from lambent.store.base import Transaction

ERROR_CHARACTERS = 1024  # of the error's message, in a dead letter


class Letter(NamedTuple):
    """What is to be told to the owner of an ARN: a queue, a function."""

    to: str
    body: bytes  # JSON text
    invocation: Invocation  # the one that ended
    attributes: tuple[MessageAttribute, ...] = ()


class Delivery(Protocol):
    """A letter whose receiver is known: it is put inside a transaction, and announced after its commit."""

    def put(self, tx: Transaction) -> None: ...

    def announce(self) -> None: ...


class Post(Protocol):
    """Takes letters to where they belong."""

    def address(self, letter: Letter) -> Delivery | None:
        """None when there is nobody of that ARN, or one that takes no letters; that is logged."""


def letters(invocation: Invocation, done: Done, outcome: Outcome | None, terms: Terms) -> Sequence[Letter]:
    """All that is to be told of this end: to a destination the whole story, in a dead letter the event."""
    if done.end is End.FUNCTION_GONE:
        return ()
    if done.end is End.SUCCESS:
        return (_story(terms.on_success, invocation, done, outcome),) if terms.on_success else ()
    found = []
    if terms.on_failure:
        found.append(_story(terms.on_failure, invocation, done, outcome))
    if terms.dead_letter:
        attributes = _dead_letter_attributes(invocation, done, outcome)
        found.append(Letter(terms.dead_letter, invocation.payload, invocation, attributes))
    return found


def _story(to: str, invocation: Invocation, done: Done, outcome: Outcome | None) -> Letter:
    key, qualifier = invocation.target
    story: dict[str, object] = {
        "version": "1.0",
        "timestamp": _stamp(time.time()),
        "requestContext": {
            "requestId": invocation.request_id,
            "functionArn": f"{key.arn}:{qualifier or LATEST}",
            "condition": done.end.value,
            "approximateInvokeCount": done.runs,
        },
        "requestPayload": _json(invocation.payload),
    }
    if outcome is not None:
        context: dict[str, object] = {"statusCode": 200, "executedVersion": outcome.version}
        if outcome.function_error is not None:
            context["functionError"] = outcome.function_error
        story |= {"responseContext": context, "responsePayload": _json(outcome.payload)}
    return Letter(to, orjson.dumps(story), invocation)


def _json(payload: bytes) -> object:
    """JSON text as it stands, so that no number in it changes; other text as a string."""
    try:
        orjson.loads(payload or b"null")
    except orjson.JSONDecodeError:
        return payload.decode(errors="replace")
    return orjson.Fragment(payload or b"null")


def _dead_letter_attributes(
    invocation: Invocation, done: Done, outcome: Outcome | None
) -> tuple[MessageAttribute, ...]:
    code, text = ("200", _error_message(outcome)) if outcome is not None else ("429", done.end.value)
    return (
        MessageAttribute("RequestID", "String", invocation.request_id),
        MessageAttribute("ErrorCode", "Number", code),
        MessageAttribute("ErrorMessage", "String", text[:ERROR_CHARACTERS] or done.end.value),
    )


def _error_message(outcome: Outcome) -> str:
    try:
        told = orjson.loads(outcome.payload)
        return str(told["errorMessage"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return outcome.payload.decode(errors="replace")


def _stamp(moment: float) -> str:
    milliseconds = int(moment * 1000) % 1000
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{milliseconds:03d}Z"
