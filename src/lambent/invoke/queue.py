"""The durable queue of asynchronous invocations: accepted on disk, run at least once."""

import asyncio
import heapq
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from lambent.invoke.destinations import Delivery, Post, letters
from lambent.invoke.lineage import extended
from lambent.invoke.retry import Again, Done, Verdict, verdict_of_error, verdict_of_outcome
from lambent.model.errors import PlatformError, RecursiveInvocation, Unavailable
from lambent.model.event_invoke import Terms
from lambent.model.invocation import Invocation, Outcome
from lambent.model.names import FunctionKey, Target
from lambent.store.base import Store, Transaction

log = logging.getLogger(__name__)

T = TypeVar("T")

RUNNING = 1000  # invocations that are taken from the queue at the same time
DEPTH = 1_000_000  # rows; more are refused
LATE_S = 0.001
WRITE_AGAIN_S = 1.0

PUT = """INSERT INTO queue (request_id, account, region, name, qualifier, payload, source, event_key, attempt,
    accepted_at, due_at, trace_id, tenant)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING request_id"""
TAKE = """SELECT account, region, name, qualifier, payload, source, attempt, accepted_at, trace_id, tenant
    FROM queue WHERE request_id = ?"""
AGAIN = "UPDATE queue SET attempt = ?, due_at = ? WHERE request_id = ?"
DONE = "DELETE FROM queue WHERE request_id = ? RETURNING request_id"


Run = Callable[[Invocation], Awaitable[Outcome]]
TermsOf = Callable[[Target], Terms]


class Queue:
    """Holds what was accepted until it has run. `run` is the invoker's; its errors decide on a retry.

    `terms` are the function's wishes for that; the `post` takes what is told when it has ended, without one
    nobody is told.

    Only ids and due times are kept in memory; the row is read when its turn comes and deleted when it has
    ended, so that a killed node finds everything that had not.
    """

    def __init__(
        self, store: Store, run: Run, terms: TermsOf = lambda target: Terms(), post: Post | None = None
    ) -> None:
        self._store = store
        self._run = run
        self._terms = terms
        self._post = post
        self._waiting: list[tuple[float, str]] = []  # heap of (due_at, request_id)
        self._refusals: dict[str, int] = {}  # request_id: how often the platform had no room for it
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._open = False

    @property
    def depth(self) -> int:
        """Invocations that wait or run."""
        return len(self._waiting) + len(self._tasks)

    async def start(self) -> None:
        """Take up what an earlier node left, and begin to run."""
        rows = self._store.query("SELECT due_at, request_id FROM queue")
        self._waiting = [(due_at, request_id) for due_at, request_id in rows]
        heapq.heapify(self._waiting)
        self._open = True
        self._dispatch()

    async def close(self, grace_s: float) -> None:
        """Take nothing more; wait `grace_s` for what runs. What is cut off runs again at the next start."""
        self._open = False
        if self._timer is not None:
            self._timer.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @staticmethod
    def put(tx: Transaction, invocation: Invocation, event_key: str | None = None) -> bool:
        """Write the row, inside the caller's transaction; `announce` after its commit.

        False when an invocation of the same `event_key` is in the queue already.
        """
        key = invocation.target.key
        where = (key.account, key.region, key.name, invocation.target.qualifier)
        when = (invocation.attempt, invocation.accepted_at, invocation.accepted_at)
        what = (invocation.payload, invocation.source, event_key)
        beside = (invocation.trace_id, invocation.tenant)
        return bool(tx.execute(PUT, (invocation.request_id, *where, *what, *when, *beside)))

    async def accept(self, invocation: Invocation) -> None:
        """Returns once the invocation is on disk. Raises `Unavailable` when the queue or the disk is full."""
        if self.depth >= DEPTH:
            raise Unavailable(f"The queue holds {self.depth} invocations, its limit. Try again later.")
        await self._store.write(lambda tx: self.put(tx, invocation))
        self.announce(invocation)

    def announce(self, invocation: Invocation) -> None:
        """Tell that the row is committed, so that its run can begin."""
        heapq.heappush(self._waiting, (invocation.accepted_at, invocation.request_id))
        self._dispatch()

    def _dispatch(self) -> None:
        now = time.time() + LATE_S
        while self._open and len(self._tasks) < RUNNING and self._waiting and self._waiting[0][0] <= now:
            _, request_id = heapq.heappop(self._waiting)
            task = asyncio.create_task(self._take(request_id))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        self._wake_at_next()

    def _wake_at_next(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._open and self._waiting and len(self._tasks) < RUNNING:
            delay_s = max(self._waiting[0][0] - time.time(), 0.0)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._dispatch)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("an invocation from the queue could not be settled", exc_info=error)
        self._dispatch()

    async def _take(self, request_id: str) -> None:
        rows = self._store.query(TAKE, (request_id,))
        if not rows:
            return
        account, region, name, qualifier, payload, source, attempt, accepted_at, trace_id, tenant = rows[0]
        invocation = Invocation(
            request_id=request_id,
            target=Target(FunctionKey(account, region, name), qualifier),
            payload=payload,
            source=source,
            attempt=attempt,
            accepted_at=accepted_at,
            trace_id=trace_id,
            tenant=tenant,
        )
        terms, outcome = self._terms(invocation.target), None
        verdict: Verdict
        try:
            invocation = self._traced(invocation, terms)
            outcome = await self._run(invocation)
            verdict = verdict_of_outcome(invocation, outcome, terms)
        except PlatformError as error:
            self._refusals[request_id] = self._refusals.get(request_id, 0) + 1
            verdict = verdict_of_error(invocation, error, self._refusals[request_id], terms)
        if isinstance(verdict, Again):
            await self._retry(request_id, verdict)
        else:
            await self._end(invocation, verdict, outcome, terms)

    @staticmethod
    def _traced(invocation: Invocation, terms: Terms) -> Invocation:
        """With this function in its lineage. Raises `RecursiveInvocation`."""
        trace_id = extended(invocation.trace_id, invocation.target.key, loops=terms.may_loop)
        if trace_id is None:
            raise RecursiveInvocation
        return invocation._replace(trace_id=trace_id)

    async def _retry(self, request_id: str, again: Again) -> None:
        due_at = time.time() + again.delay_s
        await self._write(lambda tx: tx.execute(AGAIN, (again.attempt, due_at, request_id)))
        heapq.heappush(self._waiting, (due_at, request_id))

    async def _end(self, invocation: Invocation, done: Done, outcome: Outcome | None, terms: Terms) -> None:
        """Delete the row and tell whom it concerns, in one transaction: neither is done without the other."""
        self._refusals.pop(invocation.request_id, None)
        told = letters(invocation, done, outcome, terms)
        deliveries = [d for letter in told if self._post and (d := self._post.address(letter))]

        def work(tx: Transaction) -> list[Delivery]:
            there = tx.execute(DONE, (invocation.request_id,))
            for delivery in deliveries if there else ():
                delivery.put(tx)
            return deliveries if there else []

        for delivery in await self._write(work):
            delivery.announce()

    async def _write(self, work: Callable[[Transaction], T]) -> T:
        """Write until it succeeds: a full disk must not make an ended run run again."""
        while True:
            try:
                return await self._store.write(work)
            except Unavailable as error:
                log.error("the queue cannot be written, trying again: %s", error.message)
                await asyncio.sleep(WRITE_AGAIN_S)
