"""The layers: kept in memory for look-ups, on disk for every change."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import orjson

from lambent.model.errors import NotFound
from lambent.model.function import Code
from lambent.model.layer import LayerKey, LayerVersion
from lambent.model.lifecycle import new_revision
from lambent.store.base import Store, Transaction
from lambent.store.version_rows import WHERE


class Layers:
    """Every layer's versions. One that is deleted goes on serving the functions that use it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._layers: dict[LayerKey, dict[int, LayerVersion]] = {}

    async def load(self) -> None:
        for (text,) in self._store.query("SELECT document FROM layer_versions ORDER BY version"):
            self._put(_decode(text))

    def find(self, key: LayerKey, number: int) -> LayerVersion | None:
        return self._layers.get(key, {}).get(number)

    def versions(self, key: LayerKey) -> list[LayerVersion]:
        """The newest first; none of a layer that does not exist."""
        return list(reversed(self._layers.get(key, {}).values()))

    def keys(self, account: str, region: str) -> list[LayerKey]:
        """The layers of an account in the order of their names."""
        return sorted(
            key for key, versions in self._layers.items() if versions and key[:2] == (account, region)
        )

    def digests(self) -> set[str]:
        """The packages that any version needs."""
        return {version.code.digest for layer in self._layers.values() for version in layer.values()}

    async def publish(self, new: LayerVersion) -> LayerVersion:
        """Store a version under the layer's next number."""

        def work(tx: Transaction) -> LayerVersion:
            sql = """INSERT INTO layers (account, region, name, next_version) VALUES (?, ?, ?, 2)
                ON CONFLICT (account, region, name) DO UPDATE SET next_version = next_version + 1
                RETURNING next_version - 1"""
            numbered = replace(new, number=int(tx.execute(sql, new.key)[0][0]))
            row = (*new.key, numbered.number, _encode(numbered))
            tx.execute("INSERT INTO layer_versions VALUES (?, ?, ?, ?, ?)", row)
            return numbered

        published = await self._store.write(work)
        self._put(published)
        return published

    async def delete(self, key: LayerKey, number: int) -> None:
        """One that is not there is no error, as at AWS."""

        def work(tx: Transaction) -> None:
            tx.execute(f"DELETE FROM layer_versions WHERE {WHERE} AND version = ?", (*key, number))

        await self._store.write(work)
        self._layers.get(key, {}).pop(number, None)

    async def change(
        self, key: LayerKey, number: int, change: Callable[[LayerVersion], LayerVersion]
    ) -> LayerVersion:
        """Replace a version's policy by what `change` makes of it. Raises `NotFound`."""

        def work(tx: Transaction) -> LayerVersion:
            where = f"WHERE {WHERE} AND version = ?"
            rows = tx.execute(f"SELECT document FROM layer_versions {where}", (*key, number))
            if not rows:
                raise NotFound(f"Layer version {key.arn}:{number} does not exist.")
            after = replace(change(_decode(rows[0][0])), policy_revision=new_revision())
            tx.execute(f"UPDATE layer_versions SET document = ? {where}", (_encode(after), *key, number))
            return after

        changed = await self._store.write(work)
        self._put(changed)
        return changed

    def _put(self, version: LayerVersion) -> None:
        self._layers.setdefault(version.key, {})[version.number] = version


def _encode(version: LayerVersion) -> str:
    values = {field.name: getattr(version, field.name) for field in fields(version)}
    return orjson.dumps({**values, "key": list(version.key)}).decode()


def _decode(text: str) -> LayerVersion:
    values: dict[str, Any] = orjson.loads(text)
    values["key"] = LayerKey(*values["key"])
    values["code"] = Code(**values["code"])
    for name in ("runtimes", "architectures", "statements"):
        values[name] = None if values[name] is None else tuple(values[name])
    return LayerVersion(**values)
