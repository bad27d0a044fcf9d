"""The contract of a store: SQL over one database, with grouped, durable commits."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Row = Sequence[Any]
Parameters = Sequence[Any]


class Transaction(Protocol):
    """What a piece of work may do with the database; placeholders are `?`, the SQL is portable."""

    def execute(self, sql: str, parameters: Parameters = ()) -> list[Row]: ...

    def execute_many(self, sql: str, rows: Iterable[Parameters]) -> None: ...


class Store(Protocol):
    """One database.

    `write` runs `work` in a transaction and returns its result once that is on disk (fsync). Works that
    arrive together share one commit; each has a savepoint, so that one that raises takes only itself back.
    `work` runs on another thread: it must touch nothing but the transaction and its own arguments.
    `query` reads what is committed, at once, on the calling thread; keep it to indexed look-ups.
    """

    async def write(self, work: Callable[[Transaction], T]) -> T: ...

    def query(self, sql: str, parameters: Parameters = ()) -> list[Row]: ...

    async def close(self) -> None: ...
