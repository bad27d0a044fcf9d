"""Firing where the queue takes nothing: the trigger's record says so, and a feed hears it and comes again."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lambent.model.errors import Unavailable
from lambent.model.invocation import Invocation, Outcome
from lambent.store.sqlite import Sqlite
from lambent.whisk.activations import Activations
from lambent.whisk.deferred import Deferred
from lambent.whisk.entities import Action, Rule, Trigger
from lambent.whisk.firing import Firing
from lambent.whisk.kinds import Kinds
from lambent.whisk.names import Name
from lambent.whisk.namespaces import Identity, Namespaces
from lambent.whisk.registry import Registry
from lambent.whisk.runner import Runner
from lambent.whisk.throttle import Throttle
from lambent.whisk.versions import Versions

FULL = "The queue holds 1 invocations, its limit. Try again later."
TRIGGER = Trigger(name=Name("guest", "event"))
ACTION = Action(name=Name("guest", "heard"), kind="sequence", components=(Name("guest", "none"),))
RULE = Rule(name=Name("guest", "rule"), trigger=TRIGGER.name, action=ACTION.name)


async def refuse(_: Invocation) -> None:
    raise Unavailable(FULL)


async def invoke(_: Invocation) -> Outcome:
    raise AssertionError("nothing runs")


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[tuple[Firing, Activations, Identity]]:
    store = await Sqlite.open(tmp_path / "state.db")
    activations = await Activations.open(tmp_path / "activations.db")
    namespaces, registry, throttle = Namespaces(store), Registry(store), Throttle()
    key = await namespaces.create("guest", "guest", "000000000000", "us-east-1")
    for entity in (TRIGGER, ACTION, RULE):
        await registry.put(entity.name, type(entity), lambda _, entity=entity: entity)  # type: ignore[misc]
    versions = Versions(registry, namespaces, Kinds.of(["python3.11"]))
    runner = Runner(registry, versions, activations, throttle, invoke)
    identity = namespaces.identity(key.subject, key.namespace)
    assert identity is not None
    deferred = Deferred(runner, versions, namespaces, refuse)
    yield Firing(registry, activations, deferred, throttle), activations, identity
    await activations.close()
    await store.close()


async def test_the_record_says_what_was_not_kept(node: tuple[Firing, Activations, Identity]) -> None:
    firing, activations, identity = node
    fired = await firing.fire(identity, TRIGGER, {}, "t")
    record = activations.get("guest", str(fired))
    assert record is not None
    line = json.loads(record["logs"][0])
    assert (line["error"], line["statusCode"], line["success"]) == (FULL, 3, False)


async def test_a_feed_hears_of_it(node: tuple[Firing, Activations, Identity]) -> None:
    firing, _, identity = node
    with pytest.raises(Unavailable, match="Try again later"):
        await firing.fire(identity, TRIGGER, {}, "t", sure=True)
