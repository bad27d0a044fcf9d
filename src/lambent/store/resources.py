"""What an account has besides functions and layers: small documents with tags, by kind and name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple

import orjson

from lambent.model.errors import Conflict, NotFound
from lambent.store.base import Store, Transaction

WHERE = "account = ? AND region = ? AND kind = ? AND name = ?"


class Kind(StrEnum):
    """As the resource's ARN has it."""

    CODE_SIGNING_CONFIG = "code-signing-config"
    CAPACITY_PROVIDER = "capacity-provider"


class ResourceKey(NamedTuple):
    account: str
    region: str
    kind: str
    name: str

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account}:{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class Resource:
    """`document` is in the words of its face."""

    key: ResourceKey
    document: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)


def parse(arn: str) -> ResourceKey | None:
    """The resource that an ARN names; None for what is none of ours."""
    parts = arn.split(":")
    if len(parts) != 7 or parts[5] not in tuple(Kind):
        return None
    return ResourceKey(parts[4], parts[3], parts[5], parts[6])


class Resources:
    """Look-ups from memory, changes on disk before they are seen."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._resources: dict[ResourceKey, Resource] = {}

    async def load(self) -> None:
        for *key, document, tags in self._store.query(
            "SELECT account, region, kind, name, document, tags FROM resources"
        ):
            resource = Resource(ResourceKey(*key), orjson.loads(document), orjson.loads(tags))
            self._resources[resource.key] = resource

    def find(self, key: ResourceKey) -> Resource | None:
        return self._resources.get(key)

    def get(self, key: ResourceKey) -> Resource:
        """Raises `NotFound`."""
        found = self._resources.get(key)
        if found is None:
            raise NotFound("The resource you requested does not exist.")
        return found

    def list(self, account: str, region: str, kind: str) -> list[Resource]:
        """In the order of their names."""
        keys = sorted(key for key in self._resources if key[:3] == (account, region, kind))
        return [self._resources[key] for key in keys]

    async def create(self, new: Resource) -> None:
        """Raises `Conflict` when the name is taken."""

        def work(tx: Transaction) -> None:
            if tx.execute(f"SELECT 1 FROM resources WHERE {WHERE}", new.key):
                raise Conflict(f"The resource {new.key.arn} exists already.")
            row = (*new.key, orjson.dumps(new.document).decode(), orjson.dumps(new.tags).decode())
            tx.execute("INSERT INTO resources VALUES (?, ?, ?, ?, ?, ?)", row)

        await self._store.write(work)
        self._resources[new.key] = new

    async def change(self, key: ResourceKey, change: Callable[[Resource], Resource]) -> Resource:
        """Replace a resource by `change` of it, which must be a pure function. Raises `NotFound`."""

        def work(tx: Transaction) -> Resource:
            rows = tx.execute(f"SELECT document, tags FROM resources WHERE {WHERE}", key)
            if not rows:
                raise NotFound("The resource you requested does not exist.")
            after = change(Resource(key, *map(orjson.loads, rows[0])))
            values = (orjson.dumps(after.document).decode(), orjson.dumps(after.tags).decode(), *key)
            tx.execute(f"UPDATE resources SET document = ?, tags = ? WHERE {WHERE}", values)
            return after

        changed = self._resources[key] = await self._store.write(work)
        return changed

    async def retag(self, key: ResourceKey, change: Callable[[Mapping[str, str]], Mapping[str, str]]) -> None:
        await self.change(key, lambda before: replace(before, tags=change(before.tags)))

    async def delete(self, key: ResourceKey) -> None:
        """What is not there is no error."""
        await self._store.write(lambda tx: tx.execute(f"DELETE FROM resources WHERE {WHERE}", key))
        self._resources.pop(key, None)
