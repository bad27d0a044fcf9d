"""The resource policies: who besides its own account may call a function."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from lambent.model.alias import Alias
from lambent.model.errors import Conflict, NotFound
from lambent.model.function import Version
from lambent.model.names import LATEST, FunctionKey, Target
from lambent.model.policy import CURRENT, NOTHING, BadPolicy, Caller, Effect, Policy, Request, decide, parse
from lambent.store.base import Store, Transaction
from lambent.store.functions import Functions, check_revision

Statement = Mapping[str, Any]  # as it stands in the document

DIRECTLY = {"lambda:invokedviafunctionurl": ("false",)}
NO_POLICY = "No policy is associated with the given resource."
_WHERE = "account = ? AND region = ? AND name = ?"


@dataclass(frozen=True, slots=True)
class ResourcePolicy:
    """A document and what it says."""

    document: str
    policy: Policy

    @property
    def statements(self) -> list[Statement]:
        found: list[Statement] = orjson.loads(self.document)["Statement"]
        return found


class Policies:
    """One policy for the unqualified function, one for each version and alias, in memory and on disk.

    Changing a policy changes the RevisionId of what it belongs to, as at AWS.
    """

    def __init__(self, store: Store, functions: Functions) -> None:
        self._store = store
        self._functions = functions
        self._policies: dict[FunctionKey, dict[str, ResourcePolicy]] = {}  # by function and qualifier
        functions.on_change(self._refresh)

    async def load(self) -> None:
        rows = self._store.query("SELECT account, region, name, qualifier, document FROM policies")
        for account, region, name, qualifier, text in rows:
            self._policies.setdefault(FunctionKey(account, region, name), {})[qualifier] = _compiled(text)

    def find(self, target: Target) -> ResourcePolicy | None:
        return self._policies.get(target.key, {}).get(_qualifier(target))

    def policy(self, target: Target) -> Policy:
        """What the policy of the function, version or alias says."""
        found = self.find(target)
        return NOTHING if found is None else found.policy

    def allows(
        self, target: Target, *, service: str, action: str, source_arn: str, source_account: str
    ) -> bool:
        """Whether a service may call the function on behalf of a resource, such as S3 for a bucket."""
        context = {**DIRECTLY, "aws:sourcearn": (source_arn,), "aws:sourceaccount": (source_account,)}
        request = Request(Caller(service=service), action, resource_of(target), context)
        return decide([self.policy(target)], request) is Effect.ALLOW

    async def add(self, target: Target, statement: Statement, revision_id: str | None = None) -> None:
        """Add a statement. Raises `Conflict` when its id is taken."""
        sid = statement["Sid"]

        def change(statements: list[Statement]) -> list[Statement]:
            if any(one.get("Sid") == sid for one in statements):
                raise Conflict(
                    f"The statement id ({sid}) provided already exists. "
                    "Please provide a new statement id, or remove the existing statement."
                )
            return [*statements, statement]

        await self._change(target, change, revision_id, check_first=True)

    async def remove(self, target: Target, sid: str, revision_id: str | None = None) -> None:
        """Remove a statement. Raises `NotFound` when there is none of that id."""

        def change(statements: list[Statement]) -> list[Statement]:
            left = [one for one in statements if one.get("Sid") != sid]
            if not statements:
                raise NotFound(NO_POLICY)
            if len(left) == len(statements):
                raise NotFound(f"Statement {sid} is not found in resource policy.")
            return left

        await self._change(target, change, revision_id)

    async def put(self, target: Target, document: str, revision_id: str | None = None) -> None:
        """Replace the whole document, which was checked."""

        def beside(tx: Transaction, version: Version | Alias) -> None:
            check_revision(version, revision_id, "GetPolicy")
            _save(tx, target, document)

        await self._revise(target, beside)

    async def delete(self, target: Target, revision_id: str | None = None) -> None:
        """Raises `NotFound` when there is no policy."""

        def change(statements: list[Statement]) -> list[Statement]:
            if not statements:
                raise NotFound(NO_POLICY)
            return []

        await self._change(target, change, revision_id)

    async def _change(
        self,
        target: Target,
        change: Callable[[list[Statement]], list[Statement]],
        revision_id: str | None,
        *,
        check_first: bool = False,
    ) -> None:
        def beside(tx: Transaction, version: Version | Alias) -> None:
            if check_first:
                check_revision(version, revision_id, "GetPolicy")
            statements = change(_load(tx, target))
            check_revision(version, revision_id, "GetPolicy")
            _save(tx, target, document_of(statements) if statements else None)

        await self._revise(target, beside)

    async def _revise(self, target: Target, beside: Callable[[Transaction, Version | Alias], None]) -> None:
        after = functools.partial(self._refresh, target.key)
        await self._functions.revise(target, beside, after=after)

    def _refresh(self, key: FunctionKey) -> None:
        """Read one function's policies again; they may have gone together with it."""
        where = (key.account, key.region, key.name)
        sql = f"SELECT qualifier, document FROM policies WHERE {_WHERE}"
        policies = {qualifier: _compiled(text) for qualifier, text in self._store.query(sql, where)}
        if policies:
            self._policies[key] = policies
        else:
            self._policies.pop(key, None)


def resource_of(target: Target) -> str:
    """How policies name it: $LATEST is the function itself."""
    return target.key.arn if target.qualifier == LATEST else target.arn


def document_of(statements: list[Statement]) -> str:
    """The whole policy as JSON; the order of the keys is AWS's."""
    return orjson.dumps({"Version": CURRENT, "Id": "default", "Statement": statements}).decode()


def _qualifier(target: Target) -> str:
    return "" if target.qualifier is None or target.qualifier == LATEST else target.qualifier


def _row(target: Target) -> tuple[str, str, str, str]:
    key = target.key
    return key.account, key.region, key.name, _qualifier(target)


def _load(tx: Transaction, target: Target) -> list[Statement]:
    sql = f"SELECT document FROM policies WHERE {_WHERE} AND qualifier = ?"
    rows = tx.execute(sql, _row(target))
    return orjson.loads(rows[0][0])["Statement"] if rows else []


def _save(tx: Transaction, target: Target, document: str | None) -> None:
    tx.execute(f"DELETE FROM policies WHERE {_WHERE} AND qualifier = ?", _row(target))
    if document is not None:
        tx.execute("INSERT INTO policies VALUES (?, ?, ?, ?, ?)", (*_row(target), document))


@functools.lru_cache(maxsize=4096)  # a function's policies are read again at each of its changes
def _compiled(document: str) -> ResourcePolicy:
    try:
        return ResourcePolicy(document, parse(document, names_principals=True))
    except BadPolicy:  # an older version let it in
        return ResourcePolicy(document, NOTHING)
