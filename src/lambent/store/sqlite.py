"""The embedded store: SQLite in WAL mode, one writer thread, commits shared by what arrives together."""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from lambent.model.errors import Unavailable
from lambent.store.base import Parameters, Row, Transaction

T = TypeVar("T")

# One file a schema version, in order; a released one never changes.
MIGRATIONS = (
    "schema.sql",
    "api.sql",
    "queues.sql",
    "whisk.sql",
    "async.sql",
    "identities.sql",
    "alarms.sql",
    "mappings.sql",
    "bucket_policies.sql",
    "subscriptions.sql",
)
WORKS_PER_COMMIT = 200
WAITING_WORKS = 20_000
BUSY_TIMEOUT_S = 10.0


class NewerSchema(Exception):
    """The database was written by a newer Lambent than this one."""


class _Connection:
    """A transaction's view of the connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        return self._connection.execute(sql, parameters).fetchall()

    def execute_many(self, sql: str, rows: Iterable[Parameters]) -> None:
        self._connection.executemany(sql, rows)


@dataclass(slots=True)
class _Work:
    run: Callable[[Transaction], Any]
    done: "asyncio.Future[Any]"
    result: Any = None
    error: BaseException | None = None


class Sqlite:
    """A `Store` in one file. Open it with `await Sqlite.open(path)`; SQLite's locks keep a second writer out.

    `fsync` off is for data whose loss on a power failure is accepted; a killed process loses nothing.
    """

    def __init__(self, path: Path, *, fsync: bool = True, migrations: tuple[str, ...] = MIGRATIONS) -> None:
        self._loop = asyncio.get_running_loop()
        self._works: queue.Queue[_Work | None] = queue.Queue(WAITING_WORKS)
        self._writer = self._connect(path, fsync)
        migrate(self._writer, migrations)
        self._reader = self._connect(path, fsync)
        self._reader.execute("PRAGMA query_only = 1")
        self._thread = threading.Thread(target=self._run, name=f"write {path.name}", daemon=True)
        self._thread.start()

    @classmethod
    async def open(cls, path: Path, *, fsync: bool = True) -> "Sqlite":
        return cls(path, fsync=fsync)

    @staticmethod
    def _connect(path: Path, fsync: bool) -> sqlite3.Connection:
        connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if fsync else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys = 1")
        return connection

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction; returns after the commit. Raises what it raises, or `Unavailable`."""
        done: asyncio.Future[T] = self._loop.create_future()
        try:
            self._works.put_nowait(_Work(work, done))
        except queue.Full:
            raise Unavailable(f"The store has {WAITING_WORKS} writes waiting. Try again later.") from None
        return await done

    def query(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        return self._reader.execute(sql, parameters).fetchall()

    async def close(self) -> None:
        """Write what is waiting, then close."""
        await asyncio.to_thread(self._works.put, None)
        await asyncio.to_thread(self._thread.join)
        self._reader.close()
        self._writer.close()

    def _run(self) -> None:
        while batch := self._next_batch():
            self._commit([work for work in batch if work is not None])
            if None in batch:
                return

    def _next_batch(self) -> list[_Work | None]:
        batch = [self._works.get()]
        while len(batch) < WORKS_PER_COMMIT and batch[-1] is not None:
            try:
                batch.append(self._works.get_nowait())
            except queue.Empty:
                break
        return batch

    def _commit(self, batch: list[_Work]) -> None:
        if not batch:
            return
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for work in batch:
                self._apply(work)
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:  # such as a full disk: nothing of the batch is kept
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            for work in batch:
                work.error = work.error or Unavailable(f"The store cannot write: {error}.")
        self._loop.call_soon_threadsafe(_resolve, batch)

    def _apply(self, work: _Work) -> None:
        self._writer.execute("SAVEPOINT work")
        try:
            work.result = work.run(_Connection(self._writer))
        except Exception as error:
            if not self._writer.in_transaction:  # SQLite itself took the whole batch back
                raise
            work.error = error
            self._writer.execute("ROLLBACK TO work")
        self._writer.execute("RELEASE work")


def _resolve(batch: list[_Work]) -> None:
    for work in batch:
        if work.done.cancelled():
            continue
        if work.error is not None:
            work.done.set_exception(work.error)
        else:
            work.done.set_result(work.result)


def migrate(connection: sqlite3.Connection, migrations: tuple[str, ...]) -> None:
    """Bring the schema forward, in one transaction. Raises `NewerSchema`."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise NewerSchema(
            f"the data is of schema version {version}, this Lambent knows {len(migrations)}: "
            "install a newer one"
        )
    if version < len(migrations):
        folder = resources.files("lambent.store")
        steps = "; ".join((folder / name).read_text() for name in migrations[version:])
        connection.executescript(f"BEGIN; {steps}; PRAGMA user_version = {len(migrations)}; COMMIT;")
