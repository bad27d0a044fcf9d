"""The aliases, kept in memory and on disk with their functions."""

from collections.abc import Callable
from dataclasses import replace

from lambent.model.alias import Alias
from lambent.model.errors import Conflict, NotFound
from lambent.model.lifecycle import new_revision
from lambent.model.names import LATEST, FunctionKey, Target
from lambent.store import alias_rows, version_rows
from lambent.store.base import Transaction
from lambent.store.functions import Functions, check_revision
from lambent.store.snapshot import Change


class Aliases:
    """Reads and changes aliases; a call finds them in the snapshot of the functions."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions

    def get(self, target: Target) -> Alias:
        """Raises `NotFound`."""
        function = self._functions.peek(target.key)
        alias = function.aliases.get(target.qualifier or "") if function else None
        if alias is None:
            raise NotFound(f"Cannot find alias arn: {target.arn}")
        return alias

    def list(self, key: FunctionKey, version: str | None = None) -> list[Alias]:
        """In the order of their names, those of one version if one is given. Raises `NotFound`."""
        aliases = self._functions.function(key).aliases.values()
        return [alias for alias in aliases if version is None or alias.names(version)]

    async def create(self, alias: Alias) -> Alias:
        """Raises `Conflict` when the name is taken, `NotFound` for a version that is not there."""
        new = replace(alias, revision_id=new_revision())

        def work(tx: Transaction) -> Change:
            _check_versions(tx, new)
            if alias_rows.load(tx, new.key, new.name) is not None:
                raise Conflict(f"Alias already exists: {new.arn}")
            return _save(tx, new)

        await self._functions.change(work)
        return new

    async def update(
        self, key: FunctionKey, name: str, change: Callable[[Alias], Alias], revision_id: str | None
    ) -> Alias:
        """Replace an alias by `change` of it, which must be a pure function."""
        changed: list[Alias] = []

        def work(tx: Transaction) -> Change:
            before = alias_rows.load(tx, key, name)
            if before is None:
                raise NotFound(f"Alias not found: {key.arn}:{name}")
            check_revision(before, revision_id, "GetFunction/GetAlias")
            after = replace(change(before), revision_id=new_revision())
            _check_versions(tx, after)
            changed.append(after)
            return _save(tx, after)

        await self._functions.change(work)
        return changed[-1]

    async def delete(self, key: FunctionKey, name: str) -> None:
        """Delete an alias with its policy; one that is not there is no error, as at AWS."""

        def work(tx: Transaction) -> Change:
            latest = version_rows.load(tx, key)
            if latest is None:
                raise NotFound(f"Function not found: {key.arn}")
            alias_rows.delete(tx, key, name)
            version_rows.delete_qualified(tx, key, name)
            return Change(result=latest, removed=(name,), aliases=alias_rows.load_all(tx, key))

        if name in self._functions.function(key).aliases:
            await self._functions.change(work)


def _check_versions(tx: Transaction, alias: Alias) -> None:
    for version in (alias.version, *alias.weights):
        if version_rows.load(tx, alias.key, version) is None:
            raise NotFound(f"Function not found: {alias.key.arn}:{version}")


def _save(tx: Transaction, alias: Alias) -> Change:
    alias_rows.save(tx, alias)
    latest = version_rows.load(tx, alias.key, LATEST)
    assert latest is not None
    return Change(result=latest, aliases=alias_rows.load_all(tx, alias.key))
