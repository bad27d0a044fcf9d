"""Aliases: what survives a restart, and what goes with its function."""

from dataclasses import replace

from tests.store.test_functions import KEY, NEW, functions, settled, store, workshop

from lambent.model.alias import Alias
from lambent.model.names import Target
from lambent.store.aliases import Aliases
from lambent.store.functions import Functions
from lambent.store.sqlite import Sqlite

__all__ = ["functions", "store", "workshop"]  # fixtures

LIVE = Alias(key=KEY, name="live", version="1", weights={"$LATEST": 0.0})


async def test_aliases_survive_a_restart(functions: Functions, store: Sqlite) -> None:
    await functions.create(NEW, publish=True)
    await settled(functions)
    made = await Aliases(functions).create(LIVE)
    await Aliases(functions).create(replace(LIVE, name="a"))
    again = Functions(store)
    await again.load()
    assert Aliases(again).get(Target(KEY, "live")) == made
    assert list(again.function(KEY).aliases) == list(functions.function(KEY).aliases) == ["a", "live"]
    assert again.get(Target(KEY, "live")).version == "1"
    await again.close()


async def test_aliases_go_with_their_function(functions: Functions) -> None:
    await functions.create(NEW, publish=True)
    await settled(functions)
    await Aliases(functions).create(LIVE)
    await functions.delete(KEY)
    await functions.create(NEW)
    await settled(functions)
    assert functions.find(Target(KEY, "live")) is None
