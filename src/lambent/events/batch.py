"""A batch of messages on its way through a function: which it gets, and which it has dealt with."""

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from lambent.events.patterns import Pattern
from lambent.events.records import record
from lambent.model.invocation import Outcome
from lambent.model.queue import Message, MessageQueue

BODY = "body"


class Batch(NamedTuple):
    """What the function gets, and what it does not want."""

    wanted: list[Message]
    unwanted: list[Message]
    payload: bytes


def sort(messages: Sequence[Message], queue: MessageQueue, patterns: Sequence[Pattern]) -> Batch:
    """By a mapping's patterns, of which one must let a message through; without patterns all are wanted."""
    wanted, unwanted, records = [], [], []
    for message in messages:
        told = record(message, queue)
        if not patterns or any(_is_wanted(told, pattern) for pattern in patterns):
            wanted.append(message)
            records.append(told)
        else:
            unwanted.append(message)
    return Batch(wanted, unwanted, orjson.dumps({"Records": records}))


def _is_wanted(told: dict[str, object], pattern: Pattern) -> bool:
    """What a pattern says of the body decides how it is read: as JSON, or as the text that it is."""
    says = pattern.told.get(BODY)
    if says is None:
        return pattern.matches(told)
    parsed = _parsed(str(told[BODY]))
    if isinstance(says, dict):
        return parsed is not None and pattern.matches({**told, BODY: parsed})
    return parsed is None and pattern.matches(told)


def _parsed(body: str) -> object:
    """An object or an array; None for any other text."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return told if isinstance(told, dict | list) else None


def dealt_with(messages: Sequence[Message], outcome: Outcome, *, reports_failures: bool) -> list[Message]:
    """Those that can be deleted: all, or those that the function does not name as failed, or none."""
    if not outcome.ok:
        return []
    failed = _failures(outcome.payload) if reports_failures else set()
    if failed is None or not failed <= {message.message_id for message in messages}:
        return []
    return [message for message in messages if message.message_id not in failed]


def _failures(payload: bytes) -> set[str] | None:
    """The ids in `batchItemFailures`; None for an answer that AWS takes as the failure of the whole batch."""
    try:
        told = orjson.loads(payload or b"null")
    except orjson.JSONDecodeError:
        return None
    if not told:
        return set()
    if not isinstance(told, dict):
        return None
    failures = told.get("batchItemFailures")
    if not failures:
        return set()
    if not isinstance(failures, list):
        return None
    ids = [one.get("itemIdentifier") if isinstance(one, dict) else None for one in failures]
    return {str(one) for one in ids} if all(isinstance(one, str) and one for one in ids) else None
