"""What the queue accepted runs at least once, and ends."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from lambent.invoke import queue as queue_module
from lambent.invoke.queue import Queue
from lambent.model.errors import NotFound, Throttled
from lambent.model.invocation import Invocation, Outcome
from lambent.model.names import FunctionKey, Target
from lambent.store.sqlite import Sqlite

TARGET = Target(FunctionKey("000000000000", "us-east-1", "f"))
Run = Callable[[Invocation], Awaitable[Outcome]]


def invocation(payload: bytes = b"{}") -> Invocation:
    return Invocation(
        request_id=str(uuid.uuid4()), target=TARGET, payload=payload, source="async", accepted_at=time.time()
    )


def outcome(error: str | None = None) -> Outcome:
    return Outcome(payload=b"null", function_error=error, version="$LATEST")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Sqlite]:
    store = await Sqlite.open(tmp_path / "state.db")
    yield store
    await store.close()


class Runner:
    """Counts runs; answers from a script, then well."""

    def __init__(self, *script: Outcome | Exception) -> None:
        self.script = list(script)
        self.runs: list[Invocation] = []
        self.ran = asyncio.Event()

    async def __call__(self, invocation: Invocation) -> Outcome:
        self.runs.append(invocation)
        self.ran.set()
        step = self.script.pop(0) if self.script else outcome()
        if isinstance(step, Exception):
            raise step
        return step


async def rows(store: Sqlite) -> int:
    await store.write(lambda tx: None)  # everything put in before is committed now
    return int(store.query("SELECT count(*) FROM queue")[0][0])


async def until_empty(store: Sqlite) -> None:
    async with asyncio.timeout(10):
        while await rows(store):
            await asyncio.sleep(0)


async def test_an_accepted_invocation_runs_and_leaves_the_queue(store: Sqlite) -> None:
    run = Runner()
    queue = Queue(store, run)
    await queue.start()
    first = invocation(b'{"n": 1}')
    await queue.accept(first)
    await until_empty(store)
    assert [(r.request_id, r.payload, r.source) for r in run.runs] == [
        (first.request_id, b'{"n": 1}', "async")
    ]
    await queue.close(1)


async def test_what_a_dead_node_left_runs_at_the_next_start(store: Sqlite) -> None:
    left = invocation()
    dead = Queue(store, Runner())  # accepts, is never started: as if killed right after its 202
    await dead.accept(left)
    run = Runner()
    queue = Queue(store, run)
    await queue.start()
    await until_empty(store)
    assert [r.request_id for r in run.runs] == [left.request_id]
    await queue.close(1)


async def test_function_errors_are_tried_twice_more_under_the_same_id(
    store: Sqlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambent.invoke.retry.ASYNC_RETRY_DELAYS_S", (0.01, 0.02))
    run = Runner(*[outcome("Unhandled")] * 5)
    queue = Queue(store, run)
    await queue.start()
    await queue.accept(invocation())
    await until_empty(store)
    assert [r.attempt for r in run.runs] == [1, 2, 3]
    assert len({r.request_id for r in run.runs}) == 1
    await queue.close(1)


async def test_throttles_are_no_attempts(store: Sqlite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambent.invoke.retry.REFUSAL_DELAY_MAX_S", 0.01)
    run = Runner(*[Throttled()] * 6)
    queue = Queue(store, run)
    await queue.start()
    await queue.accept(invocation())
    await until_empty(store)
    assert [r.attempt for r in run.runs] == [1] * 7
    await queue.close(1)


async def test_an_invocation_of_a_deleted_function_is_dropped(store: Sqlite) -> None:
    run = Runner(NotFound("Function not found"))
    queue = Queue(store, run)
    await queue.start()
    await queue.accept(invocation())
    await until_empty(store)
    assert len(run.runs) == 1
    await queue.close(1)


async def test_one_event_is_queued_once(store: Sqlite) -> None:
    put = [await store.write(lambda tx: Queue.put(tx, invocation(), "intent/rule")) for _ in range(3)]
    assert put == [True, False, False]
    assert await rows(store) == 1


async def test_close_waits_for_what_runs_and_keeps_what_it_cuts_off(store: Sqlite) -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def run(_: Invocation) -> Outcome:
        begun.set()
        await release.wait()
        return outcome()

    queue = Queue(store, run)
    await queue.start()
    await queue.accept(invocation())
    await begun.wait()
    await queue.close(0.01)
    assert await rows(store) == 1


async def test_a_full_queue_refuses(store: Sqlite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "DEPTH", 0)
    with pytest.raises(Exception, match="its limit"):
        await Queue(store, Runner()).accept(invocation())


async def test_a_thousand_events_all_run(store: Sqlite) -> None:
    run = Runner()
    queue = Queue(store, run)
    await queue.start()
    await asyncio.gather(*(queue.accept(invocation()) for _ in range(1000)))
    await until_empty(store)
    assert len({r.request_id for r in run.runs}) == 1000
    await queue.close(1)
