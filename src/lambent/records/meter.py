"""Meter: what every invocation took, as AWS would bill it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from lambent.records.buffer import Buffer
from lambent.records.prices import FREE_TMP_MB, Usage
from lambent.store.base import Transaction
from lambent.store.sqlite import Sqlite

COARSE_MS = 100  # what AWS rounded up to before December 2020
ROWS_PER_INSERT = 100
HOUR_S = 3600


class MeterRow(NamedTuple):
    """One attempt of one invocation, as it ended."""

    request_id: str
    account: str
    region: str
    name: str
    version: str
    architecture: str
    source: str  # api, async, s3
    attempt: int
    status: str  # success, error, timeout
    memory_mb: int
    tmp_mb: int
    started_at: float  # seconds since the epoch
    duration_ms: float
    billed_ms: int
    init_ms: float | None
    memory_peak_mb: int
    tenant: str | None


COLUMNS = ", ".join(MeterRow._fields)
_MARKS = f"({', '.join('?' * len(MeterRow._fields))})"

_COARSE = f"(billed_ms + {COARSE_MS - 1}) / {COARSE_MS} * {COARSE_MS}"
_TMP = f"MAX(tmp_mb - {FREE_TMP_MB}, 0)"
# Sums over rows of the meter, in the order of meter_hours' columns and of Total's fields.
SUMS = (
    "COUNT(*), SUM(status <> 'success'), SUM(init_ms IS NOT NULL), SUM(billed_ms),"
    f" SUM(billed_ms * memory_mb), SUM({_COARSE} * memory_mb),"
    f" SUM(billed_ms * {_TMP}), SUM({_COARSE} * {_TMP})"
)
SUMMED = "requests, errors, cold_starts, billed_ms, mb_ms, coarse_mb_ms, tmp_mb_ms, coarse_tmp_mb_ms"


@dataclass(frozen=True, slots=True)
class Total:
    """A function's invocations from one source. Coarse: as if billed by 100 ms."""

    account: str
    region: str
    name: str
    architecture: str
    source: str
    requests: int
    errors: int
    cold_starts: int
    billed_ms: int
    mb_ms: int
    coarse_mb_ms: int
    tmp_mb_ms: int
    coarse_tmp_mb_ms: int

    @property
    def usage(self) -> Usage:
        return Usage(self.architecture, self.requests, self.mb_ms, self.tmp_mb_ms)

    @property
    def coarse_usage(self) -> Usage:
        return Usage(self.architecture, self.requests, self.coarse_mb_ms, self.coarse_tmp_mb_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which invocations are meant; None is any. Times in seconds since the epoch, without `until` itself."""

    account: str
    name: str | None = None
    source: str | None = None
    since: float | None = None
    until: float | None = None

    def where(self, since: str, until: str) -> tuple[str, list[Any]]:
        """The condition in SQL; `since` and `until` are comparisons with one mark each."""
        wanted = {
            "account = ?": self.account,
            "name = ?": self.name,
            "source = ?": self.source,
            since: self.since,
            until: self.until,
        }
        given = {sql: value for sql, value in wanted.items() if value is not None}
        return " AND ".join(given), list(given.values())


class Meter:
    """Adding is an append to a buffer; every reader sees what was added before it."""

    def __init__(
        self,
        database: Sqlite,
        flush: Callable[[], Awaitable[None]],
        filled: Callable[[bool], None],
        buffer_rows: int,
    ) -> None:
        self._database = database
        self._flush = flush
        self.dropped = 0
        self._buffer: Buffer[MeterRow] = Buffer(buffer_rows, filled, self._drop)

    def add(self, row: MeterRow) -> None:
        """On the loop's thread only."""
        self._buffer.add(row, 1)

    def take(self) -> list[tuple[MeterRow, int]]:
        return self._buffer.take()

    def put_back(self, taken: list[tuple[MeterRow, int]]) -> None:
        self._buffer.put_back(taken)

    def _drop(self, _: MeterRow) -> None:
        self.dropped += 1

    async def rows(self, query: Query, limit: int = 1000) -> list[MeterRow]:
        """The newest rows, oldest of them first."""
        await self._flush()
        where, parameters = query.where("started_at >= ?", "started_at < ?")
        rows = await asyncio.to_thread(
            self._database.query,
            f"SELECT {COLUMNS} FROM meter WHERE {where} ORDER BY row_id DESC LIMIT ?",
            (*parameters, limit),
        )
        return [MeterRow(*row) for row in reversed(rows)]

    async def totals(self, query: Query) -> list[Total]:
        """Sums by function, architecture and source. Hours that were folded count by their beginning."""
        await self._flush()
        fresh, fresh_parameters = query.where("started_at >= ?", "started_at < ?")
        folded, folded_parameters = query.where(f"hour * {HOUR_S} >= ?", f"hour * {HOUR_S} < ?")
        keys = "account, region, name, architecture, source"
        sums = ", ".join(f"SUM({column})" for column in SUMMED.split(", "))
        rows = await asyncio.to_thread(
            self._database.query,
            f"SELECT {keys}, {sums} FROM ("
            f" SELECT {keys}, {SUMMED} FROM meter_hours WHERE {folded} UNION ALL"
            f" SELECT {keys}, {SUMS} FROM meter WHERE {fresh} GROUP BY {keys}"
            f") GROUP BY {keys} ORDER BY {keys}",
            (*folded_parameters, *fresh_parameters),
        )
        return [Total(*row) for row in rows]


def insert(tx: Transaction, rows: Sequence[MeterRow]) -> None:
    """Many rows a statement: each statement lets go of the interpreter's lock and must win it back."""
    waiting = iter(rows)
    while part := list(islice(waiting, ROWS_PER_INSERT)):
        values = ", ".join([_MARKS] * len(part))
        tx.execute(f"INSERT INTO meter ({COLUMNS}) VALUES {values}", [value for row in part for value in row])
