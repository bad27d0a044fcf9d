"""Functions: what calls see, what their owners see, what survives."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from lambent.model.errors import Conflict, InvalidParameter, NotFound, Precondition
from lambent.model.function import Code, State, UpdateStatus, Version
from lambent.model.names import LATEST, FunctionKey, Target
from lambent.store.functions import Functions
from lambent.store.sqlite import Sqlite

KEY = FunctionKey("000000000000", "us-east-1", "f")
NEW = Version(
    key=KEY,
    code=Code("d1", 1, "s1"),
    runtime="python3.11",
    handler="h.f",
    role="arn:aws:iam::000000000000:role/r",
    environment={"A": "1"},
    kept={"KMSKeyArn": "k"},
)


class Workshop:
    """Stands where packages are put in place: each waits until the test lets it pass."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def __call__(self, code: Code) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Sqlite]:
    store = await Sqlite.open(tmp_path / "state.db", fsync=False)
    yield store
    await store.close()


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


@pytest.fixture
async def functions(store: Sqlite, workshop: Workshop) -> AsyncIterator[Functions]:
    functions = Functions(store, workshop)
    await functions.load()
    yield functions
    await functions.close()


async def settled(functions: Functions, key: FunctionKey = KEY) -> Version:
    """$LATEST once nothing is in progress; the change is announced, so this never polls."""
    while functions._tasks:
        await asyncio.wait(functions._tasks)
    return functions.described(Target(key))


async def test_a_new_function_is_pending_and_then_active_under_another_revision(
    functions: Functions, workshop: Workshop
) -> None:
    workshop.gate.clear()
    created = await functions.create(NEW)
    assert (created.state, created.update_status, created.version) == (State.PENDING, None, LATEST)
    assert functions.get(Target(KEY)).state is State.PENDING
    workshop.gate.set()
    active = await settled(functions)
    assert (active.state, active.update_status) == (State.ACTIVE, UpdateStatus.SUCCESSFUL)
    assert active.revision_id != created.revision_id
    assert active.last_modified == created.last_modified
    assert functions.get(Target(KEY)) == active


async def test_a_name_is_taken_once_in_its_account_and_region(functions: Functions) -> None:
    await functions.create(NEW)
    with pytest.raises(Conflict) as caught:
        await functions.create(NEW)
    assert caught.value.message == "Function already exist: f"
    for account, region in (("111111111111", "us-east-1"), ("000000000000", "eu-west-1")):
        await functions.create(replace(NEW, key=FunctionKey(account, region, "f")))


async def test_old_code_serves_until_the_update_is_complete(functions: Functions, workshop: Workshop) -> None:
    await functions.create(NEW)
    before = await settled(functions)
    workshop.gate.clear()
    changed = await functions.update(KEY, lambda v: replace(v, code=Code("d2", 2, "s2")))
    assert (changed.state, changed.update_status) == (State.ACTIVE, UpdateStatus.IN_PROGRESS)
    assert functions.described(Target(KEY)) == changed
    assert functions.get(Target(KEY)).code.digest == "d1"
    assert functions.digests() == {"d1", "d2"}
    with pytest.raises(Conflict, match="An update is in progress for resource"):
        await functions.update(KEY, lambda v: v)
    with pytest.raises(Conflict, match="An update is in progress for resource"):
        await functions.publish(KEY)
    workshop.gate.set()
    after = await settled(functions)
    assert functions.get(Target(KEY)) is after
    assert after.code.digest == "d2"
    assert len({before.revision_id, changed.revision_id, after.revision_id}) == 3
    assert before.last_modified < changed.last_modified == after.last_modified


async def test_a_failed_update_leaves_the_old_code_serving(functions: Functions, workshop: Workshop) -> None:
    await functions.create(NEW)
    await settled(functions)
    workshop.error = OSError("no space left")
    await functions.update(KEY, lambda v: replace(v, code=Code("d2", 2, "s2")))
    after = await settled(functions)
    assert after.update_status is UpdateStatus.FAILED
    assert after.update_reason is not None
    assert after.update_reason.text == "no space left"
    assert functions.get(Target(KEY)).code.digest == "d1"
    workshop.error = None
    await functions.update(KEY, lambda v: replace(v, code=Code("d3", 2, "s3")))
    assert (await settled(functions)).update_status is UpdateStatus.SUCCESSFUL
    assert functions.get(Target(KEY)).code.digest == "d3"


async def test_listeners_hear_what_changes_a_call_and_nothing_else(functions: Functions) -> None:
    heard: list[FunctionKey] = []
    functions.on_change(heard.append)
    await functions.create(NEW)
    await settled(functions)
    count = len(heard)
    await functions.publish(KEY)
    await functions.retag(KEY, lambda tags: {**tags, "a": "b"})
    assert len(heard) == count
    await functions.update(KEY, lambda v: v)
    await settled(functions)
    assert len(heard) == count + 1
    await functions.delete(KEY)
    assert len(heard) == count + 2


async def test_a_guard_that_names_another_revision_is_refused(functions: Functions) -> None:
    await functions.create(NEW)
    latest = await settled(functions)
    with pytest.raises(Precondition) as caught:
        await functions.update(KEY, lambda v: v, revision_id="another")
    assert caught.value.message.endswith(
        "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
    )
    with pytest.raises(Precondition):
        await functions.publish(KEY, revision_id="another")
    await functions.publish(KEY, revision_id=latest.revision_id)


async def test_publishing_gives_a_number_once_for_one_content(functions: Functions) -> None:
    await functions.create(NEW)
    latest = await settled(functions)
    first = await functions.publish(KEY, description="the first")
    assert (first.version, first.description, first.state) == ("1", "the first", State.ACTIVE)
    assert first.update_status is UpdateStatus.SUCCESSFUL
    revised = functions.described(Target(KEY))
    assert len({latest.revision_id, first.revision_id, revised.revision_id}) == 3
    assert await functions.publish(KEY, description="ignored") == first
    assert functions.described(Target(KEY)) == revised
    await functions.update(KEY, lambda v: replace(v, environment={"A": "2"}))
    await settled(functions)
    assert (await functions.publish(KEY)).version == "2"
    assert functions.get(Target(KEY, "1")).environment == {"A": "1"}


async def test_a_number_is_not_given_twice(functions: Functions) -> None:
    await functions.create(NEW)
    await settled(functions)
    await functions.publish(KEY)
    await functions.delete_version(KEY, "1")
    await functions.delete_version(KEY, "1")
    with pytest.raises(NotFound) as caught:
        functions.get(Target(KEY, "1"))
    assert caught.value.message == f"Function not found: {KEY.arn}:1"
    assert (await functions.publish(KEY)).version == "2"


async def test_publish_is_guarded_by_the_hash_of_the_code(functions: Functions) -> None:
    await functions.create(NEW)
    await settled(functions)
    with pytest.raises(InvalidParameter) as caught:
        await functions.publish(KEY, code_sha256="x")
    assert caught.value.message == (
        "CodeSHA256 (x) is different from current CodeSHA256 in $LATEST (s1). "
        "Please try again with the CodeSHA256 in $LATEST."
    )
    await functions.publish(KEY, code_sha256="s1")


async def test_create_and_update_may_publish_at_once(functions: Functions, workshop: Workshop) -> None:
    workshop.gate.clear()
    one = await functions.create(NEW, publish=True)
    assert (one.version, one.state) == ("1", State.PENDING)
    workshop.gate.set()
    await settled(functions)
    assert functions.get(Target(KEY, "1")).state is State.ACTIVE
    assert functions.get(Target(KEY, "1")).revision_id == one.revision_id
    two = await functions.update(KEY, lambda v: replace(v, code=Code("d2", 2, "s2")), publish=True)
    assert (two.version, two.state, two.update_status) == ("2", State.PENDING, None)
    assert (await settled(functions)).code.digest == "d2"
    assert functions.get(Target(KEY, "2")).state is State.ACTIVE


async def test_deleting_takes_every_version(functions: Functions, store: Sqlite) -> None:
    await functions.create(NEW, publish=True)
    await settled(functions)
    await functions.delete(KEY)
    assert functions.find(Target(KEY)) is None
    assert functions.names(KEY.account, KEY.region) == []
    assert store.query("SELECT (SELECT count(*) FROM functions) + (SELECT count(*) FROM versions)") == [(0,)]
    for what in (functions.delete(KEY), functions.delete_version(KEY, "1")):
        with pytest.raises(NotFound) as caught:
            await what
        assert caught.value.message == f"Function not found: {KEY.arn}"


async def test_a_caller_who_hangs_up_takes_nothing_back(functions: Functions) -> None:
    call = asyncio.create_task(functions.create(NEW))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await settled(functions)).state is State.ACTIVE


async def test_what_is_stored_comes_back_as_it_was(functions: Functions, store: Sqlite) -> None:
    await functions.create(NEW, publish=True, tags={"team": "a"})
    await settled(functions)
    await functions.update(KEY, lambda v: replace(v, memory_mb=512, own_log_group="/x"))
    await settled(functions)
    for _ in range(10):
        await functions.update(KEY, lambda v: replace(v, timeout_s=v.timeout_s + 1))
        await settled(functions)
        await functions.publish(KEY)
    again = Functions(store)
    await again.load()
    before, after = functions.function(KEY), again.function(KEY)
    assert (after.latest, after.published, after.tags) == (before.latest, before.published, before.tags)
    assert list(again.function(KEY).published) == [str(n) for n in range(1, 12)]
    assert again.names(KEY.account, KEY.region) == ["f"]


async def test_the_next_start_ends_what_a_killed_node_had_begun(store: Sqlite, workshop: Workshop) -> None:
    workshop.gate.clear()
    killed = Functions(store, workshop)
    await killed.create(NEW, publish=True)
    await killed.close()
    again = Functions(store)
    await again.load()
    assert again.described(Target(KEY)).state is State.PENDING
    assert (await settled(again)).state is State.ACTIVE
    assert again.get(Target(KEY, "1")).state is State.ACTIVE
    await again.close()


async def test_names_are_listed_in_order_from_any_point(functions: Functions) -> None:
    for name in ("c", "a", "b"):
        await functions.create(replace(NEW, key=KEY._replace(name=name)))
    assert functions.names(KEY.account, KEY.region) == ["a", "b", "c"]
    assert functions.names(KEY.account, KEY.region, after="a") == ["b", "c"]
    assert functions.names(KEY.account, KEY.region, after="aa") == ["b", "c"]
    assert functions.names("111111111111", KEY.region) == []


async def test_two_updates_at_once_are_one_update_and_one_conflict(
    functions: Functions, workshop: Workshop
) -> None:
    await functions.create(NEW)
    await settled(functions)
    workshop.gate.clear()
    both = await asyncio.gather(
        functions.update(KEY, lambda v: v), functions.update(KEY, lambda v: v), return_exceptions=True
    )
    assert [type(one) for one in both] == [Version, Conflict]
    workshop.gate.set()


async def test_a_start_decodes_only_what_is_asked_for(store: Sqlite, functions: Functions) -> None:
    keys = [KEY._replace(name=name) for name in ("b", "a")]
    for key in keys:
        await functions.create(replace(NEW, key=key, code=Code(key.name, 1, key.name)), publish=True)
        await settled(functions, key)
    again = Functions(store)
    await again.load()
    assert again.names(KEY.account, KEY.region) == ["a", "b"]
    assert again.exists(keys[0])
    assert again.digests() == {"a", "b"}
    assert list(again._functions) == []
    assert again.recent() == [functions.get(Target(keys[1])), functions.get(Target(keys[0]))]
    await again.delete(keys[0])
    assert not again.exists(keys[0])
    assert again.find(Target(keys[0])) is None
    assert again.digests() == {"a"}
    assert [again.get(Target(keys[1], n)).version for n in (None, "1")] == [LATEST, "1"]
