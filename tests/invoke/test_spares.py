"""Instances in waiting: one a version, for those that are called, never in the way of anything else."""

import asyncio
from typing import cast

import pytest
from tests.invoke.test_templates import published

from lambent.invoke import spares
from lambent.invoke.instance import Instance
from lambent.invoke.spares import SPARES, Key, Spares
from lambent.invoke.template import Template
from lambent.model.function import Version
from lambent.model.limits import MIB
from lambent.sandbox.base import SandboxError

TEMPLATE = Template("token")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spares, "REST_S", 0.0)


class Waiting:
    """Stands for an instance."""

    def __init__(self, version: Version) -> None:
        self.version = version
        self.made_at = asyncio.get_running_loop().time()
        self.closed = asyncio.Event()

    def own_mb(self) -> int:
        return 3

    async def close(self) -> None:
        self.closed.set()


class Workshop:
    """Makes them, and says so."""

    def __init__(self) -> None:
        self.made: asyncio.Queue[Waiting] = asyncio.Queue()
        self.error: Exception | None = None
        self.go = asyncio.Event()
        self.go.set()
        self.asked = asyncio.Event()
        self.has_room = True

    async def make(self, version: Version, template: Template) -> Instance:
        self.asked.set()
        await self.go.wait()
        if self.error:
            raise self.error
        waiting = Waiting(version)
        self.made.put_nowait(waiting)
        return cast(Instance, waiting)

    async def next(self) -> Waiting:
        async with asyncio.timeout(30):
            return await self.made.get()


def key(number: int) -> Key:
    return published(number).identity, None


def expect(made: Spares, number: int) -> None:
    made.expect(key(number), published(number), TEMPLATE)


async def finished(made: Spares) -> None:
    """Until its work is over; it looks again in hours."""
    async with asyncio.timeout(30):
        while made._task is None or not made._task.done():
            await asyncio.sleep(0)


async def test_who_takes_one_has_it_alone_and_another_is_made() -> None:
    workshop = Workshop()
    made = Spares(workshop.make, lambda: True)
    assert made.take(key(1)) is None
    expect(made, 1)
    first = await workshop.next()
    await finished(made)
    assert made.taken_bytes == 3 * MIB
    assert cast(object, made.take(key(1))) is first
    assert made.take(key(1)) is None
    expect(made, 1)
    assert await workshop.next() is not first
    await made.close()


async def test_the_least_expected_versions_have_none() -> None:
    workshop = Workshop()
    made = Spares(workshop.make, lambda: True)
    for number in range(SPARES + 1):
        expect(made, number)
    kept = [(await workshop.next()).version.version for _ in range(SPARES)]
    assert kept == [str(number) for number in range(SPARES, 0, -1)]
    await finished(made)
    assert len(made) == SPARES
    await made.close()


async def test_none_is_made_where_there_is_no_room() -> None:
    workshop = Workshop()
    made = Spares(workshop.make, lambda: False)
    expect(made, 1)
    await finished(made)
    assert not workshop.asked.is_set()
    await made.close()


async def test_one_that_nobody_needs_any_more_is_closed() -> None:
    workshop = Workshop()
    made = Spares(workshop.make, lambda: True)
    expect(made, 1)
    first = await workshop.next()
    await finished(made)
    made.drop(key(1))
    await asyncio.wait_for(first.closed.wait(), 30)
    workshop.go.clear()
    workshop.asked.clear()
    expect(made, 2)
    await asyncio.wait_for(workshop.asked.wait(), 30)
    made.drop(key(2))  # while it is made
    workshop.go.set()
    second = await workshop.next()
    await asyncio.wait_for(second.closed.wait(), 30)
    assert made.take(key(2)) is None
    await made.close()


async def test_the_oldest_make_room() -> None:
    workshop = Workshop()
    made = Spares(workshop.make, lambda: True)
    for number in (1, 2):
        expect(made, number)
        await workshop.next()
        await finished(made)
    assert made.drop_one()
    assert made.take(key(1)) is None
    assert made.take(key(2)) is not None
    assert not made.drop_one()
    await made.close()


async def test_one_that_cannot_be_made_is_not_tried_again_by_itself() -> None:
    workshop = Workshop()
    made = Spares(workshop.make, lambda: True)
    workshop.error = SandboxError("no")
    expect(made, 1)
    await finished(made)
    workshop.error = None
    expect(made, 2)
    assert (await workshop.next()).version.version == "2"
    await finished(made)
    assert len(made) == 1
    await made.close()


async def test_an_old_one_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    workshop = Workshop()
    made = Spares(workshop.make, lambda: True)
    monkeypatch.setattr(spares, "MAX_AGE_S", 0.0)
    expect(made, 1)
    first = await workshop.next()
    second = await workshop.next()  # by its own clock
    await asyncio.wait_for(first.closed.wait(), 30)
    assert second is not first
    await made.close()


async def test_a_node_that_stops_leaves_none() -> None:
    workshop = Workshop()
    made = Spares(workshop.make, lambda: True)
    expect(made, 1)
    waiting = await workshop.next()
    await finished(made)
    await made.close()
    assert waiting.closed.is_set()
