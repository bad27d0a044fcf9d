"""The end of an asynchronous invocation: retries, age, and who is told what."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.invoke.test_queue import Runner, outcome, until_empty

from lambent.events.message_rows import Wish
from lambent.events.messages import Messages
from lambent.events.post import Office
from lambent.events.queues import Queues
from lambent.invoke.queue import Queue
from lambent.model.errors import NotFound, Throttled
from lambent.model.event_invoke import Terms
from lambent.model.invocation import Invocation, Outcome
from lambent.model.names import FunctionKey, Target
from lambent.model.queue import Message, QueueKey
from lambent.store.sqlite import Sqlite

F = FunctionKey("000000000000", "us-east-1", "f")
TOLD = QueueKey("000000000000", "us-east-1", "told")
DEAD = QueueKey("000000000000", "us-east-1", "dead")
G_ARN = "arn:aws:lambda:us-east-1:000000000000:function:g"
FAILED = Outcome(
    payload=b'{"errorMessage": "boom", "errorType": "ValueError"}',
    version="$LATEST",
    function_error="Unhandled",
)


class World:
    """A queue of invocations with real message queues to tell."""

    def __init__(self, store: Sqlite) -> None:
        self.store = store
        self.queues = Queues(store)
        self.messages = Messages(store, self.queues)
        self.role_allows = True

    async def run(self, terms: Terms, *script: Outcome | Exception, **given: Any) -> Runner:
        run = Runner(*script)
        post = Office(self.queues, self.messages, lambda: queue, lambda target, arn: self.role_allows)
        queue = Queue(self.store, run, lambda t: terms, post)
        await queue.start()
        default: dict[str, Any] = {"payload": b'{"n": 1.10}', "accepted_at": time.time(), "source": "async"}
        await queue.accept(Invocation(str(uuid.uuid4()), Target(F), **(default | given)))
        await until_empty(self.store)
        await queue.close(1)
        return run

    async def told(self, key: QueueKey = TOLD) -> list[Message]:
        return await self.messages.receive(self.queues.get(key), Wish(10, 600))


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr("lambent.invoke.retry.ASYNC_RETRY_DELAYS_S", (0.01, 0.01))
    store = await Sqlite.open(tmp_path / "state.db", fsync=False)
    world = World(store)
    for key in (TOLD, DEAD):
        await world.queues.create(key, {})
    yield world
    await store.close()


async def test_a_success_is_told_with_event_and_answer(world: World) -> None:
    answer = Outcome(payload=b'{"rows": 3}', version="7")
    run = await world.run(Terms(on_success=TOLD.arn, on_failure=DEAD.arn), answer, trace_id="Root=1-2-3")
    (message,) = await world.told()
    story = json.loads(message.body)
    assert story.pop("timestamp").endswith("Z")
    assert story == {
        "version": "1.0",
        "requestContext": {
            "requestId": run.runs[0].request_id,
            "functionArn": f"{F.arn}:$LATEST",
            "condition": "Success",
            "approximateInvokeCount": 1,
        },
        "requestPayload": {"n": 1.1},
        "responseContext": {"statusCode": 200, "executedVersion": "7"},
        "responsePayload": {"rows": 3},
    }
    assert '"n": 1.10' in message.body  # as it was sent
    assert message.trace.startswith("Root=1-2-3;Lineage=")
    assert await world.told(DEAD) == []


async def test_a_failure_is_told_after_its_retries_to_destination_and_dead_letter_queue(world: World) -> None:
    terms = Terms(retries=1, on_failure=TOLD.arn, dead_letter=DEAD.arn)
    run = await world.run(terms, *[FAILED] * 5)
    assert [r.attempt for r in run.runs] == [1, 2]
    (message,) = await world.told()
    story = json.loads(message.body)
    assert story["requestContext"]["condition"] == "RetriesExhausted"
    assert story["requestContext"]["approximateInvokeCount"] == 2
    assert story["responseContext"]["functionError"] == "Unhandled"
    assert story["responsePayload"] == {"errorMessage": "boom", "errorType": "ValueError"}
    (letter,) = await world.told(DEAD)
    assert letter.body == '{"n": 1.10}'
    assert [tuple(a)[:3] for a in letter.attributes] == [
        ("RequestID", "String", run.runs[0].request_id),
        ("ErrorCode", "Number", "200"),
        ("ErrorMessage", "String", "boom"),
    ]


async def test_no_retries_are_no_retries(world: World) -> None:
    assert len((await world.run(Terms(retries=0), *[FAILED] * 5)).runs) == 1


@pytest.mark.parametrize("trouble", [FAILED, Throttled()])
async def test_what_would_be_too_old_is_not_tried_again(world: World, trouble: Outcome | Exception) -> None:
    old = {"accepted_at": time.time() - 100}
    run = await world.run(Terms(age_s=60, on_failure=TOLD.arn), *[trouble] * 5, **old)
    assert len(run.runs) == 1
    (message,) = await world.told()
    assert json.loads(message.body)["requestContext"]["condition"] == "EventAgeExceeded"


async def test_a_function_that_may_not_run_at_all_says_so_at_once(world: World) -> None:
    never = Throttled("ReservedFunctionConcurrentInvocationLimitExceeded", for_ever=True)
    await world.run(Terms(on_failure=TOLD.arn), never)
    (message,) = await world.told()
    story = json.loads(message.body)
    assert story["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert story["requestContext"]["approximateInvokeCount"] == 0
    assert "responsePayload" not in story


async def test_a_destination_can_be_a_function(world: World) -> None:
    run = await world.run(Terms(on_success=G_ARN), outcome(), NotFound("whatever g is"))
    assert [r.target.key.name for r in run.runs] == ["f", "g"]
    assert json.loads(run.runs[1].payload)["requestContext"]["condition"] == "Success"
    assert run.runs[0].request_id != run.runs[1].request_id


async def test_a_function_that_tells_itself_is_stopped(world: World) -> None:
    terms = Terms(on_success=G_ARN.replace(":g", ":f"), on_failure=TOLD.arn)
    run = await world.run(terms)
    assert len(run.runs) == 16
    (message,) = await world.told()
    assert json.loads(message.body)["requestContext"]["condition"] == "RecursiveInvocation"


async def test_a_loop_that_is_allowed_goes_on(world: World) -> None:
    terms = Terms(on_success=G_ARN.replace(":g", ":f"), may_loop=True)
    script: list[Outcome | Exception] = [*[outcome()] * 30, NotFound("gone")]
    assert len((await world.run(terms, *script)).runs) == 31


@pytest.mark.parametrize("to", ["arn:aws:sqs:us-east-1:000000000000:none", "arn:aws:sqs:us-east-1:1:x", "x"])
async def test_nobody_at_the_address_is_no_reason_to_keep_the_invocation(world: World, to: str) -> None:
    await world.run(Terms(on_success=to), outcome())
    assert await world.told() == []


async def test_a_role_that_may_no_longer_send_tells_nobody(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.role_allows = False
    await world.run(Terms(on_success=TOLD.arn), outcome())
    assert await world.told() == []
    assert "the function's role may not send" in caplog.text


async def test_the_end_and_what_is_told_of_it_are_one_transaction(world: World) -> None:
    """Killed before the commit the invocation runs again; killed after it, it is told once."""
    post = Office(world.queues, world.messages, lambda: queue, lambda target, arn: True)
    queue = Queue(world.store, Runner(), lambda t: Terms(on_success=TOLD.arn), post)
    invocation = Invocation(str(uuid.uuid4()), Target(F), b"{}", "async", accepted_at=time.time())
    await queue.accept(invocation)
    for _ in range(2):  # two nodes that both believe to have run it
        await asyncio.gather(queue._take(invocation.request_id), queue._take(invocation.request_id))
    assert len(await world.told()) == 1
