"""Readiness: what a first call would wait for is there before, from its deployment or the node's start."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from lambent.model.errors import PlatformError
from lambent.model.function import State, Version
from lambent.sandbox.base import SandboxError

log = logging.getLogger(__name__)

WAITING = 16  # versions that are looked at, the last deployed ones; others wait for their first call as ever


class Readiness:
    """Prepares one version after the other in the background; most find all there already."""

    def __init__(self, prepare: Callable[[Version | None], Awaitable[None]]) -> None:
        self._prepare = prepare
        self._waiting: deque[Version | None] = deque(maxlen=WAITING)
        self._task: asyncio.Task[None] | None = None

    def expect(self, versions: Iterable[Version]) -> None:
        """They may be called soon."""
        active = [version for version in versions if version.state is State.ACTIVE]
        active.sort(key=lambda version: version.last_modified)
        self._begin(active)

    def expect_a_first(self) -> None:
        """Nothing is deployed yet, and something will be."""
        self._begin([None])

    async def close(self) -> None:
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _begin(self, versions: Iterable[Version | None]) -> None:
        self._waiting.extend(versions)
        if self._waiting and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        while self._waiting:
            version = self._waiting.pop()
            try:
                await self._prepare(version)
            except (SandboxError, PlatformError, OSError) as error:  # its first call will tell
                log.info("%s is not made ready ahead: %s", version.arn if version else "nothing", error)
