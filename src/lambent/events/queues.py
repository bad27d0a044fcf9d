"""The message queues: their settings, in memory for every send and on disk for every change."""

import time
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import orjson

from lambent.model.errors import NotFound
from lambent.model.queue import MessageQueue, QueueKey
from lambent.store.base import Store, Transaction

_COLUMNS = {"id", "key", "created_at", "modified_at"}
_SETTINGS = [field.name for field in fields(MessageQueue) if field.name not in _COLUMNS]
_ADD = """INSERT INTO message_queues (account, region, name, settings, created_at, modified_at)
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id"""
_CHANGE = "UPDATE message_queues SET settings = ?, modified_at = ? WHERE id = ?"
_READ = "SELECT id, account, region, name, settings, created_at, modified_at FROM message_queues"

NO_QUEUE = "The specified queue does not exist."


class Queues:
    """Every queue of every account."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queues: dict[QueueKey, MessageQueue] = {}
        self._listeners: list[Callable[[QueueKey], None]] = []

    def load(self) -> None:
        for row in self._store.query(_READ):
            queue = _decode(row)
            self._queues[queue.key] = queue

    def on_change(self, listener: Callable[[QueueKey], None]) -> None:
        """Call `listener` when a queue was made or has gone."""
        self._listeners.append(listener)

    def find(self, key: QueueKey | None) -> MessageQueue | None:
        return self._queues.get(key) if key else None

    def get(self, key: QueueKey | None) -> MessageQueue:
        """Raises `NotFound` with SQS's words."""
        queue = self.find(key)
        if queue is None:
            raise NotFound(NO_QUEUE)
        return queue

    def listed(self, account: str, region: str, prefix: str = "", after: str = "") -> list[MessageQueue]:
        """By name, those behind `after`."""
        found = [
            queue
            for key, queue in self._queues.items()
            if (key.account, key.region) == (account, region) and key.name.startswith(prefix)
        ]
        return sorted((queue for queue in found if queue.key.name > after), key=lambda queue: queue.key.name)

    def sources_of(self, queue: MessageQueue) -> list[MessageQueue]:
        """The queues whose dead letters come here."""
        arn = queue.key.arn
        return sorted((q for q in self._queues.values() if q.dead_letter == arn), key=lambda q: q.key)

    async def create(self, key: QueueKey, settings: Mapping[str, Any]) -> MessageQueue:
        """The new queue, or the one of that name that is there already."""
        now = float(int(time.time()))
        made = MessageQueue(id=0, key=key, created_at=now, modified_at=now, **settings)
        rows = await self._store.write(lambda tx: tx.execute(_ADD, (*key, _encode(made), now, now)))
        if not rows:
            return self._queues.get(key) or self._refresh(key)
        queue = self._queues[key] = replace(made, id=rows[0][0])
        self._tell(key)
        return queue

    async def change(self, key: QueueKey, change: Callable[[MessageQueue], MessageQueue]) -> MessageQueue:
        """Replace the settings by `change` of them, a pure function. Raises `NotFound`."""
        now = float(int(time.time()))

        def work(tx: Transaction) -> MessageQueue:
            rows = tx.execute(f"{_READ} WHERE account = ? AND region = ? AND name = ?", key)
            if not rows:
                raise NotFound(NO_QUEUE)
            queue = replace(change(_decode(rows[0])), modified_at=now)
            tx.execute(_CHANGE, (_encode(queue), now, queue.id))
            return queue

        queue = self._queues[key] = await self._store.write(work)
        return queue

    async def delete(self, key: QueueKey) -> None:
        """Delete the queue with all that is in it. Raises `NotFound`."""
        queue = self.get(key)

        def work(tx: Transaction) -> None:
            tx.execute("DELETE FROM message_queues WHERE id = ?", (queue.id,))
            empty(tx, queue)

        await self._store.write(work)
        self._queues.pop(key, None)
        self._tell(key)

    async def purge(self, key: QueueKey) -> None:
        """Delete every message. Raises `NotFound`."""
        queue = self.get(key)
        await self._store.write(lambda tx: empty(tx, queue))

    def _refresh(self, key: QueueKey) -> MessageQueue:
        rows = self._store.query(f"{_READ} WHERE account = ? AND region = ? AND name = ?", key)
        if not rows:
            raise NotFound(NO_QUEUE)
        queue = self._queues[key] = _decode(rows[0])
        return queue

    def _tell(self, key: QueueKey) -> None:
        for listener in self._listeners:
            listener(key)


def empty(tx: Transaction, queue: MessageQueue) -> None:
    tx.execute("DELETE FROM messages WHERE queue = ?", (queue.id,))
    tx.execute("DELETE FROM deduplications WHERE queue = ?", (queue.id,))


def _encode(queue: MessageQueue) -> str:
    return orjson.dumps({name: getattr(queue, name) for name in _SETTINGS}).decode()


def _decode(row: Any) -> MessageQueue:
    id, account, region, name, settings, created_at, modified_at = row
    known = {name: value for name, value in orjson.loads(settings).items() if name in _SETTINGS}
    key = QueueKey(account, region, name)
    return MessageQueue(id=id, key=key, created_at=created_at, modified_at=modified_at, **known)
