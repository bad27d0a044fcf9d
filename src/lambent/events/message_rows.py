"""Messages as rows: SQL and JSON, each function a piece of work inside one transaction."""

import base64
import hashlib
import uuid
from collections.abc import Iterable
from typing import NamedTuple

import orjson

from lambent.model.queue import (
    DEDUPLICATION_S,
    RECEIVED_BYTES,
    Draft,
    Message,
    MessageAttribute,
    MessageQueue,
    Sent,
)
from lambent.store.base import Row, Transaction

_PUT = """INSERT INTO messages (queue, message_id, body, told, group_id, sent_at, visible_at)
    VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING sequence"""
_SEEN = """SELECT message_id, sequence FROM deduplications
    WHERE queue = ? AND deduplication_id = ? AND expires_at > ?"""
_REMEMBER = """INSERT INTO deduplications (queue, deduplication_id, message_id, sequence, expires_at)
    VALUES (?, ?, ?, ?, ?) ON CONFLICT (queue, deduplication_id) DO UPDATE SET
    message_id = excluded.message_id, sequence = excluded.sequence, expires_at = excluded.expires_at"""
_VISIBLE = """SELECT sequence, receives, length(CAST(body AS BLOB)) FROM messages
    WHERE queue = ? AND visible_at <= ? AND sent_at > ? ORDER BY visible_at LIMIT ?"""
# A group waits while one of it is being worked on, and behind one that is delayed.
_VISIBLE_IN_ORDER = """SELECT sequence, receives, length(CAST(body AS BLOB)) FROM messages m
    WHERE queue = ? AND visible_at <= ? AND sent_at > ? AND NOT EXISTS (
        SELECT 1 FROM messages b WHERE b.queue = m.queue AND b.group_id = m.group_id AND b.group_id <> ''
        AND b.visible_at > ? AND (b.receives > 0 OR b.sequence < m.sequence))
    ORDER BY sent_at, sequence LIMIT ?"""
_TAKE = """UPDATE messages SET visible_at = ?, receives = receives + 1,
    first_received_at = CASE WHEN receives = 0 THEN ? ELSE first_received_at END
    WHERE sequence = ? RETURNING sequence, message_id, body, told, group_id, sent_at, receives,
    first_received_at, came_from"""
_BURY = "UPDATE messages SET queue = ?, visible_at = ?, came_from = ? WHERE sequence = ?"
_DELETE = "DELETE FROM messages WHERE sequence = ? AND queue = ? AND message_id = ?"
_SHOW = """UPDATE messages SET visible_at = ? WHERE sequence = ? AND queue = ? AND message_id = ?
    AND receives = ? AND visible_at > ? RETURNING sequence"""


class Handle(NamedTuple):
    """What a receipt handle says: which message, and which time it was received."""

    queue: int
    sequence: int
    receives: int
    message_id: str

    def encode(self) -> str:
        text = f"{self.queue} {self.sequence} {self.receives} {self.message_id}"
        return base64.b64encode(text.encode()).decode()


def parse_handle(text: str) -> Handle | None:
    """None for what this platform never gave."""
    try:
        queue, sequence, receives, message_id = base64.b64decode(text, validate=True).decode().split(" ")
        return Handle(int(queue), int(sequence), int(receives), str(uuid.UUID(message_id)))
    except ValueError:  # wrong base64, text or numbers
        return None


def put(tx: Transaction, queue: MessageQueue, draft: Draft, now: float) -> tuple[Sent, bool]:
    """What the sender gets, and whether the message is a new one."""
    key = _deduplication(queue, draft)
    if key:
        tx.execute("DELETE FROM deduplications WHERE expires_at <= ?", (now,))
        if seen := tx.execute(_SEEN, (queue.id, key, now)):
            return Sent(*seen[0]), False
    message_id = str(uuid.uuid4())
    told = {
        "sender": draft.sender,
        "attributes": [tuple(attribute) for attribute in draft.attributes],
        "trace": draft.trace,
        "deduplication": key.rpartition("\0")[2] if key else draft.deduplication,
    }
    delay_s = queue.delay_s if draft.delay_s is None else draft.delay_s
    group = draft.group if queue.fifo else ""
    told |= {} if queue.fifo else {"group": draft.group}
    row = (queue.id, message_id, draft.body, orjson.dumps(told).decode(), group, now, now + delay_s)
    (sequence,) = tx.execute(_PUT, row)[0]
    if key:
        tx.execute(_REMEMBER, (queue.id, key, message_id, sequence, now + DEDUPLICATION_S))
    return Sent(message_id, sequence), True


def _deduplication(queue: MessageQueue, draft: Draft) -> str:
    if not queue.fifo:
        return ""
    key = draft.deduplication
    if not key and queue.content_deduplication:
        key = hashlib.sha256(draft.body.encode()).hexdigest()
    return f"{draft.group}\0{key}" if queue.deduplication_scope == "messageGroup" else key


class Wish(NamedTuple):
    """What a receiver wants: so many messages of so many bytes together, unseen by others for so long."""

    messages: int
    timeout_s: float
    room_bytes: int = RECEIVED_BYTES


def take(
    tx: Transaction, queue: MessageQueue, grave: MessageQueue | None, wish: Wish, now: float
) -> tuple[list[Message], int]:
    """Messages, at least one where there are any; and how many went to the `grave` instead.

    One that was received as often as the queue allows is a dead letter; without a grave it stays.
    """
    taken: list[Message] = []
    buried = 0
    room = wish.room_bytes
    while len(taken) < wish.messages:
        rows = _visible(tx, queue, wish.messages - len(taken), now)
        dead = [row[0] for row in rows if grave and row[1] >= queue.max_receives > 0]
        for sequence in dead:
            assert grave is not None
            tx.execute(_BURY, (grave.id, now, queue.key.arn, sequence))
        buried += len(dead)
        # A group goes on behind its dead letter with the next look, so that its order stays.
        for sequence, _, size in () if dead and queue.fifo else rows:
            if sequence in dead:
                continue
            if taken and size > room:
                return taken, buried
            room -= size
            row = tx.execute(_TAKE, (now + wish.timeout_s, now, sequence))[0]
            taken.append(_message(queue, row))
        if not dead:
            break
    return taken, buried


def _visible(tx: Transaction, queue: MessageQueue, count: int, now: float) -> list[Row]:
    oldest = now - queue.retention_s
    if queue.fifo:
        return tx.execute(_VISIBLE_IN_ORDER, (queue.id, now, oldest, now, count))
    return tx.execute(_VISIBLE, (queue.id, now, oldest, count))


def _message(queue: MessageQueue, row: Row) -> Message:
    sequence, message_id, body, text, group, sent_at, receives, first_received_at, came_from = row
    told = orjson.loads(text)
    return Message(
        message_id=message_id,
        handle=Handle(queue.id, sequence, receives, message_id).encode(),
        body=body,
        attributes=tuple(MessageAttribute(*attribute) for attribute in told["attributes"]),
        sender=told["sender"],
        sent_at=sent_at,
        receives=receives,
        first_received_at=first_received_at,
        sequence=sequence,
        trace=told["trace"],
        group=group or told.get("group", ""),
        deduplication=told["deduplication"],
        came_from=came_from,
    )


def discard(
    tx: Transaction, queue: MessageQueue, grave: MessageQueue | None, handles: Iterable[Handle], now: float
) -> None:
    """A dead letter at once, whatever its count; without a grave it is gone."""
    if grave is None:
        delete(tx, handles)
    else:
        rows = [(grave.id, now, queue.key.arn, handle.sequence) for handle in handles]
        tx.execute_many(_BURY, rows)


def delete(tx: Transaction, handles: Iterable[Handle]) -> None:
    """Gone for good; also by the handle of an earlier receive, since whoever had it has done the work."""
    tx.execute_many(_DELETE, [(handle.sequence, handle.queue, handle.message_id) for handle in handles])


def show(tx: Transaction, handle: Handle, visible_at: float, now: float) -> bool:
    """Seen again at that time; False when it is not being worked on under this handle."""
    where = (handle.sequence, handle.queue, handle.message_id, handle.receives)
    return bool(tx.execute(_SHOW, (visible_at, *where, now)))


def expire(tx: Transaction, queue: MessageQueue, now: float) -> None:
    tx.execute("DELETE FROM messages WHERE queue = ? AND sent_at <= ?", (queue.id, now - queue.retention_s))
