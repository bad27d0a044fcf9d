"""Function URLs on disk: what survives a restart, and what goes with its function."""

import pytest
from tests.store.test_functions import KEY, NEW, functions, settled, store, workshop

from lambent.model.errors import NotFound
from lambent.model.function_url import FunctionUrl, new_url_id
from lambent.model.names import Target
from lambent.store.functions import Functions
from lambent.store.sqlite import Sqlite
from lambent.store.urls import Urls

__all__ = ["functions", "store", "workshop"]  # fixtures

URL = FunctionUrl(id=new_url_id(), key=KEY, cors={"AllowOrigins": ["*"]}, created_at="t", modified_at="t")


async def test_they_survive_a_restart(functions: Functions, store: Sqlite) -> None:
    await functions.create(NEW)
    await Urls(store, functions).create(URL)
    again = Urls(store, functions)
    assert again.find(URL.id) is None
    await again.load()
    assert again.find(URL.id) == again.get(Target(KEY)) == URL


async def test_they_go_with_their_function(functions: Functions, store: Sqlite) -> None:
    await functions.create(NEW)
    await settled(functions)
    urls = Urls(store, functions)
    await urls.create(URL)
    await functions.delete(KEY)
    assert urls.find(URL.id) is None
    with pytest.raises(NotFound):
        urls.get(Target(KEY))
