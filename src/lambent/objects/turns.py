"""Turns at a key: writes to one place follow each other, so that their order is known."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from lambent.objects.errors import slow_down

WAIT_S = 30.0


class Turns:
    """A lock for each place that somebody writes to, gone when nobody does."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._users: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._locks)

    @asynccontextmanager
    async def at(self, places: Iterable[str]) -> AsyncIterator[None]:
        """Hold all the places; in one order for everybody, so that nobody waits in a ring.

        Raises SlowDown when a turn does not come in time.
        """
        held: list[str] = []
        try:
            async with asyncio.timeout(WAIT_S):
                for place in sorted(set(places)):
                    await self._take(place)
                    held.append(place)
        except TimeoutError:
            self._give(held)
            raise slow_down(f"Other writes to this key did not end within {WAIT_S:.0f} s.") from None
        except BaseException:
            self._give(held)
            raise
        try:
            yield
        finally:
            self._give(held)

    async def _take(self, place: str) -> None:
        lock = self._locks.setdefault(place, asyncio.Lock())
        self._users[place] = self._users.get(place, 0) + 1
        try:
            await lock.acquire()
        except BaseException:
            self._leave(place)
            raise

    def _give(self, places: Iterable[str]) -> None:
        for place in places:
            self._locks[place].release()
            self._leave(place)

    def _leave(self, place: str) -> None:
        self._users[place] -= 1
        if not self._users[place]:
            del self._users[place], self._locks[place]
