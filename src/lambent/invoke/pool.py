"""The pool: warm instances, and how many may start at the same time."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet

from lambent.invoke.instance import Instance
from lambent.invoke.line import Line, Place
from lambent.model.errors import InitFailed, SnapStartFailed, SnapStartTimeout, Throttled, Unavailable
from lambent.model.function import Version
from lambent.model.names import FunctionKey
from lambent.sandbox.base import SandboxError

log = logging.getLogger(__name__)

MAX_AGE_S = 6 * 3600.0  # an instance's credentials live for twelve hours
REAP_S = 5.0
FREEZE_S = 0.05  # so long nobody calls an instance before it is frozen
WAITING = 10_000  # invocations of one version that may wait for an instance
FEW = 2  # times the starting limit: as many instances serve a queue before it is looked at whether it moves
RELIEF = 4  # idle instances that make way for one that starts while memory is short
GROWTH_S = 3.0  # a queue that moves gets another instance so often; one that stood so long, as many as wait

INIT_FAILED, NO_ROOM = "FUNCTION_ERROR_INIT_FAILURE", "INSUFFICIENT_CAPACITY"  # of what is to be kept

Make = Callable[[Version, str | None, bool], Awaitable[Instance]]  # for a tenant; ahead of its calls


class Pool:
    """Lends instances. `make` builds one and runs its init.

    At most `starting_limit` inits run at once, shared fairly by the versions that wait: a burst of short
    calls is served by a few warm instances, one of long calls soon has an instance each. A freed instance
    goes to whoever waits, callers on the wire before the queue. Work from the queue can wait: as long as it
    moves, hundreds of instances would only stand in each other's way, at the processor and in the warehouse.
    Where `memory_is_short` says so, what is idle makes way for what starts, the oldest first; with nothing
    idle nothing more is started.
    """

    def __init__(
        self,
        make: Make,
        *,
        limit: int,
        starting_limit: int,
        idle_s: float,
        memory_is_short: Callable[[], bool] = lambda: False,
    ) -> None:
        self._make = make
        self._limit = limit
        self._starting_limit = starting_limit
        self._idle_s = idle_s
        self._memory_is_short = memory_is_short
        self._lines: dict[str, Line] = {}
        self._turn: deque[Line] = deque()  # those that wait for a start, in turn
        self._starting = 0
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._reaper: asyncio.Task[None] | None = None
        self._closed = False
        self._look_again: asyncio.TimerHandle | None = None
        self._awake: set[Line] = set()  # with instances that are idle and not frozen
        self._look_at_idle: asyncio.TimerHandle | None = None

    def instance(self, version: Version, tenant: str | None = None, *, urgent: bool = True) -> "Lease":
        """An instance of this version for this tenant, for the block that it guards.

        Entering raises `Throttled` or `Unavailable`.
        """
        key = version.identity if tenant is None else f"{version.identity} {tenant}"
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(key, version, tenant)
        return Lease(self, line, urgent)

    def keep(self, version: Version, count: int) -> None:
        """Have so many instances of a version there, from now on, whether they are called or not."""
        line = self._lines.get(version.identity)
        if line is None:
            if not count:
                return
            line = self._lines[version.identity] = Line(version.identity, version, None)
        line.kept, line.problem = count, ""
        self._refill(line)

    def kept(self, version: Version) -> tuple[int, str]:
        """How many of a version are there, and why there are not enough, if there is a reason."""
        line = self._lines.get(version.identity)
        return (line.there, line.problem) if line else (0, "")

    async def wait(self, line: Line, urgent: bool) -> Instance:
        """The instance that is free next, or that is made for it. Raises `Throttled`, `Unavailable`."""
        if self._closed:
            raise Unavailable("The node is stopping.")
        if line.waiting >= WAITING:
            raise Throttled("FunctionInvocationRateLimitExceeded")
        if not line.waiting:
            line.moved_at = time.monotonic()
        place: Place = asyncio.get_running_loop().create_future()
        (line.urgent if urgent else line.patient).append(place)
        self._turn.append(line)
        self._start_more()
        return await place

    def give_back(self, line: Line, instance: Instance) -> None:
        """What `wait` gave, or what was taken off the line's end, is free again."""
        now = line.moved_at = time.monotonic()
        line.busy -= 1
        if line.waiting or line.retired or self._closed or now - instance.made_at > MAX_AGE_S:
            self._place(line, instance)
        else:
            self._rest(line, instance, now)

    def start(self) -> None:
        self._reaper = asyncio.create_task(self._reap())

    async def close(self) -> None:
        """Destroy what is idle; call it when nothing runs any more."""
        self._closed = True
        if self._reaper is not None:
            self._reaper.cancel()
        if self._look_again is not None:
            self._look_again.cancel()
        if self._look_at_idle is not None:
            self._look_at_idle.cancel()
        for line in list(self._lines.values()):
            while place := line.next_place():
                place.set_exception(Unavailable("The node is stopping."))
            self._retire(line)
        while self._tasks:
            await asyncio.wait(self._tasks)

    def retire(self, key: FunctionKey, current: AbstractSet[str] = frozenset()) -> None:
        """The function changed: of what is not among the `current` identities, the idle go now and the busy
        when they come back."""
        for line in [line for line in self._lines.values() if line.version.key == key]:
            if line.version.identity not in current:
                self._retire(line)

    def census(self) -> dict[str, int]:
        """How many instances are idle, busy and starting."""
        lines = self._lines.values()
        busy, idle = sum(line.busy for line in lines), sum(len(line.idle) for line in lines)
        return {"idle": idle, "busy": busy, "starting": self._starting}

    def _start_more(self) -> None:
        """Give free starts to the versions that wait, each in its turn."""
        for _ in range(len(self._turn)):
            if self._starting >= self._starting_limit:
                return
            line = self._turn.popleft()
            if line.wanted <= line.starting:
                continue
            if not self._may_grow(line):
                self._turn.append(line)
                self._look_later()
                continue
            if not self._has_room():
                self._refuse(line)
                continue
            ahead = line.kept > line.there + line.starting
            self._starting += 1
            self._count += 1
            line.starting += 1
            self._spawn(self._start(line, ahead))

    def _refill(self, line: Line) -> None:
        self._turn.extend([line] * max(0, line.wanted - line.starting))
        self._start_more()

    def _has_room(self) -> bool:
        """Whether one more may start; what is idle makes way."""
        if self._count >= self._limit and not self._evict():
            return False
        return not self._memory_is_short() or sum(self._evict() for _ in range(RELIEF)) > 0

    def _may_grow(self, line: Line) -> bool:
        """Whether who waits in the line shall have one more instance, or can wait for those there are."""
        if line.urgent or line.kept > line.there or line.busy + line.starting < FEW * self._starting_limit:
            return True
        now = time.monotonic()
        if now - line.moved_at < GROWTH_S and now - line.grown_at < GROWTH_S:
            return False
        line.grown_at = now
        return True

    def _look_later(self) -> None:
        if self._look_again is None:
            self._look_again = asyncio.get_running_loop().call_later(GROWTH_S, self._looked)

    def _looked(self) -> None:
        self._look_again = None
        self._start_more()

    async def _start(self, line: Line, ahead: bool) -> None:
        try:
            instance = await self._make(line.version, line.tenant, ahead)
        except Exception as error:
            self._count -= 1
            self._fail_one(line, error)
            if ahead:
                line.kept, line.problem = 0, str(error)
        else:
            if ahead and instance.is_broken:
                line.kept, line.problem = 0, INIT_FAILED
            self._place(line, instance)
        finally:
            line.starting -= 1
            self._starting -= 1
            self._start_more()

    def _place(self, line: Line, instance: Instance) -> None:
        """Where an instance goes that nobody has."""
        if self._closed or time.monotonic() - instance.made_at > MAX_AGE_S:
            self._destroy(instance)
            self._refill(line)
        elif place := line.next_place():
            line.busy += 1
            place.set_result(instance)
        elif line.retired:
            self._destroy(instance)
        else:
            self._rest(line, instance, time.monotonic())

    def _rest(self, line: Line, instance: Instance, now: float) -> None:
        """Nobody wants it now; it is frozen soon."""
        line.idle.append((now, instance))
        if line not in self._awake:
            self._awake.add(line)
            if self._look_at_idle is None:
                self._look_at_idle = asyncio.get_running_loop().call_later(FREEZE_S, self._freeze)

    def _freeze(self) -> None:
        """One timer for all calls, and none while nothing is to be frozen."""
        limit = time.monotonic() - FREEZE_S
        for line in list(self._awake):
            if line.freeze(limit):
                self._awake.discard(line)
        later = asyncio.get_running_loop().call_later
        self._look_at_idle = later(FREEZE_S, self._freeze) if self._awake else None

    def _fail_one(self, line: Line, error: Exception) -> None:
        """One who waits hears that the start failed; a start is made for each of them in turn."""
        known = isinstance(error, SnapStartFailed | SnapStartTimeout)
        if not known and not isinstance(error, SandboxError | Unavailable | InitFailed):
            log.error("an instance of %s could not be made", line.version.arn, exc_info=error)
        if place := line.next_place():
            place.set_exception(error if known else Unavailable(f"No instance could be made: {error}"))

    def _refuse(self, line: Line) -> None:
        """No room on this machine: who cannot be served by an instance that is busy now must come again."""
        if line.busy or line.starting:
            return
        if line.kept:
            line.problem = NO_ROOM
        if place := line.next_place():
            place.set_exception(Throttled("ConcurrentInvocationLimitExceeded"))

    def _evict(self) -> bool:
        """Destroy the instance that has been idle for longest, for the sake of another one."""
        lines = [line for line in self._lines.values() if line.idle and line.there > line.kept]
        if not lines:
            return False
        oldest = min(lines, key=lambda line: line.idle[0][0])
        self._destroy(oldest.idle.pop(0)[1])
        return True

    def _retire(self, line: Line) -> None:
        line.retired, line.kept = True, 0
        idle, line.idle = line.idle, []
        for _, instance in idle:
            self._destroy(instance)
        if line.is_empty:
            self._lines.pop(line.key, None)

    def _destroy(self, instance: Instance) -> None:
        self._count -= 1
        self._spawn(self._close_quietly(instance))

    async def _close_quietly(self, instance: Instance) -> None:
        try:
            await instance.close()
        except SandboxError as error:
            log.warning("an instance could not be destroyed: %s", error)

    async def _reap(self) -> None:
        """Destroy what nobody has used for `idle_s`, and forget versions without instances."""
        while True:
            await asyncio.sleep(min(REAP_S, self._idle_s))
            for line in list(self._lines.values()):
                self._reap_line(line, time.monotonic())

    def _reap_line(self, line: Line, now: float) -> None:
        while line.idle and line.idle[0][0] < now - self._idle_s and line.there > line.kept:
            self._destroy(line.idle.pop(0)[1])
        if line.kept:
            for since, instance in [one for one in line.idle if now - one[1].made_at > MAX_AGE_S]:
                line.idle.remove((since, instance))
                self._destroy(instance)
            self._refill(line)
        if line.is_empty:
            self._lines.pop(line.key, None)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Lease:
    """The loan of an instance, for the time of a block."""

    __slots__ = ("_instance", "_line", "_pool", "_urgent")

    def __init__(self, pool: Pool, line: Line, urgent: bool) -> None:
        self._pool = pool
        self._line = line
        self._urgent = urgent

    async def __aenter__(self) -> Instance:
        line = self._line
        if line.idle:
            line.busy += 1
            self._instance = line.idle.pop()[1]
        else:
            self._instance = await self._pool.wait(line, self._urgent)
        return self._instance

    async def __aexit__(self, *_: object) -> None:
        self._pool.give_back(self._line, self._instance)
