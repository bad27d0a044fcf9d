"""The pool lends each instance to one caller at a time, starts few at once and forgets nobody."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from lambent.invoke.instance import Instance
from lambent.invoke.pool import FREEZE_S, Pool
from lambent.model.errors import Throttled, Unavailable
from lambent.model.function import Code, State, Version
from lambent.model.names import FunctionKey
from lambent.sandbox.base import SandboxError

VERSION = Version(
    key=FunctionKey("000000000000", "us-east-1", "f"),
    code=Code("d", 1, "s"),
    runtime="python3.11",
    handler="h.f",
    role="arn:aws:iam::000000000000:role/r",
    state=State.ACTIVE,
    last_modified="1",
)
OTHER = dataclasses.replace(VERSION, key=FunctionKey("000000000000", "us-east-1", "g"))


class Plain:
    """Stands where an instance stands: the pool only asks its age, freezes and closes it."""

    def __init__(self, version: Version, tenant: str | None) -> None:
        self.version, self.tenant = version, tenant
        self.made_at = asyncio.get_running_loop().time()
        self.closed = self.frozen = self.is_broken = False

    def freeze(self) -> None:
        self.frozen = True

    async def close(self) -> None:
        self.closed = True


class Workshop:
    """Makes instances when the test lets it, and counts how many it makes at once."""

    def __init__(self) -> None:
        self.made: list[Plain] = []
        self.making = 0
        self.most = 0
        self.takes_s = 0.0
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.breaks = False

    async def __call__(self, version: Version, tenant: str | None, ahead: bool) -> Instance:
        self.making += 1
        self.most = max(self.most, self.making)
        await self.gate.wait()
        await asyncio.sleep(self.takes_s)
        self.making -= 1
        if self.error:
            raise self.error
        self.made.append(Plain(version, tenant))
        self.made[-1].is_broken = self.breaks
        return cast(Instance, self.made[-1])


@pytest.fixture
async def shop() -> Workshop:
    return Workshop()


@pytest.fixture
async def pool_of(shop: Workshop) -> AsyncIterator[Callable[..., Pool]]:
    pools: list[Pool] = []

    def build(**settings: Any) -> Pool:
        pools.append(Pool(shop, **({"limit": 100, "starting_limit": 4, "idle_s": 600.0} | settings)))
        return pools[-1]

    yield build
    for pool in pools:
        await pool.close()
    assert all(made.closed for made in shop.made)


async def test_a_returned_instance_is_used_again(shop: Workshop, pool_of: Callable[..., Pool]) -> None:
    pool = pool_of()
    for _ in range(3):
        async with pool.instance(VERSION):
            pass
    assert len(shop.made) == 1


async def test_concurrent_calls_get_instances_of_their_own(
    shop: Workshop, pool_of: Callable[..., Pool]
) -> None:
    pool, held, all_in = pool_of(), set(), asyncio.Event()

    async def call() -> None:
        async with pool.instance(VERSION) as instance:
            held.add(id(instance))
            if len(held) == 20:
                all_in.set()
            await all_in.wait()

    await asyncio.wait_for(asyncio.gather(*(call() for _ in range(20))), 10)
    assert len(shop.made) == 20
    assert shop.most <= 4


async def test_a_queue_that_moves_grows_slowly(shop: Workshop, pool_of: Callable[..., Pool]) -> None:
    """Calls longer than a start take: without patience each would get an instance of its own."""
    pool = pool_of()

    async def call() -> None:
        async with pool.instance(VERSION, urgent=False):
            await asyncio.sleep(0.02)

    await asyncio.wait_for(asyncio.gather(*(call() for _ in range(200))), 10)
    assert 8 <= len(shop.made) <= 10


async def test_a_queue_that_stands_gets_an_instance_for_each(
    shop: Workshop, pool_of: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambent.invoke.pool.GROWTH_S", 0.05)
    pool, all_in, inside = pool_of(), asyncio.Event(), 0

    async def call() -> None:
        nonlocal inside
        async with pool.instance(VERSION, urgent=False):
            inside += 1
            if inside == 40:
                all_in.set()
            await all_in.wait()

    await asyncio.wait_for(asyncio.gather(*(call() for _ in range(40))), 10)
    assert len(shop.made) == 40


async def test_callers_on_the_wire_need_not_be_patient(
    shop: Workshop, pool_of: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambent.invoke.pool.GROWTH_S", 0.2)
    pool, held = pool_of(), asyncio.Event()

    async def call(urgent: bool) -> None:
        async with pool.instance(VERSION, urgent=urgent):
            await held.wait()

    queued = [asyncio.create_task(call(False)) for _ in range(20)]
    called = [asyncio.create_task(call(True)) for _ in range(20)]
    async with asyncio.timeout(10):
        while pool.census()["busy"] < 40:
            await asyncio.sleep(0)
    held.set()
    await asyncio.gather(*queued, *called)


async def test_a_burst_of_short_calls_is_served_by_few(shop: Workshop, pool_of: Callable[..., Pool]) -> None:
    pool = pool_of()
    shop.takes_s = 0.05

    async def call() -> None:
        async with pool.instance(VERSION, urgent=False):
            await asyncio.sleep(0)

    await asyncio.gather(*(call() for _ in range(365)))
    assert len(shop.made) <= 8


async def test_versions_and_tenants_never_share(shop: Workshop, pool_of: Callable[..., Pool]) -> None:
    pool = pool_of()
    newer = dataclasses.replace(VERSION, last_modified="2")
    for version, tenant in ((VERSION, None), (VERSION, "a"), (VERSION, "b"), (newer, None), (OTHER, None)):
        async with pool.instance(version, tenant) as instance:
            assert (instance.version, cast(Plain, instance).tenant) == (version, tenant)
    assert len(shop.made) == 5


async def test_a_changed_function_loses_its_instances(shop: Workshop, pool_of: Callable[..., Pool]) -> None:
    pool = pool_of()
    async with pool.instance(VERSION):
        async with pool.instance(VERSION):
            pass
        pool.retire(VERSION.key)
        await asyncio.sleep(0.01)
        assert [made.closed for made in shop.made].count(True) == 1
    await asyncio.sleep(0.01)
    assert all(made.closed for made in shop.made)


async def test_who_waits_for_a_retired_version_is_still_served(
    shop: Workshop, pool_of: Callable[..., Pool]
) -> None:
    pool = pool_of(starting_limit=1)
    shop.gate.clear()

    async def call() -> None:
        async with pool.instance(VERSION):
            pass

    calls = [asyncio.create_task(call()) for _ in range(5)]
    await asyncio.sleep(0)
    pool.retire(VERSION.key)
    shop.gate.set()
    await asyncio.wait_for(asyncio.gather(*calls), 10)


async def test_the_wire_goes_before_the_queue(shop: Workshop, pool_of: Callable[..., Pool]) -> None:
    pool, order = pool_of(limit=1), []

    async def call(name: str, urgent: bool) -> None:
        async with pool.instance(VERSION, urgent=urgent):
            order.append(name)

    shop.gate.clear()
    calls = [asyncio.create_task(call(name, name == "wire")) for name in ("first", "queue", "wire")]
    await asyncio.sleep(0.01)
    shop.gate.set()
    await asyncio.wait_for(asyncio.gather(*calls), 10)
    assert order == ["wire", "first", "queue"]
    assert len(shop.made) == 1


async def test_a_full_machine_gives_up_an_idle_stranger_before_it_refuses(
    shop: Workshop, pool_of: Callable[..., Pool]
) -> None:
    pool = pool_of(limit=1)
    async with pool.instance(VERSION):
        pass
    async with pool.instance(OTHER):
        assert shop.made[0].version == VERSION
        with pytest.raises(Throttled):
            async with pool.instance(VERSION):
                pass


async def test_what_is_idle_makes_way_when_memory_is_short(
    shop: Workshop, pool_of: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambent.invoke.pool.RELIEF", 2)
    short: list[bool] = []
    pool = pool_of(memory_is_short=lambda: bool(short))
    for tenant in ("first", "second", "third"):
        async with pool.instance(VERSION, tenant):
            pass
    short.append(True)
    async with pool.instance(OTHER):
        assert [made.closed for made in shop.made] == [True, True, False, False]
        async with pool.instance(VERSION, "third"):  # who is there costs nothing
            assert len(shop.made) == 4
    async with pool.instance(VERSION, "first"):
        assert sum(made.closed for made in shop.made) == 4
        with pytest.raises(Throttled):  # nothing is idle any more
            async with pool.instance(OTHER):
                pass
        short.clear()
        async with pool.instance(OTHER):
            assert len(shop.made) == 6


async def test_a_start_that_fails_is_told_to_each_who_waits(
    shop: Workshop, pool_of: Callable[..., Pool]
) -> None:
    pool = pool_of(starting_limit=1)
    shop.error = SandboxError("no namespaces left")

    async def call() -> None:
        async with pool.instance(VERSION):
            pass

    results = await asyncio.gather(*(call() for _ in range(5)), return_exceptions=True)
    assert [type(r) for r in results] == [Unavailable] * 5
    shop.error = None
    await call()


async def test_idle_instances_are_reclaimed(shop: Workshop, pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(idle_s=0.01)
    pool.start()
    async with pool.instance(VERSION):
        pass
    async with asyncio.timeout(5):
        while not shop.made[0].closed:
            await asyncio.sleep(0.01)
    assert pool.census() == {"idle": 0, "busy": 0, "starting": 0}


async def frozen(instance: Plain) -> None:
    async with asyncio.timeout(5):
        while not instance.frozen:
            await asyncio.sleep(0.01)


async def test_who_is_not_called_is_frozen(pool_of: Callable[..., Pool], shop: Workshop) -> None:
    pool = pool_of()
    async with pool.instance(VERSION), pool.instance(VERSION), pool.instance(OTHER):
        await asyncio.sleep(3 * FREEZE_S)
        assert not any(instance.frozen for instance in shop.made)
    for instance in shop.made:
        await frozen(instance)


async def test_who_is_called_again_at_once_is_not(pool_of: Callable[..., Pool], shop: Workshop) -> None:
    pool = pool_of()
    until = asyncio.get_running_loop().time() + 5 * FREEZE_S
    while asyncio.get_running_loop().time() < until:
        async with pool.instance(VERSION):
            await asyncio.sleep(0.001)
        assert not shop.made[0].frozen
    assert len(shop.made) == 1


async def test_of_many_only_those_that_rest(pool_of: Callable[..., Pool], shop: Workshop) -> None:
    pool = pool_of()
    async with pool.instance(VERSION), pool.instance(VERSION):
        pass
    while not any(instance.frozen for instance in shop.made):
        async with pool.instance(VERSION):
            await asyncio.sleep(0.005)
    assert [instance.frozen for instance in shop.made].count(True) == 1


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.001)


async def test_what_is_to_be_kept_is_made_ahead_and_outlives_idleness(
    shop: Workshop, pool_of: Callable[..., Pool]
) -> None:
    pool = pool_of(starting_limit=2, idle_s=0.01)
    pool.start()
    pool.keep(VERSION, 5)
    await until(lambda: pool.kept(VERSION) == (5, ""))
    assert shop.most == 2
    async with pool.instance(OTHER):
        pass
    await until(lambda: shop.made[-1].closed)  # that of the other version is reaped
    assert len(shop.made) == 6
    assert pool.kept(VERSION) == (5, "")
    pool.keep(VERSION, 2)
    await until(lambda: pool.kept(VERSION) == (2, ""))
    pool.keep(VERSION, 0)
    await until(lambda: all(made.closed for made in shop.made))


async def test_calls_use_what_is_kept_and_more_when_that_is_busy(
    shop: Workshop, pool_of: Callable[..., Pool]
) -> None:
    pool = pool_of()
    pool.keep(VERSION, 1)
    await until(lambda: pool.kept(VERSION) == (1, ""))
    async with pool.instance(VERSION), pool.instance(VERSION):
        assert len(shop.made) == 2
    assert pool.kept(VERSION) == (2, "")


async def test_what_cannot_be_kept_says_why_and_is_tried_again_when_asked(
    shop: Workshop, pool_of: Callable[..., Pool]
) -> None:
    pool = pool_of()
    shop.error = SandboxError("no memory")
    pool.keep(VERSION, 2)
    await until(lambda: pool.kept(VERSION) == (0, "no memory"))
    shop.error, shop.breaks = None, True
    pool.keep(VERSION, 2)
    await until(lambda: pool.kept(VERSION)[1] == "FUNCTION_ERROR_INIT_FAILURE")
    shop.breaks = False
    pool.keep(VERSION, 2)
    await until(lambda: pool.kept(VERSION) == (2, ""))


async def test_who_changes_a_function_keeps_what_still_runs(
    shop: Workshop, pool_of: Callable[..., Pool]
) -> None:
    pool = pool_of()
    numbered = dataclasses.replace(VERSION, version="1")
    for version in (VERSION, numbered):
        async with pool.instance(version):
            pass
    pool.retire(VERSION.key, {numbered.identity})
    await until(lambda: shop.made[0].closed)
    async with pool.instance(numbered):
        assert len(shop.made) == 2
