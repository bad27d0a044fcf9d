"""Intents in a store of their own, without any object store."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lambent.model.invocation import Invocation
from lambent.model.names import FunctionKey, Target
from lambent.model.queue import Draft, MessageQueue
from lambent.objects.buckets import Bucket
from lambent.objects.intents import Caller, Intent, Intents, Written
from lambent.objects.notifications import Rule
from lambent.store.base import Transaction
from lambent.store.sqlite import Sqlite

RULE = Rule("rule", "arn:aws:lambda:us-east-1:111111111111:function:f", ("s3:ObjectCreated:*",), "in/")
BUCKET = Bucket("files", "111111111111", "us-east-1", 1.5, (RULE,))
DONE = Written("ObjectCreated:Put", 1, "e")


def intent(id: str, bucket: Bucket = BUCKET) -> Intent:
    return Intent(id, bucket, f"in/{id}", "ObjectCreated:Put", Caller("p", "a", "r"), 7, "v")


class Kept:
    """A queue that keeps what it is given."""

    def __init__(self) -> None:
        self.keys: list[str | None] = []
        self.announced: list[Invocation] = []
        self.full = False

    def put(self, tx: Transaction, invocation: Invocation, event_key: str | None = None) -> bool:
        if self.full:
            raise RuntimeError("the disk is full")
        self.keys.append(event_key)
        return True

    def announce(self, invocation: Invocation) -> None:
        self.announced.append(invocation)


class Nobody:
    """No rule of these tests has a queue."""

    def put(self, tx: Transaction, queue: MessageQueue, draft: Draft) -> None:
        raise AssertionError(draft)

    def announce(self, queue: MessageQueue) -> None:
        raise AssertionError(queue)


NOBODY = Nobody()


def fire(intent: Intent, written: Written) -> list[tuple[Rule, Invocation]]:
    target = Target(FunctionKey("111111111111", "us-east-1", "f"))
    return [(RULE, Invocation(request_id=intent.id, target=target, payload=b"{}"))]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Sqlite]:
    store = await Sqlite.open(tmp_path / "state.db")
    yield store
    await store.close()


async def test_what_is_recorded_remains_until_it_is_settled(store: Sqlite) -> None:
    queue = Kept()
    kept = Intents(store, queue, NOBODY, fire)
    one, other = intent("1"), intent("2")
    await kept.record([one, other])
    assert Intents(store, queue, NOBODY, fire).remaining() == [one, other]
    await kept.settle([(one, DONE), (other, None)])
    assert kept.remaining() == []
    assert queue.keys == ["1/rule"]
    assert [invocation.request_id for invocation in queue.announced] == ["1"]


async def test_settled_twice_fires_once(store: Sqlite) -> None:
    queue = Kept()
    kept = Intents(store, queue, NOBODY, fire)
    one = intent("1")
    await kept.record([one])
    await kept.settle([(one, DONE)])
    await kept.settle([(one, DONE)])
    assert len(queue.announced) == 1


async def test_the_intent_stays_when_the_queue_cannot_take_the_event(store: Sqlite) -> None:
    queue = Kept()
    kept = Intents(store, queue, NOBODY, fire)
    one = intent("1")
    await kept.record([one])
    queue.full = True
    with pytest.raises(RuntimeError):
        await kept.settle([(one, DONE)])
    assert kept.remaining() == [one]
    assert queue.announced == []


async def test_sequencers_grow_whatever_the_clock_does(
    store: Sqlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Intents(store, Kept(), NOBODY, fire)
    told: list[int] = []
    for moment in (1000.0, 1000.0, 500.0, 2000.0, 1.0):
        monkeypatch.setattr(time, "time", lambda moment=moment: moment)
        one = intent(f"at {moment} {len(told)}")
        await kept.record([one])
        told.append(one.sequencer)
    assert told == sorted(set(told))
    assert told[3] == 2_000_000_000  # the clock leads where it can, so that a lost database does no harm


async def test_sequencers_of_many_writers_are_all_different(store: Sqlite) -> None:
    kept = Intents(store, Kept(), NOBODY, fire)
    made = [intent(str(number)) for number in range(300)]
    await asyncio.gather(*(kept.record([one]) for one in made))
    assert len({one.sequencer for one in made}) == 300
