"""Pollers: batches, windows, filters, partial failures, concurrency, and what is there after a stop."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lambent.events.mappings import Mappings
from lambent.events.message_rows import Wish
from lambent.events.messages import Messages
from lambent.events.poller import Sources
from lambent.events.pollers import Pollers
from lambent.events.queues import Queues
from lambent.invoke.lineage import ROUNDS, extended
from lambent.model.errors import Throttled
from lambent.model.invocation import Invocation, Outcome
from lambent.model.mapping import EventSourceMapping, State
from lambent.model.names import FunctionKey, Target
from lambent.model.queue import Draft, MessageAttribute, MessageQueue, QueueKey
from lambent.store.sqlite import Sqlite

KEY = QueueKey("000000000000", "us-east-1", "work")
DEAD = KEY._replace(name="dead")
F = FunctionKey("000000000000", "us-east-1", "f")
Act = Callable[[list[dict[str, Any]]], Any]


class World:
    """Real queues and mappings; the function is a Python function of the test's."""

    def __init__(self, store: Sqlite) -> None:
        self.queues = Queues(store)
        self.messages = Messages(store, self.queues)
        self.mappings = Mappings(store)
        self.seen: list[list[dict[str, Any]]] = []
        self.invocations: list[Invocation] = []
        self.act: Act = lambda records: None
        self.there = True
        self.running = self.most = 0
        self.gate: asyncio.Event | None = None
        self.changed = asyncio.Condition()
        sources = Sources(
            self.queues, self.messages, self.invoke, lambda target, queue: self.there, lambda key: False
        )
        self.pollers = Pollers(self.mappings, sources)
        self.pollers.start()

    async def invoke(self, invocation: Invocation) -> Outcome:
        records = json.loads(invocation.payload)["Records"]
        self.invocations.append(invocation)
        self.running += 1
        self.most = max(self.most, self.running)
        self.seen.append(records)
        async with self.changed:
            self.changed.notify_all()
        if self.gate is not None:
            await self.gate.wait()
        self.running -= 1
        answer = self.act(records)
        if isinstance(answer, Outcome):
            return answer
        if isinstance(answer, Exception):
            raise answer
        return Outcome(payload=json.dumps(answer).encode(), version="$LATEST")

    async def map(self, **given: Any) -> EventSourceMapping:
        base = EventSourceMapping(
            uuid="u", account=F.account, region=F.region, source="sqs", source_arn=KEY.arn, target=Target(F)
        )
        mapping = await self.mappings.create(replace(base, **given))
        await self.settled()
        return mapping

    async def settled(self) -> None:
        async with asyncio.timeout(10):
            while any(not mapping.is_settled for mapping in self.mappings.all()):
                await asyncio.sleep(0)

    async def queue(self, key: QueueKey = KEY, **settings: Any) -> MessageQueue:
        return await self.queues.create(key, {"visibility_timeout_s": 600, **settings})

    async def send(self, queue: MessageQueue, *bodies: str, **given: Any) -> None:
        await self.messages.send(queue, [Draft(body, "me", **given) for body in bodies])

    async def until(self, check: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not check():
                await asyncio.sleep(0.005)

    async def until_empty(self, queue: MessageQueue) -> None:
        await self.until(lambda: sum(self.messages.depth(queue)) == 0)

    def bodies(self) -> list[str]:
        return [record["body"] for records in self.seen for record in records]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    store = await Sqlite.open(tmp_path / "state.db", fsync=False)
    world = World(store)
    yield world
    world.messages.close()
    await world.pollers.close(1)
    await world.messages.settled()
    await world.mappings.close()
    await store.close()


async def test_the_function_gets_aws_records_and_what_it_did_is_deleted(world: World) -> None:
    queue = await world.queue()
    attributes = (MessageAttribute("n", "Number", text="1"), MessageAttribute("b", "Binary", data="AA=="))
    await world.send(queue, "hello", attributes=attributes)
    await world.map()
    await world.until_empty(queue)
    ((record,),) = world.seen
    assert list(record) == [
        "messageId",
        "receiptHandle",
        "body",
        "attributes",
        "messageAttributes",
        "md5OfMessageAttributes",
        "md5OfBody",
        "eventSource",
        "eventSourceARN",
        "awsRegion",
    ]
    assert record["messageAttributes"] == {
        "n": {"stringValue": "1", "stringListValues": [], "binaryListValues": [], "dataType": "Number"},
        "b": {"binaryValue": "AA==", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
    }
    assert set(record["attributes"]) == {
        "ApproximateReceiveCount",
        "SentTimestamp",
        "SenderId",
        "ApproximateFirstReceiveTimestamp",
    }
    assert (record["body"], record["eventSource"]) == ("hello", "aws:sqs")
    assert record["md5OfBody"] == "5d41402abc4b2a76b9719d911017c592"
    assert (record["eventSourceARN"], record["awsRegion"]) == (KEY.arn, "us-east-1")
    assert world.invocations[0].source == "sqs"


@pytest.mark.slow
async def test_ten_thousand_messages_are_done_once_each(world: World) -> None:
    queue = await world.queue()
    await world.map(batch_size=100, window_s=1)
    for begin in range(0, 10_000, 500):
        await world.send(queue, *(str(n) for n in range(begin, begin + 500)))
    await world.until_empty(queue)
    assert sorted(world.bodies(), key=int) == [str(n) for n in range(10_000)]
    assert max(map(len, world.seen)) <= 100


async def test_a_window_waits_for_a_fuller_batch(world: World) -> None:
    queue = await world.queue()
    await world.map(batch_size=3, window_s=300)
    await world.send(queue, "1")
    await world.send(queue, "2")
    assert world.seen == []
    await world.send(queue, "3")
    await world.until_empty(queue)
    assert sorted(world.bodies()) == ["1", "2", "3"]
    assert len(world.seen) == 1


async def test_a_batch_that_fails_comes_again(world: World) -> None:
    queue = await world.queue(visibility_timeout_s=1)
    answers = [Outcome(payload=b"{}", version="1", function_error="Unhandled"), None]
    world.act = lambda records: answers.pop(0)
    await world.map()
    await world.send(queue, "m")
    await world.until_empty(queue)
    counts = [records[0]["attributes"]["ApproximateReceiveCount"] for records in world.seen]
    assert counts == ["1", "2"]


async def test_only_what_the_function_names_as_failed_comes_again(world: World) -> None:
    queue = await world.queue(visibility_timeout_s=1)
    failed: set[str] = set()

    def act(records: list[dict[str, Any]]) -> Any:
        bad = [r for r in records if r["body"] == "bad" and r["messageId"] not in failed]
        failed.update(r["messageId"] for r in bad)
        return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in bad]}

    world.act = act
    await world.send(queue, "good", "bad", "fine")
    await world.map(reports_failures=True)
    await world.until_empty(queue)
    assert sorted(world.bodies()) == ["bad", "bad", "fine", "good"]


@pytest.mark.parametrize(
    ("answer", "done"),
    [
        (None, True),
        ({}, True),
        ("", True),
        ([], True),
        ({"batchItemFailures": None}, True),
        ({"batchItemFailures": []}, True),
        ({"failures": ["x"]}, True),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, False),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, False),
        ({"batchItemFailures": [{"id": "x"}]}, False),
        ({"batchItemFailures": [{"itemIdentifier": "nobody"}]}, False),
        ({"batchItemFailures": "x"}, False),
        (Outcome(payload=b"no json", version="1"), False),
    ],
)
async def test_answers_about_failures_mean_what_they_mean_at_aws(
    world: World, answer: Any, done: bool
) -> None:
    queue = await world.queue()
    world.act = lambda records: answer
    await world.send(queue, "m")
    await world.map(reports_failures=True)
    await world.until(lambda: bool(world.seen) and not world.running)
    if done:
        await world.until_empty(queue)
    else:
        await world.pollers.close(5)
        assert world.messages.depth(queue).in_flight == 1


async def test_filters_delete_what_nobody_wants(world: World) -> None:
    queue = await world.queue()
    await world.send(queue, '{"kind": "a"}', '{"kind": "b"}', "plain", '["kind"]')
    await world.map(filters=('{"body": {"kind": ["a"]}}', '{"body": ["plain"]}'))
    await world.until_empty(queue)
    assert sorted(world.bodies()) == ["plain", '{"kind": "a"}']


async def test_a_filter_can_look_at_attributes(world: World) -> None:
    queue = await world.queue()
    await world.send(queue, "m", attributes=(MessageAttribute("k", "String", text="v"),))
    await world.send(queue, "other")
    await world.map(filters=('{"messageAttributes": {"k": {"stringValue": ["v"]}}}',))
    await world.until_empty(queue)
    assert world.bodies() == ["m"]


async def test_no_more_at_a_time_than_its_owner_allows(world: World) -> None:
    queue = await world.queue()
    world.gate = asyncio.Event()
    await world.map(batch_size=1, max_concurrency=2)
    await world.send(queue, *"123456")
    await world.until(lambda: world.running == 2)
    assert world.messages.depth(queue).visible == 4
    world.gate.set()
    await world.until_empty(queue)
    assert world.most == 2


async def test_a_throttled_batch_is_tried_again_before_others_see_it(world: World) -> None:
    queue = await world.queue()
    answers: list[Any] = [Throttled(), Throttled(), None]
    world.act = lambda records: answers.pop(0)
    await world.map()
    await world.send(queue, "m")
    await world.until_empty(queue)
    assert [records[0]["attributes"]["ApproximateReceiveCount"] for records in world.seen] == ["1"] * 3


async def test_it_waits_for_a_function_and_a_queue_that_are_not_there(world: World) -> None:
    world.there = False
    await world.map()
    queue = await world.queue()
    await world.send(queue, "m")
    world.there = True
    world.pollers.wake(F)
    await world.until_empty(queue)
    await world.queues.delete(KEY)
    world.messages.gone(queue)
    again = await world.queue()
    await world.send(again, "n")
    await world.until_empty(again)
    assert world.bodies() == ["m", "n"]


async def test_a_disabled_mapping_takes_nothing_and_a_changed_one_goes_on(world: World) -> None:
    queue = await world.queue()
    await world.map(enabled=False)
    await world.send(queue, "m")
    (mapping,) = world.mappings.all()
    assert mapping.state is State.DISABLED
    await world.mappings.update(mapping, replace(mapping, enabled=True, state=State.ENABLING))
    await world.until_empty(queue)
    await world.settled()
    (mapping,) = world.mappings.all()
    await world.mappings.delete(mapping)
    await world.until(lambda: not world.mappings.all())
    await world.send(queue, "left")
    assert await world.messages.receive(queue, Wish(1, 5))
    assert world.bodies() == ["m"]


async def test_what_a_stopped_window_had_gathered_is_seen_again(world: World) -> None:
    queue = await world.queue()
    await world.map(batch_size=10, window_s=300)
    await world.send(queue, "m")
    await world.until(lambda: world.messages.depth(queue).in_flight == 1)
    await world.pollers.close(1)
    await world.messages.settled()
    assert world.messages.depth(queue).visible == 1


async def test_a_message_that_goes_round_in_a_loop_is_a_dead_letter(world: World) -> None:
    dead = await world.queue(DEAD)
    queue = await world.queue(dead_letter=DEAD.arn, max_receives=5)
    trace: str | None = "Root=1-2-3"
    for _ in range(ROUNDS):
        assert trace is not None
        trace = extended(trace, F)
    assert trace is not None
    await world.send(queue, "round", trace=trace)
    await world.send(queue, "straight", trace="Root=1-2-3")
    await world.map()
    await world.until_empty(queue)
    assert world.bodies() == ["straight"]
    assert [m.body for m in await world.messages.receive(dead, Wish(10, 5))] == ["round"]
    assert "Lineage=" in world.invocations[0].trace_id


async def test_groups_stay_in_order(world: World) -> None:
    key = KEY._replace(name="q.fifo")
    queue = await world.queue(key, fifo=True, content_deduplication=True)
    drafts = [Draft(f"{group}{n:02}", "me", group=group) for n in range(30) for group in "abc"]
    await world.messages.send(queue, drafts)
    await world.map(source="sqs-fifo", source_arn=key.arn, batch_size=4)
    await world.until_empty(queue)
    for group in "abc":
        assert [b for b in world.bodies() if b[0] == group] == [f"{group}{n:02}" for n in range(30)]


async def test_a_poller_looks_again_when_what_roles_may_has_changed(world: World) -> None:
    queue = await world.queue()
    world.there = False
    await world.map()
    await world.send(queue, "hello")
    world.there = True
    world.pollers.wake_all()
    await world.until_empty(queue)
    assert world.bodies() == ["hello"]
