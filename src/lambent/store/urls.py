"""The function URLs: found by their ids on every request, kept on disk beside their functions."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import orjson

from lambent.model.errors import Conflict, NotFound
from lambent.model.function_url import FunctionUrl
from lambent.model.names import FunctionKey, Target
from lambent.store.base import Store, Transaction
from lambent.store.functions import Functions
from lambent.store.version_rows import WHERE

_KIND = "url"  # of function_settings, which go with their function or alias
_ALL = f"SELECT document FROM function_settings WHERE kind = '{_KIND}'"
_ONE = f"{_ALL} AND {WHERE} AND qualifier = ?"

NO_FUNCTION = "Function does not exist"
NO_URL = "The resource you requested does not exist."
TAKEN = (
    "Failed to create function url config for [functionArn = {}]. "
    "Error message:  FunctionUrlConfig exists for this Lambda function"
)


class Urls:
    """One for the unqualified function and one for each alias."""

    def __init__(self, store: Store, functions: Functions) -> None:
        self._store = store
        self._functions = functions
        self._by_id: dict[str, FunctionUrl] = {}
        self._by_function: dict[FunctionKey, dict[str, FunctionUrl]] = {}  # then by alias
        functions.on_change(self._refresh)

    async def load(self) -> None:
        for (text,) in self._store.query(_ALL):
            self._put(_decode(text))

    def find(self, url_id: str) -> FunctionUrl | None:
        return self._by_id.get(url_id)

    def get(self, target: Target) -> FunctionUrl:
        """Raises `NotFound`."""
        found = self._by_function.get(target.key, {}).get(target.qualifier or "")
        if found is None:
            raise NotFound(NO_URL)
        return found

    def list(self, key: FunctionKey) -> list[FunctionUrl]:
        """In the order of the aliases, that of the function itself first. Raises `NotFound`."""
        if not self._functions.exists(key):
            raise NotFound(NO_FUNCTION)
        return [url for _, url in sorted(self._by_function.get(key, {}).items())]

    async def create(self, url: FunctionUrl) -> None:
        """Raises `NotFound` without its function or alias, `Conflict` when there is one."""

        def work(tx: Transaction) -> None:
            _check_target(tx, url.target)
            if tx.execute(_ONE, _where(url.target)):
                raise Conflict(TAKEN.format(url.target.arn))
            _save(tx, url)

        await self._store.write(work)
        self._put(url)

    async def update(self, target: Target, change: Callable[[FunctionUrl], FunctionUrl]) -> FunctionUrl:
        """Replace one by `change` of it, which must be a pure function. Raises `NotFound`."""

        def work(tx: Transaction) -> FunctionUrl:
            rows = tx.execute(_ONE, _where(target))
            if not rows:
                _check_target(tx, target)
                raise NotFound(NO_URL)
            after = change(_decode(rows[0][0]))
            _save(tx, after)
            return after

        after = await self._store.write(work)
        self._put(after)
        return after

    async def delete(self, target: Target) -> None:
        """Raises `NotFound`."""

        def work(tx: Transaction) -> None:
            if not tx.execute(_ONE, _where(target)):
                raise NotFound(NO_URL)
            sql = f"DELETE FROM function_settings WHERE kind = '{_KIND}' AND {WHERE} AND qualifier = ?"
            tx.execute(sql, _where(target))

        await self._store.write(work)
        self._refresh(target.key)

    def _put(self, url: FunctionUrl) -> None:
        self._by_id[url.id] = url
        self._by_function.setdefault(url.key, {})[url.alias or ""] = url

    def _refresh(self, key: FunctionKey) -> None:
        """Read one function's URLs again; they may have gone with it or with an alias."""
        before = self._by_function.pop(key, None)
        if before is None:
            return
        for url in before.values():
            del self._by_id[url.id]
        for (text,) in self._store.query(f"{_ALL} AND {WHERE}", key):
            self._put(_decode(text))


def _check_target(tx: Transaction, target: Target) -> None:
    table, and_alias = ("functions", "") if target.qualifier is None else ("aliases", " AND alias = ?")
    where = (*target.key, *([target.qualifier] if target.qualifier else []))
    if not tx.execute(f"SELECT 1 FROM {table} WHERE {WHERE}{and_alias}", where):
        raise NotFound(NO_FUNCTION)


def _where(target: Target) -> tuple[str, ...]:
    return (*target.key, target.qualifier or "")


def _save(tx: Transaction, url: FunctionUrl) -> None:
    row = (*_where(url.target), _KIND, orjson.dumps({**asdict(url), "key": list(url.key)}).decode())
    tx.execute("INSERT OR REPLACE INTO function_settings VALUES (?, ?, ?, ?, ?, ?)", row)


def _decode(text: str) -> FunctionUrl:
    told: dict[str, Any] = orjson.loads(text)
    return FunctionUrl(**{**told, "key": FunctionKey(*told["key"])})
