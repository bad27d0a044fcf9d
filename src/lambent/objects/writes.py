"""The way of a write to a watched key: turn, intent, store, verdict, settled; none of it can be lost."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from lambent.model.errors import PlatformError
from lambent.objects.errors import unavailable
from lambent.objects.intents import Intent, Intents, Written
from lambent.objects.names import place_of
from lambent.objects.turns import Turns
from lambent.objects.upstream import Broken, Call, NotSent, Reply, Upstream
from lambent.objects.verdicts import Doubt, Outcome, Verdict, of_head

log = logging.getLogger(__name__)

T = TypeVar("T")

AGAIN_S = (0.1, 30.0)  # first and longest pause before a failed look or settlement is tried again
RECOVERY_S = 20.0  # how long a start waits for what an earlier node left


class _Passage:
    """One write. It enters (takes its turn, puts its intents on disk) just before the last bytes leave.

    Up to there it can be given up: the store keeps no part of a body. From there on it runs to its end,
    whether or not the client is still there.
    """

    def __init__(self, writes: "Writes", call: Call, body: AsyncIterator[bytes] | None) -> None:
        self._writes = writes
        self._call = call
        self._body = body
        self._held = AsyncExitStack()
        self.intents: Sequence[Intent] = ()
        self.entered = False
        self.reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.reply.add_done_callback(lambda reply: reply.cancelled() or reply.exception())

    async def run(self, intents: Sequence[Intent], verdict: Verdict) -> None:
        self.intents = intents
        try:
            async with self._held:
                try:
                    outcomes = await self._attempt(verdict)
                except Doubt:
                    outcomes = await self._writes.look(intents) if self.entered else []
                if self.entered:
                    await self._writes.settle(outcomes)
        except BaseException as error:
            self._refuse(error if isinstance(error, Exception) else unavailable("The node is stopping."))
            raise

    async def _attempt(self, verdict: Verdict) -> list[Outcome]:
        try:
            if self._body is None:
                await self._enter()
            reply = await self._writes.upstream.ask(self._call, self._feed())
        except NotSent as error:
            self._refuse(unavailable(f"The object store cannot be reached: {error}."))
            return [(intent, None) for intent in self.intents]
        except Broken as error:
            self._refuse(unavailable(f"The object store broke off: {error}."))
            raise Doubt from None
        except Exception as error:  # the client's: a wrong checksum, a connection that ended
            self._refuse(error)
            return [(intent, None) for intent in self.intents]
        if not self.reply.done():
            self.reply.set_result(reply)
        return verdict(reply, self.intents)

    def _refuse(self, error: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(error)

    async def _feed(self) -> AsyncIterator[bytes]:
        last = b""
        if self._body is not None:
            async for piece in self._body:
                if last:
                    yield last
                last = piece
            await self._enter()
        if last:
            yield last

    async def _enter(self) -> None:
        places = [place_of(self._call.bucket, intent.key) for intent in self.intents]
        await self._held.enter_async_context(self._writes.turns.at(places))
        self.entered = True
        try:
            await self._writes.intents.record(self.intents)
        except PlatformError:
            self.entered = False
            raise


class Writes:
    """The watched writes of this node."""

    def __init__(self, upstream: Upstream, intents: Intents) -> None:
        self.upstream = upstream
        self.intents = intents
        self.turns = Turns()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(
        self,
        call: Call,
        body: AsyncIterator[bytes] | None,
        intents: Sequence[Intent],
        verdict: Verdict,
    ) -> Reply:
        """The store's answer, given as soon as it is there; what follows goes on without the caller."""
        passage = _Passage(self, call, body)
        task = self._start(passage.run(intents, verdict))
        try:
            return await asyncio.shield(passage.reply)
        except asyncio.CancelledError:
            if not passage.entered:
                task.cancel()
            raise

    async def recover(self) -> None:
        """Settle what an earlier node left in doubt; what takes too long goes on in the background."""
        tasks = [self._start(self._recover(intent)) for intent in self.intents.remaining()]
        if tasks:
            await asyncio.wait(tasks, timeout=RECOVERY_S)

    async def _recover(self, intent: Intent) -> None:
        async with self.turns.at([place_of(intent.bucket.name, intent.key)]):
            await self.settle(await self.look([intent]))

    async def look(self, intents: Sequence[Intent]) -> list[Outcome]:
        """What came of writes in doubt, as far as the store shows it; asks until it answers."""
        return [(intent, await _insist(partial(self._look, intent))) for intent in intents]

    async def _look(self, intent: Intent) -> Written | None:
        query = {"versionId": intent.version_id} if intent.version_id else {}
        reply = await self.upstream.ask(
            Call(method="HEAD", bucket=intent.bucket.name, key=intent.key, query=query)
        )
        return of_head(reply, intent)

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Fire what happened, forget what did not; tries until it is on disk."""
        measured = [(intent, await self._measured(intent, written)) for intent, written in outcomes]
        await _insist(partial(self.intents.settle, measured))

    async def _measured(self, intent: Intent, written: Written | None) -> Written | None:
        """Copies and completed uploads are answered without the object's size, taggings without its ETag."""
        if written is None or not _lacks(written):
            return written
        seen = await _insist(partial(self._look, intent)) or written
        return replace(written, size=seen.size, etag=written.etag or seen.etag)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a write to a watched key is settled at the next start only", exc_info=error)

    async def settled(self, timeout_s: float) -> None:
        """Wait until every write that was answered has its events in the queue."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)

    async def close(self, grace_s: float) -> None:
        """Let what runs end; what is cut off is settled at the next start."""
        await self.settled(grace_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _lacks(written: Written) -> bool:
    created = written.event.startswith("ObjectCreated:")
    tagged = written.event.startswith("ObjectTagging:")
    return (created and written.size is None) or (tagged and not written.etag)


async def _insist(action: Callable[[], Awaitable[T]]) -> T:
    """Do it until it succeeds. What is left when the node stops, the next start does."""
    pause_s, longest_s = AGAIN_S
    while True:
        try:
            return await action()
        except (PlatformError, NotSent, Broken, Doubt) as error:
            log.warning("an event waits: %r; trying again in %.1f s", error, pause_s)
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, longest_s)
