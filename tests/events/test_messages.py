"""Messages under load, through a restart, and in the transactions of others."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lambent.events import messages as messages_module
from lambent.events.message_rows import Wish
from lambent.events.message_rows import parse_handle as parse
from lambent.events.messages import Messages
from lambent.events.queues import Queues
from lambent.model.errors import Conflict
from lambent.model.queue import Draft, MessageQueue, QueueKey
from lambent.store.base import Transaction
from lambent.store.sqlite import Sqlite

KEY = QueueKey("000000000000", "us-east-1", "work")


def draft(body: str) -> Draft:
    return Draft(body=body, sender="me")


class World:
    def __init__(self, store: Sqlite) -> None:
        self.store = store
        self.queues = Queues(store)
        self.queues.load()
        self.messages = Messages(store, self.queues)

    async def queue(self) -> MessageQueue:
        return await self.queues.create(KEY, {})


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    store = await Sqlite.open(tmp_path / "state.db", fsync=False)
    yield World(store)
    await store.close()


async def test_no_more_are_received_than_may_be_worked_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages_module, "IN_FLIGHT", 2)
    monkeypatch.setattr(messages_module, "FULL_EVERY_S", 0.0)
    queue = await world.queue()
    await world.messages.send(queue, [draft(str(n)) for n in range(4)])
    first, _ = await world.messages.receive(queue, Wish(2, 600))
    assert world.messages.full(queue)
    assert not await world.messages.receive(queue, Wish(2, 600))
    waiting = asyncio.create_task(world.messages.receive(queue, Wish(1, 600), wait_s=60))
    while not world.messages.waiting:
        await asyncio.sleep(0)
    handle = parse(first.handle)
    assert handle
    await world.messages.delete(queue, [handle])
    async with asyncio.timeout(30):
        assert [message.body for message in await waiting] == ["2"]


async def test_every_message_is_received_once_by_many_receivers(world: World) -> None:
    queue = await world.queue()
    total = 2000
    got: list[str] = []

    async def receiver() -> None:
        while len(got) < total:
            messages = await world.messages.receive(queue, Wish(10, 600), wait_s=20)
            got.extend(message.body for message in messages)
            if len(got) >= total:
                world.messages.close()

    async def sender(part: int) -> None:
        for n in range(part, total, 40):
            await world.messages.send(queue, [draft(str(m)) for m in range(n, n + 10)])

    async with asyncio.timeout(60):
        await asyncio.gather(*(receiver() for _ in range(5)), *(sender(10 * part) for part in range(4)))
    assert sorted(got, key=int) == [str(n) for n in range(total)]


async def test_what_was_sent_is_there_after_a_restart(world: World) -> None:
    queue = await world.queue()
    await world.messages.send(queue, [draft("seen"), draft("unseen")])
    (seen,) = await world.messages.receive(queue, Wish(1, 600))
    again = World(world.store)  # nothing that matters was in the memory of the first
    found = again.queues.get(KEY)
    assert found == queue
    assert [m.body for m in await again.messages.receive(found, Wish(10, 600))] == ["unseen"]
    assert seen.body == "seen"
    assert again.messages.depth(found).in_flight == 2


async def test_a_message_belongs_to_the_transaction_that_put_it(world: World) -> None:
    queue = await world.queue()

    def work(tx: Transaction) -> None:
        world.messages.put(tx, queue, draft("never"))
        raise Conflict("no")

    with pytest.raises(Conflict):
        await world.store.write(work)
    assert await world.messages.receive(queue, Wish(1, 1)) == []


async def test_a_cancelled_receiver_takes_no_wake_up_with_it(world: World) -> None:
    queue = await world.queue()
    polls = [asyncio.create_task(world.messages.receive(queue, Wish(1, 600), wait_s=20)) for _ in range(2)]
    while world.messages.waiting < 2:
        await asyncio.sleep(0)
    polls[0].cancel()
    await world.messages.send(queue, [draft("m")])
    began = time.monotonic()
    assert [m.body for m in await polls[1]] == ["m"]
    assert time.monotonic() - began < 15  # woken, not timed out
    await asyncio.gather(*polls, return_exceptions=True)


async def test_a_queue_that_is_full_of_blocked_groups_stays_in_order(world: World) -> None:
    queue = await world.queues.create(
        KEY._replace(name="q.fifo"), {"fifo": True, "content_deduplication": True}
    )
    drafts = [Draft(f"{group}{n}", "me", group=group) for n in range(20) for group in "ab"]
    await world.messages.send(queue, drafts)
    seen: list[str] = []
    while messages := await world.messages.receive(queue, Wish(3, 600)):
        seen += [message.body for message in messages]
        handles = [handle for m in messages if (handle := parse(m.handle))]
        await world.messages.delete(queue, handles)
    for group in "ab":
        assert [body for body in seen if body[0] == group] == [f"{group}{n}" for n in range(20)]
