"""A poller: takes batches out of one queue for one function, as many at a time as the function can do."""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from lambent.events.batch import Batch, dealt_with, sort
from lambent.events.message_rows import Handle, Wish, parse_handle
from lambent.events.messages import Messages
from lambent.events.patterns import Pattern
from lambent.events.queues import Queues
from lambent.invoke.lineage import extended, merged
from lambent.model.errors import NotFound, PlatformError
from lambent.model.invocation import Invocation, Outcome
from lambent.model.mapping import EventSourceMapping
from lambent.model.names import FunctionKey, Target
from lambent.model.queue import Message, MessageQueue, QueueKey, parse_queue_arn

log = logging.getLogger(__name__)

WAIT_S = 60.0  # a receive that nothing comes for begins anew
PAYLOAD_BYTES = 5 * 1024 * 1024  # of bodies in one event: the records around them fit into AWS's 6 MB as well
BEGIN_AT = 5  # batches at the same time, and how many more each second under load, as AWS has it
MORE_PER_S = 5.0
MOST = 1000
AT_ONCE = 100  # messages; more are made into an event off the loop
LOOK_S = 1.0  # how often a busy poller sees whether it may do more
PAUSE_S = (0.2, 5.0)  # first and longest, before what was throttled is tried again


@dataclass(frozen=True, slots=True)
class Sources:
    """What pollers work with."""

    queues: Queues
    messages: Messages
    invoke: Callable[[Invocation], Awaitable[Outcome]]
    may_poll: Callable[[Target, str], bool]  # the function is there, and its role may take from this queue
    may_loop: Callable[[FunctionKey], bool]


class Poller:
    """One mapping at work. What it takes and cannot finish is seen by others when its time is over."""

    def __init__(self, mapping: EventSourceMapping, sources: Sources) -> None:
        self.mapping = mapping
        self._sources = sources
        self._patterns = [Pattern(text) for text in mapping.filters]
        self._batches: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._busy_since = 0.0
        self._task = asyncio.create_task(self._poll())

    def wake(self) -> None:
        """A queue or a function has come or gone."""
        self._woken.set()

    @property
    def names(self) -> tuple[QueueKey | None, FunctionKey]:
        """What it is to be woken for."""
        return parse_queue_arn(self.mapping.source_arn), self.mapping.target.key

    async def close(self, grace_s: float) -> None:
        """Take nothing more, and wait for what runs."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._batches:
            await asyncio.wait(self._batches, timeout=grace_s)
        for batch in self._batches:
            batch.cancel()
        await asyncio.gather(*self._batches, return_exceptions=True)

    async def _poll(self) -> None:
        while not self._sources.messages.closed:
            try:
                queue = await self._queue()
                await self._slot()
                messages = await self._receive(queue)
            except Exception as error:  # such as a full disk
                log.error("mapping %s cannot receive", self.mapping.uuid, exc_info=error)
                await asyncio.sleep(PAUSE_S[1])
                continue
            if messages:
                batch = asyncio.create_task(self._process(queue, messages))
                self._batches.add(batch)
                batch.add_done_callback(self._ended)

    def _ended(self, batch: "asyncio.Task[None]") -> None:
        self._batches.discard(batch)
        if not batch.cancelled() and (error := batch.exception()):
            log.error("a batch of mapping %s was not settled", self.mapping.uuid, exc_info=error)

    async def _queue(self) -> MessageQueue:
        """The queue, once all is there: until then its messages are better left alone."""
        while True:
            self._woken.clear()
            queue = self._sources.queues.find(parse_queue_arn(self.mapping.source_arn))
            if queue is not None and self._sources.may_poll(self.mapping.target, queue.key.arn):
                return queue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), WAIT_S)

    async def _slot(self) -> None:
        """Until one more batch may run; how many may grows while there is more to do."""
        if not self._batches:
            self._busy_since = time.monotonic()
        while len(self._batches) >= self._slots():
            await asyncio.wait(self._batches, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)

    def _slots(self) -> int:
        grown = BEGIN_AT + int(MORE_PER_S * (time.monotonic() - self._busy_since))
        return min(grown, self.mapping.max_concurrency or MOST)

    async def _receive(self, queue: MessageQueue) -> list[Message]:
        """A batch: what is there, or with a window what comes until it is over or the batch is full."""
        mapping = self.mapping
        wish = Wish(mapping.batch_size, queue.visibility_timeout_s, PAYLOAD_BYTES)
        messages = await self._sources.messages.receive(queue, wish, WAIT_S)
        if mapping.window_s:
            try:
                await self._fill(queue, messages)
            except asyncio.CancelledError:
                self._sources.messages.give_back(queue, messages)
                raise
        return messages

    async def _fill(self, queue: MessageQueue, messages: list[Message]) -> None:
        mapping = self.mapping
        until = time.monotonic() + mapping.window_s
        room = PAYLOAD_BYTES - _size(messages)
        while messages and len(messages) < mapping.batch_size and room > 0:
            left_s = until - time.monotonic()
            if left_s <= 0:
                break
            wish = Wish(mapping.batch_size - len(messages), queue.visibility_timeout_s, room)
            more = await self._sources.messages.receive(queue, wish, left_s)
            messages += more
            room -= _size(more)

    async def _process(self, queue: MessageQueue, messages: list[Message]) -> None:
        looping = [message for message in messages if self._loops(message)]
        if looping:
            log.warning("mapping %s: %d messages are in a loop, dropped", self.mapping.uuid, len(looping))
            await self._sources.messages.discard(queue, _handles(looping))
            messages = [message for message in messages if not self._loops(message)]
        if len(messages) > AT_ONCE:
            batch = await asyncio.to_thread(sort, messages, queue, self._patterns)
        else:
            batch = sort(messages, queue, self._patterns)
        if batch.unwanted:  # what a filter does not let through is gone, at AWS too
            await self._delete(queue, batch.unwanted)
        if batch.wanted:
            outcome = await self._invoke(queue, batch)
            reports = self.mapping.reports_failures
            if outcome and (done := dealt_with(batch.wanted, outcome, reports_failures=reports)):
                await self._delete(queue, done)

    def _loops(self, message: Message) -> bool:
        key = self.mapping.target.key
        loops = self._sources.may_loop(key)
        return bool(message.trace) and extended(message.trace, key, loops=loops) is None

    async def _invoke(self, queue: MessageQueue, batch: Batch) -> Outcome | None:
        """None when the platform has no room for it before the messages are seen again."""
        target = self.mapping.target
        trace_id = extended(merged([message.trace for message in batch.wanted]), target.key, loops=True) or ""
        invocation = Invocation(
            request_id=str(uuid.uuid4()),
            target=target,
            payload=batch.payload,
            source="sqs",
            trace_id=trace_id,
            accepted_at=time.time(),
        )
        until = time.monotonic() + queue.visibility_timeout_s / 2
        pause_s, longest_s = PAUSE_S
        while True:
            try:
                return await self._sources.invoke(invocation)
            except NotFound:
                return None
            except PlatformError as error:
                if time.monotonic() + pause_s > until:
                    log.warning("mapping %s: a batch waits: %s", self.mapping.uuid, error.message)
                    return None
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, longest_s)

    async def _delete(self, queue: MessageQueue, messages: Sequence[Message]) -> None:
        """Until it succeeds, or the messages are seen by others anyway."""
        until = time.monotonic() + queue.visibility_timeout_s
        while True:
            try:
                await self._sources.messages.delete(queue, _handles(messages))
                return
            except PlatformError:
                if time.monotonic() > until:
                    raise
            await asyncio.sleep(PAUSE_S[0])


def _handles(messages: Sequence[Message]) -> list[Handle]:
    return [handle for message in messages if (handle := parse_handle(message.handle))]


def _size(messages: Sequence[Message]) -> int:
    return sum(len(message.body.encode()) for message in messages)
