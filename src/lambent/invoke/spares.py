"""Spares: instances in waiting, begun with their version's snapshot before anybody calls."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from lambent.invoke.instance import Instance
from lambent.invoke.template import Template
from lambent.model.errors import PlatformError
from lambent.model.function import Version
from lambent.model.limits import MIB
from lambent.sandbox.base import SandboxError

log = logging.getLogger(__name__)

SPARES = 8  # versions that have one, those that were used last
REST_S = 0.2  # after a start, which has the processor to itself
MAX_AGE_S = 3 * 3600.0  # then it is replaced: its credentials live for twelve hours

Key = tuple[str, str | None]
Make = Callable[[Version, Template], Awaitable[Instance]]


class Spares:
    """One for each version that may be called soon. `may_make` says whether there is memory for more."""

    def __init__(self, make: Make, may_make: Callable[[], bool]) -> None:
        self._make_one = make
        self._may_make = may_make
        self._expected: OrderedDict[Key, tuple[Version, Template]] = OrderedDict()
        self._waiting: dict[Key, Instance] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def taken_bytes(self) -> int:
        return sum(spare.own_mb() for spare in self._waiting.values()) * MIB

    def take(self, key: Key) -> Instance | None:
        """The one that waits, which is the caller's then."""
        return self._waiting.pop(key, None)

    def expect(self, key: Key, version: Version, template: Template) -> None:
        """Another instance of this version may be asked for: have a spare, in a while."""
        self._expected[key] = version, template
        self._expected.move_to_end(key)
        if len(self._expected) > SPARES:
            self.drop(next(iter(self._expected)))
        self._wake_in(REST_S)

    def drop(self, key: Key) -> None:
        """Nobody will ask for it."""
        self._expected.pop(key, None)
        if spare := self._waiting.pop(key, None):
            self._close(spare)

    def drop_one(self) -> bool:
        """The one that was not used for longest makes room; False when there is none."""
        key = next((key for key in self._expected if key in self._waiting), None)
        if key is not None:
            self.drop(key)
        return key is not None

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for key in list(self._expected):
            self.drop(key)
        while self._closing:
            await asyncio.wait(self._closing)

    def _wake_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if self._timer.when() < loop.time() + seconds:
                return
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self._wake)

    def _wake(self) -> None:
        self._timer = None
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        else:
            self._wake_in(REST_S)

    async def _work(self) -> None:
        """One after the other, the last expected first."""
        for key in reversed(list(self._expected)):
            spare = self._waiting.get(key)
            if spare is not None and time.monotonic() - spare.made_at > MAX_AGE_S:
                self._close(self._waiting.pop(key))
            if key not in self._waiting and key in self._expected and self._may_make():
                await self._make(key)
        self._wake_in(MAX_AGE_S)

    async def _make(self, key: Key) -> None:
        version, template = expected = self._expected[key]
        try:
            spare = await self._make_one(version, template)
        except (SandboxError, PlatformError, OSError) as error:  # whoever calls will be told
            log.info("%s has no instance in waiting: %s", version.arn, error)
            self._expected.pop(key, None)
            return
        if self._expected.get(key) == expected:
            self._waiting[key] = spare
        else:
            self._close(spare)

    def _close(self, spare: Instance) -> None:
        task = asyncio.create_task(self._close_quietly(spare))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close_quietly(self, spare: Instance) -> None:
        try:
            await spare.close()
        except SandboxError as error:
            log.warning("an instance in waiting could not be destroyed: %s", error)
