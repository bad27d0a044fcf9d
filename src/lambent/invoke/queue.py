"""The durable queue of asynchronous invocations: accepted on disk, run at least once."""

import asyncio
import heapq
import logging
import time
from collections.abc import Awaitable, Callable

from lambent.invoke.retry import Again, Verdict, verdict_of_error, verdict_of_outcome
from lambent.model.errors import PlatformError, Unavailable
from lambent.model.invocation import Invocation, Outcome
from lambent.model.names import FunctionKey, Target
from lambent.store.base import Parameters, Store, Transaction

log = logging.getLogger(__name__)

RUNNING = 1000  # invocations that are taken from the queue at the same time
DEPTH = 1_000_000  # rows; more are refused
LATE_S = 0.001
WRITE_AGAIN_S = 1.0

PUT = """INSERT INTO queue (request_id, account, region, name, qualifier, payload, source, event_key, attempt,
    accepted_at, due_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING request_id"""
TAKE = """SELECT account, region, name, qualifier, payload, source, attempt, accepted_at FROM queue
    WHERE request_id = ?"""
AGAIN = "UPDATE queue SET attempt = ?, due_at = ? WHERE request_id = ?"
DONE = "DELETE FROM queue WHERE request_id = ?"


class Queue:
    """Holds what was accepted until it has run. `run` is the invoker's; its errors decide on a retry.

    Only ids and due times are kept in memory; the row is read when its turn comes and deleted when it has
    ended, so that a killed node finds everything that had not.
    """

    def __init__(self, store: Store, run: Callable[[Invocation], Awaitable[Outcome]]) -> None:
        self._store = store
        self._run = run
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
        row = (invocation.request_id, *where, invocation.payload, invocation.source, event_key, *when)
        return bool(tx.execute(PUT, row))

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
        account, region, name, qualifier, payload, source, attempt, accepted_at = rows[0]
        invocation = Invocation(
            request_id=request_id,
            target=Target(FunctionKey(account, region, name), qualifier),
            payload=payload,
            source=source,
            attempt=attempt,
            accepted_at=accepted_at,
        )
        try:
            verdict = verdict_of_outcome(invocation, await self._run(invocation))
        except PlatformError as error:
            self._refusals[request_id] = self._refusals.get(request_id, 0) + 1
            verdict = verdict_of_error(invocation, error, self._refusals[request_id])
        await self._settle(request_id, verdict)

    async def _settle(self, request_id: str, verdict: Verdict) -> None:
        if isinstance(verdict, Again):
            due_at = time.time() + verdict.delay_s
            await self._write(AGAIN, (verdict.attempt, due_at, request_id))
            heapq.heappush(self._waiting, (due_at, request_id))
        else:
            self._refusals.pop(request_id, None)
            await self._write(DONE, (request_id,))

    async def _write(self, sql: str, parameters: Parameters) -> None:
        """Write until it succeeds: a full disk must not make an ended run run again."""
        while True:
            try:
                await self._store.write(lambda tx: tx.execute(sql, parameters))
                return
            except Unavailable as error:
                log.error("the queue cannot be written, trying again: %s", error.message)
                await asyncio.sleep(WRITE_AGAIN_S)
