"""Receivers are woken, also by what comes between their look and their wait."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lambent.events.arrivals import Arrivals
from lambent.events.message_rows import Wish
from lambent.events.messages import Messages
from lambent.events.queues import Queues
from lambent.model.queue import Draft, QueueKey
from lambent.store.sqlite import Sqlite

LONG_S = 60.0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Sqlite]:
    store = await Sqlite.open(tmp_path / "state.db", fsync=False)
    yield store
    await store.close()


async def test_what_came_before_the_wait_counts() -> None:
    arrivals = Arrivals()
    told = arrivals.told(1)
    arrivals.tell(1, 1)
    async with asyncio.timeout(5):
        assert await arrivals.wait(1, told, LONG_S)


async def test_one_message_wakes_one_receiver() -> None:
    arrivals = Arrivals()
    waits = [asyncio.create_task(arrivals.wait(1, 0, LONG_S)) for _ in range(2)]
    while arrivals.waiting < 2:
        await asyncio.sleep(0)
    arrivals.tell(1, 1)
    done, pending = await asyncio.wait(waits, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert (len(done), len(pending)) == (1, 1)
    arrivals.close()
    assert not await pending.pop()
    assert not await arrivals.wait(1, 0, LONG_S)


async def test_who_looked_at_a_queue_that_is_gone_does_not_wait_and_nothing_is_kept_of_it() -> None:
    arrivals = Arrivals()
    for _ in range(2):  # also when it was never told of
        told = arrivals.told(1)
        arrivals.forget(1)
        async with asyncio.timeout(5):
            assert await arrivals.wait(1, told, LONG_S)
        arrivals.tell(1, 1)
    for queue in range(100):
        arrivals.tell(queue, 1)
        arrivals.forget(queue)
    assert not arrivals._told


async def test_no_message_is_overlooked_between_look_and_wait(store: Sqlite) -> None:
    """Each message is sent while the receiver goes back to its wait, at whatever moment that is."""
    queues = Queues(store)
    messages = Messages(store, queues)
    queue = await queues.create(QueueKey("000000000000", "us-east-1", "q"), {})
    got: asyncio.Queue[str] = asyncio.Queue()

    async def receive() -> None:
        while True:
            for message in await messages.receive(queue, Wish(1, 600), LONG_S):
                got.put_nowait(message.body)

    receiver = asyncio.create_task(receive())
    async with asyncio.timeout(30):
        for n in range(300):
            await messages.send(queue, [Draft(str(n), "me")])
            assert await got.get() == str(n)
    receiver.cancel()
    await asyncio.gather(receiver, return_exceptions=True)


async def test_a_message_that_becomes_visible_during_the_look_is_received(
    store: Sqlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    queues = Queues(store)
    now = 1000.0
    messages = Messages(store, queues, lambda: now)
    queue = await queues.create(QueueKey("000000000000", "us-east-1", "q"), {})
    await messages.send(queue, [Draft("m", "me", delay_s=5)])
    take = messages._take

    async def slow(*given: object) -> list[object]:
        nonlocal now
        found = await take(*given)  # type: ignore[arg-type]
        now += 10  # the look took so long
        return list(found)

    monkeypatch.setattr(messages, "_take", slow)
    async with asyncio.timeout(5):
        assert [m.body for m in await messages.receive(queue, Wish(1, 600), LONG_S)] == ["m"]
