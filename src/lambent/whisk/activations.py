"""The activations: found right after their answer, brought to disk by one task."""

import asyncio
import contextlib
import logging
import sqlite3
import time
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from lambent.model.errors import Unavailable
from lambent.records.buffer import Buffer
from lambent.store.base import Transaction
from lambent.store.sqlite import Sqlite
from lambent.whisk.activation import Activation, record, summary

log = logging.getLogger(__name__)

FLUSH_INTERVAL_S = 0.2  # the most that a crash loses
RETRY_S = 2.0
BUFFER_BYTES = 64 * 1024 * 1024
KEPT_S = 7 * 24 * 3600.0
PRUNE_INTERVAL_S = 600.0

PRUNED_AT_ONCE = 20_000
NO_LOGS = b"[]"

COLUMNS = "activation_id, namespace, path, name, start_ms, head, response, logs"
# Many at once: a statement for each would have two threads hand the interpreter over for each.
PUT_AT_ONCE = 100
PRUNE = """DELETE FROM activations WHERE start_ms < ?
    AND seq IN (SELECT seq FROM activations ORDER BY seq LIMIT ?)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which activations of a namespace are meant; times in milliseconds, both ends included."""

    namespace: str
    name: str | None = None  # a name, or pkg/name
    since: int | None = None
    upto: int | None = None
    skip: int = 0
    limit: int = 30

    def where(self) -> tuple[str, list[Any]]:
        column = "path" if self.name and "/" in self.name else "name"
        tests = {
            "namespace = ?": self.namespace,
            f"{column} = ?": self.name,
            "start_ms >= ?": self.since,
            "start_ms <= ?": self.upto,
        }
        given = {sql: value for sql, value in tests.items() if value is not None}
        return " AND ".join(given), list(given.values())


class Activations:
    """Open it with `await Activations.open(path)`. Over its bound the oldest that wait are lost."""

    def __init__(self, database: Sqlite) -> None:
        self._database = database
        self._recent: dict[str, Activation] = {}
        self._buffer: Buffer[Activation] = Buffer(BUFFER_BYTES, self._on_filled, self._drop)
        self._filled = asyncio.Event()
        self._hurry = asyncio.Event()
        self._flushed = asyncio.Condition()
        self._next_prune_at = time.monotonic()
        self._closing = False
        self._task = asyncio.create_task(self._run(), name="activations")

    @classmethod
    async def open(cls, path: Path) -> "Activations":
        return cls(Sqlite(path, fsync=False, migrations=("activations.sql",)))

    def add(self, activation: Activation) -> None:
        self._recent[activation.id] = activation
        size = len(activation.response.result) + sum(map(len, activation.logs)) + 500
        self._buffer.add(activation, size)

    def get(self, namespace: str, activation_id: str) -> dict[str, Any] | None:
        """The whole record."""
        recent = self._recent.get(activation_id)
        if recent is not None:
            return recent.document() if recent.namespace == namespace else None
        rows = self._database.query(
            "SELECT head, response, logs FROM activations WHERE activation_id = ? AND namespace = ?",
            (activation_id, namespace),
        )
        return _record(*rows[0]) if rows else None

    async def list(self, query: Query, *, whole: bool) -> list[dict[str, Any]]:
        """The newest first."""
        await self.flush()
        where, values = query.where()
        columns = "head, response, logs" if whole else "head"
        rows = self._database.query(
            f"SELECT {columns} FROM activations WHERE {where} ORDER BY start_ms DESC LIMIT ? OFFSET ?",
            (*values, query.limit, query.skip),
        )
        return [_record(*row) if whole else summary(orjson.loads(row[0])) for row in rows]

    async def count(self, query: Query) -> int:
        await self.flush()
        where, values = query.where()
        total = self._database.query(f"SELECT COUNT(*) FROM activations WHERE {where}", values)[0][0]
        return max(0, int(total) - query.skip)

    async def flush(self) -> None:
        """Return once what was added before is on disk, or the disk has refused it."""
        added = set(self._recent)
        for _ in range(2):  # the batch that is being written, and the one after it
            if added.isdisjoint(self._recent):
                return
            async with self._flushed:
                self._on_filled(True)
                await self._flushed.wait()

    async def close(self) -> None:
        self._closing = True
        self._on_filled(True)
        await self._task
        await self._database.close()

    def _on_filled(self, hurry: bool) -> None:
        self._filled.set()
        if hurry:
            self._hurry.set()

    def _drop(self, activation: Activation) -> None:
        self._recent.pop(activation.id, None)

    async def _run(self) -> None:
        refused = False
        while not self._closing:
            await self._filled.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S if refused else FLUSH_INTERVAL_S):
                    await self._hurry.wait()
            refused = await self._write()
            async with self._flushed:
                self._flushed.notify_all()
            await self._prune()
        await self._write()

    async def _write(self) -> bool:
        """Whether the disk refused."""
        self._filled.clear()
        self._hurry.clear()
        taken = self._buffer.take()

        def work(tx: Transaction) -> None:
            for first in range(0, len(taken), PUT_AT_ONCE):
                rows = [_row(activation) for activation, _ in taken[first : first + PUT_AT_ONCE]]
                tx.execute(_put(len(rows)), tuple(chain.from_iterable(rows)))

        try:
            await self._database.write(work)
        except (Unavailable, sqlite3.Error) as error:
            log.error("activations stay in memory for now: %s", error)
            self._buffer.put_back(taken)
            self._filled.set()
            return True
        for activation, _ in taken:
            self._recent.pop(activation.id, None)
        return False

    async def _prune(self) -> None:
        if time.monotonic() < self._next_prune_at:
            return
        self._next_prune_at = time.monotonic() + PRUNE_INTERVAL_S
        before = int((time.time() - KEPT_S) * 1000)
        with contextlib.suppress(Unavailable, sqlite3.Error):
            await self._database.write(lambda tx: tx.execute(PRUNE, (before, PRUNED_AT_ONCE)))


@lru_cache(maxsize=PUT_AT_ONCE)
def _put(count: int) -> str:
    rows = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * count)
    return f"INSERT OR REPLACE INTO activations ({COLUMNS}) VALUES {rows}"


def _row(activation: Activation) -> tuple[Any, ...]:
    return (
        activation.id,
        activation.namespace,
        activation.name.local,
        activation.name.name,
        activation.start,
        orjson.dumps(activation.head()),
        orjson.dumps(activation.response.document()),
        orjson.dumps(activation.logs) if activation.logs else NO_LOGS,
    )


def _record(head: bytes, response: bytes, logs: bytes) -> dict[str, Any]:
    return record(orjson.loads(head), orjson.Fragment(response), orjson.Fragment(logs))
