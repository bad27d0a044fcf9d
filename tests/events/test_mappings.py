"""Mappings: their states, and what a restart finds."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lambent.events.mappings import Mappings
from lambent.model.errors import InUse, NotFound, Unavailable
from lambent.model.mapping import EventSourceMapping, State
from lambent.model.names import FunctionKey, Target
from lambent.store.sqlite import Sqlite

NEW = EventSourceMapping(
    uuid="u",
    account="000000000000",
    region="us-east-1",
    source="sqs",
    source_arn="arn:aws:sqs:us-east-1:000000000000:q",
    target=Target(FunctionKey("000000000000", "us-east-1", "f"), "live"),
    filters=('{"body": ["x"]}',),
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Sqlite]:
    store = await Sqlite.open(tmp_path / "state.db", fsync=False)
    yield store
    await store.close()


async def settled(mappings: Mappings) -> None:
    async with asyncio.timeout(10):
        while any(not mapping.is_settled for mapping in mappings.all()):
            await asyncio.sleep(0)


async def test_a_change_is_on_its_way_and_then_complete(store: Sqlite) -> None:
    mappings = Mappings(store)
    states: list[State] = []
    mappings.on_change(lambda mapping: states.append(mapping.state))
    created = await mappings.create(NEW)
    assert created.state is State.CREATING
    with pytest.raises(InUse, match="Cannot delete the event source mapping because it is in use"):
        await mappings.delete(created)
    await settled(mappings)
    (mapping,) = mappings.all()
    assert await mappings.delete(mapping) == replace(mapping, state=State.DELETING)
    async with asyncio.timeout(10):
        while mappings.all():
            await asyncio.sleep(0)
    assert states == [State.CREATING, State.ENABLED, State.DELETING]
    assert store.query("SELECT * FROM mappings") == []
    with pytest.raises(NotFound):
        mappings.get(NEW.account, NEW.region, "u")
    await mappings.close()


@pytest.mark.parametrize(
    ("enabled", "polled", "state"),
    [(True, True, State.ENABLED), (False, True, State.DISABLED), (True, False, State.DISABLED)],
)
async def test_what_a_killed_node_had_begun_is_completed(
    store: Sqlite, enabled: bool, polled: bool, state: State
) -> None:
    killed = Mappings(store)
    await killed.create(replace(NEW, enabled=enabled, polled=polled))
    await killed.close()
    again = Mappings(store)
    again.load()
    await settled(again)
    assert again.all() == [replace(NEW, enabled=enabled, polled=polled, state=state)]
    await again.close()


class Full(Sqlite):
    """A store whose disk is full."""

    async def write(self, work: Any) -> Any:
        raise Unavailable("The store cannot write.")


async def test_what_cannot_be_written_did_not_happen(store: Sqlite, tmp_path: Path) -> None:
    mappings = Mappings(store)
    await mappings.create(NEW)
    await settled(mappings)
    (before,) = mappings.all()
    full = await Full.open(tmp_path / "full.db", fsync=False)
    mappings._store = full
    with pytest.raises(Unavailable):
        await mappings.create(replace(NEW, uuid="v"))
    with pytest.raises(Unavailable):
        await mappings.delete(before)
    assert mappings.all() == [before]
    await mappings.close()
    await full.close()


async def test_accounts_and_regions_see_their_own(store: Sqlite) -> None:
    mappings = Mappings(store)
    await mappings.create(NEW)
    for account, region in (("111111111111", "us-east-1"), ("000000000000", "eu-west-1")):
        assert mappings.owned_by(account, region) == []
        with pytest.raises(NotFound):
            mappings.get(account, region, "u")
    await settled(mappings)
    await mappings.close()
