"""Layers: what survives a restart."""

from dataclasses import replace
from pathlib import Path

from lambent.model.function import Code
from lambent.model.layer import LayerKey, LayerVersion
from lambent.store.bundle import layer_packages, unpacked_bytes
from lambent.store.layers import Layers
from lambent.store.sqlite import Sqlite

KEY = LayerKey("000000000000", "us-east-1", "l")
NEW = LayerVersion(key=KEY, code=Code("d", 1, "s"), created_at="now", runtimes=("python3.12",))


async def test_versions_policies_and_numbers_survive(tmp_path: Path) -> None:
    store = await Sqlite.open(tmp_path / "state.db", fsync=False)
    layers = Layers(store)
    for _ in range(12):
        await layers.publish(NEW)
    await layers.delete(KEY, 12)
    changed = await layers.change(KEY, 2, lambda v: replace(v, statements=({"Sid": "s", "Principal": "*"},)))
    again = Layers(store)
    await again.load()
    assert [version.number for version in again.versions(KEY)] == list(range(11, 0, -1))
    assert again.find(KEY, 2) == changed
    assert changed.allows("111111111111")
    assert (await again.publish(NEW)).number == 13
    assert again.keys("000000000000", "us-east-1") == [KEY]
    assert again.keys("111111111111", "us-east-1") == []
    await store.close()


def test_what_a_layer_brings_for_a_runtime(tmp_path: Path) -> None:
    site = tmp_path / "python" / "lib" / "python3.12" / "site-packages" / "boto3"
    site.mkdir(parents=True)
    (site / "__init__.py").write_text("12345")
    (tmp_path / "python" / "one.py").write_text("678")
    assert layer_packages(tmp_path, "python3.12") == {"boto3", "one", "lib"}
    assert layer_packages(tmp_path, "nodejs20.x") == {"one", "lib"}
    assert layer_packages(site, "python3.12") == frozenset()
    assert unpacked_bytes(tmp_path) == 8
