"""What is set on a function or on one of its versions and aliases beside its configuration."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import orjson

from lambent.model.errors import NotFound
from lambent.model.names import FunctionKey, Target
from lambent.store.base import Store, Transaction
from lambent.store.functions import Functions
from lambent.store.version_rows import WHERE, exists, where

Document = Mapping[str, Any]
Listener = Callable[[FunctionKey], None]


class Kind(StrEnum):
    RESERVED = "reserved"  # concurrency that is the function's alone: {"count"}
    PROVISIONED = "provisioned"  # instances that are kept warm: {"count", "last_modified"}
    SCALING = "scaling"
    RUNTIME = "runtime"  # when the runtime is updated
    RECURSION = "recursion"  # {"RecursiveLoop"}
    CODE_SIGNING = "code-signing"  # {"arn"}


class FunctionSettings:
    """Documents by kind, function and qualifier, in memory and on disk; they go with what they are set on."""

    def __init__(self, store: Store, functions: Functions) -> None:
        self._store = store
        self._documents: dict[FunctionKey, dict[tuple[str, str], Document]] = {}
        self._listeners: list[Listener] = []
        functions.on_change(self._refresh)

    def on_change(self, listener: Listener) -> None:
        """Call `listener` whenever something was set on a function, or removed."""
        self._listeners.append(listener)

    async def load(self) -> None:
        sql = "SELECT account, region, name, kind, qualifier, document FROM function_settings"
        for account, region, name, kind, qualifier, text in self._store.query(sql):
            documents = self._documents.setdefault(FunctionKey(account, region, name), {})
            documents[kind, qualifier] = orjson.loads(text)

    def get(self, kind: Kind, target: Target) -> Document | None:
        return self._documents.get(target.key, {}).get((kind, target.qualifier or ""))

    def of(self, kind: Kind, key: FunctionKey) -> dict[str, Document]:
        """By qualifier, in the order of the qualifiers."""
        documents = sorted(self._documents.get(key, {}).items())
        return {qualifier: document for (one, qualifier), document in documents if one == kind}

    def may_loop(self, key: FunctionKey) -> bool:
        """Whether the function's owner wants it called however often a chain of events comes by."""
        document = self._documents.get(key, {}).get((Kind.RECURSION, ""), {})
        return bool(document.get("RecursiveLoop") == "Allow")

    def functions(self) -> list[FunctionKey]:
        """The functions that anything is set on."""
        return list(self._documents)

    async def put(self, kind: Kind, target: Target, document: Document) -> None:
        """Raises `NotFound` when the function is gone."""
        row = (*where(target.key), target.qualifier or "", kind, orjson.dumps(document).decode())

        def work(tx: Transaction) -> None:
            if not exists(tx, target.key):
                raise NotFound(f"Function not found: {target.key.arn}")
            tx.execute("INSERT OR REPLACE INTO function_settings VALUES (?, ?, ?, ?, ?, ?)", row)

        await self._store.write(work)
        self._refresh(target.key)

    async def delete(self, kind: Kind, target: Target) -> None:
        """What is not there is no error."""
        sql = f"DELETE FROM function_settings WHERE {WHERE} AND qualifier = ? AND kind = ?"
        row = (*where(target.key), target.qualifier or "", kind)
        await self._store.write(lambda tx: tx.execute(sql, row))
        self._refresh(target.key)

    def _refresh(self, key: FunctionKey) -> None:
        """Read one function's again; they may have gone together with it."""
        sql = f"SELECT kind, qualifier, document FROM function_settings WHERE {WHERE}"
        rows = self._store.query(sql, where(key))
        before = self._documents.pop(key, {})
        if rows:
            self._documents[key] = {(kind, qualifier): orjson.loads(text) for kind, qualifier, text in rows}
        if rows or before:
            for listener in self._listeners:
                listener(key)
