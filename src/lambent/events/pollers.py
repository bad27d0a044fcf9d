"""The pollers of a node: one for each mapping that is enabled."""

import asyncio

from lambent.events.mappings import Mappings
from lambent.events.poller import Poller, Sources
from lambent.model.mapping import EventSourceMapping
from lambent.model.names import FunctionKey
from lambent.model.queue import QueueKey

LONGEST_S = 900.0  # a batch runs no longer than a function may


class Pollers:
    """Follow the mappings: a change ends a poller, whose batches run on, and begins another."""

    def __init__(self, mappings: Mappings, sources: Sources) -> None:
        self._mappings = mappings
        self._sources = sources
        self._pollers: dict[str, Poller] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._open = False
        mappings.on_change(self._follow)
        sources.queues.on_change(self._wake)

    def start(self) -> None:
        self._open = True
        for mapping in self._mappings.all():
            self._follow(mapping)

    def wake(self, key: FunctionKey) -> None:
        """A function has come, changed or gone."""
        self._wake(key)

    def wake_all(self) -> None:
        """What roles may do has changed."""
        for poller in self._pollers.values():
            poller.wake()

    def _wake(self, key: FunctionKey | QueueKey) -> None:
        for poller in self._pollers.values():
            if key in poller.names:
                poller.wake()

    def _follow(self, mapping: EventSourceMapping) -> None:
        poller = self._pollers.get(mapping.uuid)
        if poller is not None and poller.mapping != mapping:
            del self._pollers[mapping.uuid]
            self._end(poller)
        if self._open and mapping.runs and mapping.uuid not in self._pollers:
            self._pollers[mapping.uuid] = Poller(mapping, self._sources)

    def _end(self, poller: Poller) -> None:
        task = asyncio.create_task(poller.close(grace_s=LONGEST_S))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self, grace_s: float) -> None:
        """What is cut off is received again when its time is over."""
        self._open = False
        pollers, self._pollers = list(self._pollers.values()), {}
        await asyncio.gather(*(poller.close(grace_s) for poller in pollers))
        for task in self._ending:
            task.cancel()
        await asyncio.gather(*self._ending, return_exceptions=True)
