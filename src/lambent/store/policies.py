"""The resource policies: who besides its own account may call a function."""

import functools
from collections.abc import Callable
from dataclasses import fields

import orjson

from lambent.model.alias import Alias
from lambent.model.errors import Conflict, NotFound
from lambent.model.function import Version
from lambent.model.names import LATEST, FunctionKey, Target
from lambent.model.permission import Permission
from lambent.store.base import Store, Transaction
from lambent.store.functions import Functions, check_revision

_FIELDS = {field.name for field in fields(Permission)}
_WHERE = "account = ? AND region = ? AND name = ?"

Policy = tuple[Permission, ...]


class Policies:
    """One policy for the unqualified function and one for each version, in memory and on disk.

    Changing a policy changes the RevisionId of what it belongs to, as at AWS.
    """

    def __init__(self, store: Store, functions: Functions) -> None:
        self._store = store
        self._functions = functions
        self._policies: dict[FunctionKey, dict[str, Policy]] = {}  # by function and qualifier
        functions.on_change(self._refresh)

    async def load(self) -> None:
        rows = self._store.query("SELECT account, region, name, qualifier, permissions FROM policies")
        for account, region, name, qualifier, text in rows:
            self._policies.setdefault(FunctionKey(account, region, name), {})[qualifier] = _decode(text)

    def find(self, target: Target) -> Policy:
        """The permissions in the order they were added; none when there is no policy."""
        return self._policies.get(target.key, {}).get(_qualifier(target), ())

    def allows(
        self, target: Target, *, service: str, action: str, source_arn: str, source_account: str
    ) -> bool:
        """Whether a service may call the function on behalf of a resource, such as S3 for a bucket."""
        return any(
            permission.allows_service(service, action, source_arn, source_account)
            for permission in self.find(target)
        )

    def allows_account(self, target: Target, *, account: str, action: str) -> bool:
        """Whether callers of another account may call the function."""
        return any(permission.allows_account(account, action) for permission in self.find(target))

    async def add(self, target: Target, permission: Permission, revision_id: str | None = None) -> None:
        """Add a statement. Raises `Conflict` when its id is taken."""

        def beside(tx: Transaction, version: Version | Alias) -> None:
            check_revision(version, revision_id, "GetPolicy")
            policy = _load(tx, target)
            if any(one.sid == permission.sid for one in policy):
                raise Conflict(
                    f"The statement id ({permission.sid}) provided already exists. "
                    "Please provide a new statement id, or remove the existing statement."
                )
            _save(tx, target, (*policy, permission))

        await self._revise(target, beside)

    async def remove(self, target: Target, sid: str, revision_id: str | None = None) -> None:
        """Remove a statement. Raises `NotFound` when there is none of that id."""

        def beside(tx: Transaction, version: Version | Alias) -> None:
            policy = _load(tx, target)
            left = tuple(one for one in policy if one.sid != sid)
            if not policy:
                raise NotFound("No policy is associated with the given resource.")
            if left == policy:
                raise NotFound(f"Statement {sid} is not found in resource policy.")
            check_revision(version, revision_id, "GetPolicy")
            _save(tx, target, left)

        await self._revise(target, beside)

    async def _revise(self, target: Target, beside: Callable[[Transaction, Version | Alias], None]) -> None:
        after = functools.partial(self._refresh, target.key)
        await self._functions.revise(target, beside, after=after)

    def _refresh(self, key: FunctionKey) -> None:
        """Read one function's policies again; they may have gone together with it."""
        where = (key.account, key.region, key.name)
        sql = f"SELECT qualifier, permissions FROM policies WHERE {_WHERE}"
        policies = {qualifier: _decode(text) for qualifier, text in self._store.query(sql, where)}
        if policies:
            self._policies[key] = policies
        else:
            self._policies.pop(key, None)


def _qualifier(target: Target) -> str:
    return "" if target.qualifier is None or target.qualifier == LATEST else target.qualifier


def _row(target: Target) -> tuple[str, str, str, str]:
    key = target.key
    return key.account, key.region, key.name, _qualifier(target)


def _load(tx: Transaction, target: Target) -> Policy:
    sql = f"SELECT permissions FROM policies WHERE {_WHERE} AND qualifier = ?"
    rows = tx.execute(sql, _row(target))
    return _decode(rows[0][0]) if rows else ()


def _save(tx: Transaction, target: Target, policy: Policy) -> None:
    tx.execute(f"DELETE FROM policies WHERE {_WHERE} AND qualifier = ?", _row(target))
    if policy:
        row = (*_row(target), orjson.dumps(policy).decode())
        tx.execute("INSERT INTO policies VALUES (?, ?, ?, ?, ?)", row)


def _decode(text: str) -> Policy:
    return tuple(
        Permission(**{name: value for name, value in one.items() if name in _FIELDS})
        for one in orjson.loads(text)
    )
