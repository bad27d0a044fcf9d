"""The messages of every queue: sent once they are on disk, received by one at a time, kept until deleted."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from lambent.events import message_rows as rows
from lambent.events.arrivals import Arrivals
from lambent.events.message_rows import Handle, Wish, parse_handle
from lambent.events.queues import Queues
from lambent.model.queue import IN_FLIGHT, Draft, Message, MessageQueue, Sent, parse_queue_arn
from lambent.store.base import Store, Transaction

EXPIRE_EVERY_S = 60.0
FULL_EVERY_S = 1.0
LATE_S = 0.001  # a waiter that wakes too early would find nothing and wait anew

_NEXT = "SELECT min(visible_at) FROM messages WHERE queue = ? AND visible_at > ?"
_FULL = "SELECT 1 FROM messages WHERE queue = ? AND visible_at > ? AND receives > 0 LIMIT 1 OFFSET ?"
_COUNT = """SELECT coalesce(sum(visible_at <= ?), 0),
    coalesce(sum(visible_at > ? AND receives > 0), 0),
    coalesce(sum(visible_at > ? AND receives = 0), 0) FROM messages WHERE queue = ?"""


class Depth(NamedTuple):
    """How many messages a queue has: to be received, being worked on, delayed."""

    visible: int
    in_flight: int
    delayed: int


class Messages:
    """Send, receive, delete. A receiver waits for a notification or the next due time, never on a timer."""

    def __init__(self, store: Store, queues: Queues, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._queues = queues
        self._clock = clock
        self._arrivals = Arrivals()
        self._returns: set[asyncio.Task[list[bool]]] = set()
        self._expired_at: dict[int, float] = {}  # by queue: when its old messages were last looked for
        self._full: dict[int, tuple[float, bool]] = {}  # and whether too many were worked on, when looked for

    async def send(self, queue: MessageQueue, drafts: Sequence[Draft]) -> list[Sent]:
        """On disk when this returns, all of them or none. Raises `Unavailable` when the disk is full."""
        now = self._clock()
        sent = await self._store.write(lambda tx: [rows.put(tx, queue, draft, now) for draft in drafts])
        self.announce(queue, sum(new for _, new in sent))
        return [one for one, _ in sent]

    def put(self, tx: Transaction, queue: MessageQueue, draft: Draft) -> None:
        """Write a message inside the caller's transaction; `announce` after its commit."""
        rows.put(tx, queue, draft, self._clock())

    def announce(self, queue: MessageQueue, messages: int = 1) -> None:
        self._arrivals.tell(queue.id, messages)

    async def receive(self, queue: MessageQueue, wish: Wish, wait_s: float = 0.0) -> list[Message]:
        """What can be seen now; waits `wait_s` for the first."""
        deadline = self._clock() + wait_s
        while True:
            # Both from before the look, so that nothing that comes while it is under way is missed.
            asked, told = self._clock(), self._arrivals.told(queue.id)
            taken = [] if self.full(queue) else await self._taken(queue, wish)
            now = self._clock()
            current = self._queues.find(queue.key)
            if taken or now >= deadline or current is None or current.id != queue.id:
                return taken
            queue = current  # its settings may have changed in the meantime
            (due,) = self._store.query(_NEXT, (queue.id, asked))[0]
            until = deadline if due is None else min(deadline, due + LATE_S)
            if not await self._arrivals.wait(queue.id, told, max(until - now, 0.0)):
                return []

    async def _taken(self, queue: MessageQueue, wish: Wish) -> list[Message]:
        """As `_take`; what a receiver that goes away in the middle would have got is given back."""
        take = asyncio.create_task(self._take(queue, wish))
        try:
            return await asyncio.shield(take)
        except asyncio.CancelledError:
            take.add_done_callback(lambda done: self._untake(queue, done))
            raise

    def _untake(self, queue: MessageQueue, take: "asyncio.Task[list[Message]]") -> None:
        if not take.cancelled() and take.exception() is None:
            self.give_back(queue, take.result())

    def give_back(self, queue: MessageQueue, messages: Sequence[Message]) -> None:
        """Let messages that nobody works on be seen again, soon."""
        handles = [handle for message in messages if (handle := parse_handle(message.handle))]
        if handles:
            task = asyncio.create_task(self.show(queue, [(handle, 0.0) for handle in handles]))
            self._returns.add(task)
            task.add_done_callback(self._returns.discard)

    async def _take(self, queue: MessageQueue, wish: Wish) -> list[Message]:
        now = self._clock()
        grave = self._grave(queue)
        expire = now - self._expired_at.get(queue.id, 0.0) > EXPIRE_EVERY_S

        def work(tx: Transaction) -> tuple[list[Message], int]:
            if expire:
                rows.expire(tx, queue, now)
            return rows.take(tx, queue, grave, wish, now)

        if expire:
            self._expired_at[queue.id] = now
        taken, buried = await self._store.write(work)
        if grave is not None and buried:
            self.announce(grave, buried)
        return taken

    def _grave(self, queue: MessageQueue) -> MessageQueue | None:
        return self._queues.find(parse_queue_arn(queue.dead_letter)) if queue.dead_letter else None

    async def discard(self, queue: MessageQueue, handles: Sequence[Handle]) -> None:
        """Never to be received here again: dead letters, where the queue has a place for them."""
        now, grave = self._clock(), self._grave(queue)
        await self._store.write(lambda tx: rows.discard(tx, queue, grave, handles, now))
        self.announce(grave or queue, len(handles))

    async def delete(self, queue: MessageQueue, handles: Sequence[Handle]) -> None:
        await self._store.write(lambda tx: rows.delete(tx, handles))
        _, full = self._full.pop(queue.id, (0.0, False))
        if queue.fifo or full:  # the next of their groups can be received, or there is room
            self.announce(queue, len(handles))

    async def show(self, queue: MessageQueue, changes: Sequence[tuple[Handle, float]]) -> list[bool]:
        """Let messages be seen again in so many seconds; False for one that nobody works on."""
        now = self._clock()
        shown = await self._store.write(
            lambda tx: [rows.show(tx, handle, now + timeout_s, now) for handle, timeout_s in changes]
        )
        self.announce(queue, len(changes))
        return shown

    def full(self, queue: MessageQueue) -> bool:
        """Whether so many are being worked on that no more can be received; it may be a second late."""
        now = self._clock()
        looked_at, full = self._full.get(queue.id, (-FULL_EVERY_S, False))
        if now - looked_at >= FULL_EVERY_S:
            full = bool(self._store.query(_FULL, (queue.id, now, IN_FLIGHT - 1)))
            self._full[queue.id] = now, full
        return full

    def depth(self, queue: MessageQueue) -> Depth:
        now = self._clock()
        return Depth(*self._store.query(_COUNT, (now, now, now, queue.id))[0])

    @property
    def waiting(self) -> int:
        """Receivers that wait for a message."""
        return self._arrivals.waiting

    def gone(self, queue: MessageQueue) -> None:
        """The queue was deleted: whoever waits for it gets nothing."""
        self._arrivals.forget(queue.id)
        self._expired_at.pop(queue.id, None)
        self._full.pop(queue.id, None)

    @property
    def closed(self) -> bool:
        return self._arrivals.closed

    def close(self) -> None:
        """Whoever waits gets nothing."""
        self._arrivals.close()

    async def settled(self) -> None:
        """Wait for what is being given back."""
        await asyncio.gather(*self._returns, return_exceptions=True)
