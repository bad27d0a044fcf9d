"""Intents: what a write will start, on disk before the write, settled in one transaction after it."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple, Protocol

import orjson

from lambent.model.invocation import Invocation
from lambent.model.queue import Draft, MessageQueue
from lambent.objects.buckets import Bucket, bucket_of
from lambent.objects.notifications import Rule
from lambent.store.base import Store, Transaction

# The clock keeps the numbers growing even when the database was lost; the row keeps them growing when the
# clock goes back. It is one statement of the intent's own transaction, so it holds for many nodes as well.
_ALLOT = """INSERT INTO sequencers (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value =
    CASE WHEN sequencers.value >= excluded.value THEN sequencers.value + 1 ELSE excluded.value END
    RETURNING value"""
_RECORD = """INSERT INTO intents (intent_id, bucket, object_key, event, sequencer, created_at)
    VALUES (?, ?, ?, ?, ?, ?)"""
_REMAINING = "SELECT intent_id, object_key, event, sequencer, created_at FROM intents ORDER BY sequencer"
_DELETE = "DELETE FROM intents WHERE intent_id = ? RETURNING intent_id"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who writes, as the event tells it."""

    principal_id: str
    address: str
    request_id: str
    trace: str = ""  # X-Amzn-Trace-Id, which a function sends along


@dataclass(slots=True)
class Intent:
    """A write to a watched key. The bucket is as it was then, its rules only those that may want it."""

    id: str
    bucket: Bucket
    key: str
    event: str  # as expected: ObjectCreated:Put
    caller: Caller
    size: int | None = None  # of the object, where it is known before
    version_id: str = ""  # named by the request
    created_at: float = 0.0
    sequencer: int = 0


@dataclass(frozen=True, slots=True)
class Written:
    """What a write came to."""

    event: str
    size: int | None = None
    etag: str = ""
    version_id: str = ""


class Notice(NamedTuple):
    """A message for a queue."""

    queue: MessageQueue
    draft: Draft


Fired = Invocation | Notice


class Fire(Protocol):
    """Makes what a write that happened asks for; nothing for rules whose destination does not take it."""

    def __call__(self, intent: Intent, written: Written) -> Sequence[tuple[Rule, Fired]]: ...


class Mail(Protocol):
    """Takes messages to queues."""

    def put(self, tx: Transaction, queue: MessageQueue, draft: Draft) -> None: ...

    def announce(self, queue: MessageQueue) -> None: ...


class Queue(Protocol):
    def put(self, tx: Transaction, invocation: Invocation, event_key: str | None = None) -> bool: ...

    def announce(self, invocation: Invocation) -> None: ...


class Intents:
    """The intents of one store."""

    def __init__(self, store: Store, queue: Queue, mail: Mail, fire: Fire) -> None:
        self._store = store
        self._mail = mail
        self._queue = queue
        self._fire = fire

    async def record(self, intents: Sequence[Intent]) -> None:
        """On disk when this returns; gives each its time and its sequencer, in their order."""

        def work(tx: Transaction) -> list[int]:
            return [_record(tx, intent, now) for intent in intents]

        now = time.time()
        for intent, sequencer in zip(intents, await self._store.write(work), strict=True):
            intent.created_at, intent.sequencer = now, sequencer

    async def settle(self, outcomes: Sequence[tuple[Intent, Written | None]]) -> None:
        """Take the intents away and queue what they start, in one transaction; None: it did not happen."""
        fired = [
            (intent, rule, what)
            for intent, written in outcomes
            if written is not None
            for rule, what in self._fire(intent, written)
        ]

        def work(tx: Transaction) -> list[Fired]:
            there = {i.id for i, _ in outcomes if tx.execute(_DELETE, (i.id,))}
            return [
                what
                for intent, rule, what in fired
                if intent.id in there and self._put(tx, what, f"{intent.id}/{rule.id}")
            ]

        for what in await self._store.write(work):
            if isinstance(what, Notice):
                self._mail.announce(what.queue)
            else:
                self._queue.announce(what)

    def _put(self, tx: Transaction, what: Fired, event_key: str) -> bool:
        if isinstance(what, Notice):
            self._mail.put(tx, what.queue, what.draft)
            return True
        return self._queue.put(tx, what, event_key)

    def remaining(self) -> list[Intent]:
        """What an earlier node left, oldest first."""
        return [_intent(*row) for row in self._store.query(_REMAINING)]


def _record(tx: Transaction, intent: Intent, now: float) -> int:
    (allotted,) = tx.execute(_ALLOT, (intent.bucket.name, int(now * 1e6)))
    sequencer: int = allotted[0]
    event = {
        "event": intent.event,
        "bucket": asdict(intent.bucket),
        "caller": asdict(intent.caller),
        "size": intent.size,
        "version_id": intent.version_id,
    }
    row = (intent.id, intent.bucket.name, intent.key, orjson.dumps(event).decode(), sequencer, now)
    tx.execute(_RECORD, row)
    return sequencer


def _intent(id: str, key: str, event: str, sequencer: int, created_at: float) -> Intent:
    told = orjson.loads(event)
    return Intent(
        id=id,
        bucket=bucket_of(told["bucket"]),
        key=key,
        event=told["event"],
        caller=Caller(**told["caller"]),
        size=told["size"],
        version_id=told["version_id"],
        created_at=created_at,
        sequencer=sequencer,
    )
