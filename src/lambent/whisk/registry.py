"""The entities of all namespaces: read from memory, on disk for every change."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from lambent.store.base import Store, Transaction
from lambent.whisk.entities import Entity, Rule, decode, encode
from lambent.whisk.errors import WRONG_COLLECTION, Refusal, not_found
from lambent.whisk.names import Name

E = TypeVar("E", bound=Entity)

PUT = """INSERT INTO whisk_entities (namespace, name, collection, document) VALUES (?, ?, ?, ?)
    ON CONFLICT (namespace, name)
    DO UPDATE SET collection = excluded.collection, document = excluded.document"""
DELETE = "DELETE FROM whisk_entities WHERE namespace = ? AND name = ?"


class Registry:
    """Changes come one after the other, each made from what the one before left."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._entities: dict[str, dict[str, Entity]] = {}  # by namespace, then by local name
        self._listeners: list[Callable[[Name], None]] = []
        self._changing = asyncio.Lock()
        self._last_ms = 0
        self.lend: Callable[[Name], Entity | None] = lambda _: None  # entities that are kept elsewhere

    def load(self) -> None:
        for collection, text in self._store.query("SELECT collection, document FROM whisk_entities"):
            self._remember(decode(collection, text))

    def on_change(self, listener: Callable[[Name], None]) -> None:
        self._listeners.append(listener)

    def find(self, name: Name, kind: type[E]) -> E | None:
        found = self._look_up(name)
        return found if isinstance(found, kind) else None

    def get(self, name: Name, kind: type[E]) -> E:
        """Raises `Refusal`: 404, or 409 for an entity of another kind."""
        found = self._look_up(name)
        if found is None:
            raise not_found()
        if not isinstance(found, kind):
            raise Refusal(409, WRONG_COLLECTION)
        return found

    def keeps(self, name: Name) -> bool:
        """Whether an entity is here, and not lent from elsewhere."""
        return name.local in self._entities.get(name.namespace, {})

    def of(self, namespace: str, kind: type[E]) -> list[E]:
        """Those of one kind, the last changed first."""
        found = [e for e in self._entities.get(namespace, {}).values() if isinstance(e, kind)]
        return sorted(found, key=lambda entity: entity.updated, reverse=True)

    def everywhere(self, kind: type[E]) -> list[E]:
        return [entity for namespace in self._entities for entity in self.of(namespace, kind)]

    def rules_of(self, trigger: Name) -> list[Rule]:
        return [rule for rule in self.of(trigger.namespace, Rule) if rule.trigger == trigger]

    async def put(self, name: Name, kind: type[E], make: Callable[[E | None], E]) -> E:
        """Store what `make` gives for the entity as it is or for None. It may raise `Refusal`."""
        async with self._changing:
            before = self._entities.get(name.namespace, {}).get(name.local)
            if before is not None and not isinstance(before, kind):
                raise Refusal(409, WRONG_COLLECTION)
            after = replace(make(before), updated=self._now_ms())
            row = (name.namespace, name.local, kind.collection, encode(after))
            await self._store.write(lambda tx: tx.execute(PUT, row))
            self._remember(after)
            self._tell(name)
            return after

    async def delete(self, name: Name, kind: type[E], check: Callable[[E], Any] = lambda _: None) -> E:
        """Remove an entity unless `check` raises `Refusal`; a package with everything in it."""
        async with self._changing:
            found = self.get(name, kind)
            if not self.keeps(name):
                raise not_found()
            check(found)
            inside = [e.name for e in self._entities[name.namespace].values() if e.name.package == name.local]
            gone = [name, *inside]

            def work(tx: Transaction) -> None:
                tx.execute_many(DELETE, [(one.namespace, one.local) for one in gone])

            await self._store.write(work)
            for one in gone:
                del self._entities[one.namespace][one.local]
                self._tell(one)
            return found

    def _look_up(self, name: Name) -> Entity | None:
        found = self._entities.get(name.namespace, {}).get(name.local)
        return self.lend(name) if found is None else found

    def _now_ms(self) -> int:
        """Never the same twice, so that lists have an order and instances of an older code are not used."""
        self._last_ms = max(int(time.time() * 1000), self._last_ms + 1)
        return self._last_ms

    def _remember(self, entity: Entity) -> None:
        self._entities.setdefault(entity.name.namespace, {})[entity.name.local] = entity

    def _tell(self, name: Name) -> None:
        for listener in self._listeners:
            listener(name)
