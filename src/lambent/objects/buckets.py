"""Buckets: who owns them, where they are, and what their writes start; kept in our own store."""

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from lambent.model.names import bucket_arn
from lambent.objects.errors import S3Error
from lambent.objects.notifications import Rule
from lambent.store.base import Row, Store

_COLUMNS = "name, account, region, created_at, notification, policy"
_ADD = "INSERT INTO buckets (name, account, region, created_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_NOTIFY = "UPDATE buckets SET notification = ? WHERE name = ?"
_GUARD = "UPDATE buckets SET policy = ? WHERE name = ?"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket; its name is unique over all accounts."""

    name: str
    account: str
    region: str
    created_at: float
    rules: tuple[Rule, ...] = ()
    policy: str = ""  # JSON document

    @property
    def arn(self) -> str:
        return bucket_arn(self.name)


class Buckets:
    """The buckets of this platform. Reads go to the store each time: one indexed look-up."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, name: str) -> Bucket | None:
        rows = self._store.query(f"SELECT {_COLUMNS} FROM buckets WHERE name = ?", (name,))
        return _bucket(rows[0]) if rows else None

    def owned_by(self, account: str) -> list[Bucket]:
        rows = self._store.query(
            f"SELECT {_COLUMNS} FROM buckets WHERE account = ? ORDER BY name", (account,)
        )
        return [_bucket(row) for row in rows]

    async def add(self, name: str, account: str, region: str) -> Bucket:
        """Record an owner, unless there is one; returns the bucket as it is now."""
        row = (name, account, region, time.time())
        await self._store.write(lambda tx: tx.execute(_ADD, row))
        bucket = self.find(name)
        if bucket is None:  # removed in the same moment
            raise S3Error("OperationAborted", "A conflicting operation is in progress.", 409)
        return bucket

    async def remove(self, name: str) -> None:
        await self._store.write(lambda tx: tx.execute("DELETE FROM buckets WHERE name = ?", (name,)))

    async def set_rules(self, name: str, rules: tuple[Rule, ...]) -> None:
        text = orjson.dumps(rules).decode() if rules else None
        await self._store.write(lambda tx: tx.execute(_NOTIFY, (text, name)))

    async def set_policy(self, name: str, document: str) -> None:
        """Empty for none."""
        await self._store.write(lambda tx: tx.execute(_GUARD, (document or None, name)))


@lru_cache(maxsize=1024)
def _rules(text: str | None) -> tuple[Rule, ...]:
    return rules_of(orjson.loads(text or "[]"))


def _bucket(row: Row) -> Bucket:
    name, account, region, created_at, notification, policy = row
    return Bucket(name, account, region, created_at, _rules(notification), policy or "")


def rules_of(told: list[dict[str, Any]]) -> tuple[Rule, ...]:
    """Rules from their JSON."""
    return tuple(Rule(**{**rule, "events": tuple(rule["events"])}) for rule in told)


def bucket_of(told: dict[str, Any]) -> Bucket:
    """A bucket from its JSON."""
    return Bucket(**{**told, "rules": rules_of(told["rules"])})
