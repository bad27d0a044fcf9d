"""The roles: identities that functions work under."""

from collections.abc import Callable
from typing import Any

import orjson

from lambent.model.errors import Conflict, NotFound
from lambent.model.role import Role
from lambent.store.base import Store, Transaction


class Roles:
    """Every role of every account; read from the store each time, because nothing fast needs them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, account: str, name: str) -> Role:
        """Raises `NotFound` with IAM's words."""
        sql = "SELECT role FROM roles WHERE account = ? AND name = ?"
        return _one(self._store.query(sql, (account, name)), name)

    def list(self, account: str, after: str = "", limit: int = 1000) -> list[Role]:
        """Roles by name, those behind `after`."""
        sql = "SELECT role FROM roles WHERE account = ? AND name > ? ORDER BY name LIMIT ?"
        return [_decode(text) for (text,) in self._store.query(sql, (account, after, limit))]

    async def create(self, role: Role) -> None:
        """Raises `Conflict` when the name is taken."""

        def work(tx: Transaction) -> None:
            rows = tx.execute(
                "INSERT INTO roles VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING name",
                (role.account, role.name, _encode(role)),
            )
            if not rows:
                raise Conflict(f"Role with name {role.name} already exists.")

        await self._store.write(work)

    async def update(self, account: str, name: str, change: Callable[[Role], Role]) -> Role:
        """Replace a role by `change` of it, a pure function. Raises `NotFound`."""

        def work(tx: Transaction) -> Role:
            sql = "SELECT role FROM roles WHERE account = ? AND name = ?"
            role = change(_one(tx.execute(sql, (account, name)), name))
            sql = "UPDATE roles SET role = ? WHERE account = ? AND name = ?"
            tx.execute(sql, (_encode(role), account, name))
            return role

        return await self._store.write(work)

    async def delete(self, account: str, name: str, check: Callable[[Role], None]) -> None:
        """Delete a role unless `check` raises. Raises `NotFound`."""

        def work(tx: Transaction) -> None:
            sql = "SELECT role FROM roles WHERE account = ? AND name = ?"
            check(_one(tx.execute(sql, (account, name)), name))
            tx.execute("DELETE FROM roles WHERE account = ? AND name = ?", (account, name))

        await self._store.write(work)


def _one(rows: Any, name: str) -> Role:
    if not rows:
        raise NotFound(f"The role with name {name} cannot be found.")
    return _decode(rows[0][0])


def _encode(role: Role) -> str:
    return orjson.dumps(role).decode()


def _decode(text: str) -> Role:
    values = orjson.loads(text)
    return Role(**{**values, "attached": tuple(values["attached"])})
