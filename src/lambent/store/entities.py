"""What IAM keeps by account and name, one kind at a time: in memory, and on disk as JSON."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import orjson

from lambent.model.errors import Conflict, NotFound
from lambent.store.base import Store, Transaction


class Entity(Protocol):
    @property
    def account(self) -> str: ...

    @property
    def name(self) -> str: ...


E = TypeVar("E", bound=Entity)


@dataclass(frozen=True)  # Python 3.11 has no slots for generic ones
class Kind(Generic[E]):
    """A kind of entity, with IAM's words for one that is missing and for a name that is taken."""

    name: str
    decode: Callable[[dict[str, Any]], E]
    missing: str  # with {} for the name
    taken: str
    remembered: bool = False  # a deleted one leaves its name behind


class Entities(Generic[E]):
    """Every entity of one kind. A change is on disk before anybody reads it."""

    def __init__(self, store: Store, kind: Kind[E], on_change: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._kind = kind
        self._on_change = on_change
        self._known: dict[str, dict[str, E]] = {}
        self._gone: set[tuple[str, str]] = set()

    def load(self) -> None:
        sql = "SELECT account, name, entity FROM identities WHERE kind = ?"
        for account, name, text in self._store.query(sql, (self._kind.name,)):
            self._refresh(account, name, text)

    def find(self, account: str, name: str) -> E | None:
        return self._known.get(account, {}).get(name)

    def get(self, account: str, name: str) -> E:
        """Raises `NotFound` with IAM's words."""
        found = self.find(account, name)
        if found is None:
            raise NotFound(self._kind.missing.format(name))
        return found

    def of(self, account: str) -> list[E]:
        """By name."""
        return [one for _, one in sorted(self._known.get(account, {}).items())]

    def by_name(self, name: str) -> E | None:
        """Of whatever account, where names are unique over all of them."""
        return next((known[name] for known in self._known.values() if name in known), None)

    def was_deleted(self, account: str, name: str) -> bool:
        return (account, name) in self._gone

    async def create(self, entity: E) -> None:
        """Raises `Conflict` when the name is taken."""
        row = (self._kind.name, entity.account, entity.name, _encode(entity))

        def work(tx: Transaction) -> str:
            sql = (
                "INSERT INTO identities (kind, account, name, entity) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (kind, account, name) DO UPDATE SET entity = excluded.entity "
                "WHERE identities.entity IS NULL RETURNING name"
            )
            if not tx.execute(sql, row):
                raise Conflict(self._kind.taken.format(entity.name))
            return row[-1]

        self._refresh(entity.account, entity.name, await self._store.write(work))

    async def update(self, account: str, name: str, change: Callable[[E], E]) -> E:
        """Replace one by `change` of it, a pure function. Raises `NotFound`."""

        def work(tx: Transaction) -> str:
            text = _encode(change(self._read(tx, account, name)))
            sql = "UPDATE identities SET entity = ? WHERE kind = ? AND account = ? AND name = ?"
            tx.execute(sql, (text, self._kind.name, account, name))
            return text

        text = await self._store.write(work)
        self._refresh(account, name, text)
        return self._kind.decode(orjson.loads(text))

    async def delete(self, account: str, name: str, check: Callable[[E], None] = lambda _: None) -> None:
        """Delete one unless `check` raises. Raises `NotFound`."""

        def work(tx: Transaction) -> None:
            check(self._read(tx, account, name))
            where = "WHERE kind = ? AND account = ? AND name = ?"
            change = (
                "UPDATE identities SET entity = NULL" if self._kind.remembered else "DELETE FROM identities"
            )
            tx.execute(f"{change} {where}", (self._kind.name, account, name))

        await self._store.write(work)
        self._refresh(account, name, None)

    def _read(self, tx: Transaction, account: str, name: str) -> E:
        sql = "SELECT entity FROM identities WHERE kind = ? AND account = ? AND name = ?"
        rows = tx.execute(sql, (self._kind.name, account, name))
        if not rows or rows[0][0] is None:
            raise NotFound(self._kind.missing.format(name))
        return self._kind.decode(orjson.loads(rows[0][0]))

    def _refresh(self, account: str, name: str, text: str | None) -> None:
        known = self._known.setdefault(account, {})
        if text is not None:
            known[name] = self._kind.decode(orjson.loads(text))
            self._gone.discard((account, name))
        else:
            known.pop(name, None)
            self._gone.add((account, name))
        self._on_change()


def _encode(entity: Any) -> str:
    return orjson.dumps(entity).decode()


def tuples(told: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """JSON has lists where the model has tuples."""
    return {**told, **{name: tuple(told.get(name, ())) for name in names}}
