"""Meter: what every invocation took, as AWS would bill it."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from lambent.model.function import Version
from lambent.model.invocation import TIMED_OUT, Invocation, Outcome, Run
from lambent.records.buffer import Buffer
from lambent.records.prices import FREE_TMP_MB, Usage
from lambent.store.base import Transaction
from lambent.store.sqlite import Sqlite

COARSE_MS = 100  # what AWS rounded up to before December 2020
HOUR_S = 3600
BEGINNING_S, END_S = 0.0, 1e12  # before and after all that is metered


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


class Settled(NamedTuple):
    """A run as it is handed over; its row is made when the disk's turn comes, not at every call."""

    version: Version
    source: str
    attempt: int
    tenant: str | None
    run: Run

    def row(self) -> MeterRow:
        version, run = self.version, self.run
        key = version.key
        return MeterRow(  # by position: by name takes three times as long
            run.request_id,
            key.account,
            key.region,
            key.name,
            run.version,
            version.architecture,
            self.source,
            self.attempt,
            _status(run),
            run.memory_mb,
            version.tmp_mb,
            run.started_at,
            run.duration_ms,
            run.billed_ms,
            run.init_ms if run.restore_ms is None else run.restore_ms,
            run.memory_peak_mb,
            self.tenant,
        )


def _status(run: Run) -> str:
    if run.error_type is None:
        return "success"
    return "timeout" if run.error_type == TIMED_OUT else "error"


_COLUMNS = ", ".join(MeterRow._fields)
_MARKS = f"({', '.join('?' * len(MeterRow._fields))})"
# Many rows a statement, as each one lets go of the interpreter's lock and must win it back; of few sizes,
# so that SQLite has them parsed already.
_INSERTS = {
    count: f"INSERT INTO meter ({_COLUMNS}) VALUES {', '.join([_MARKS] * count)}" for count in (100, 10, 1)
}

_KEYS = "account, region, name, architecture, source"
_COARSE = f"(billed_ms + {COARSE_MS - 1}) / {COARSE_MS} * {COARSE_MS}"
_TMP = f"MAX(tmp_mb - {FREE_TMP_MB}, 0)"
# The columns of meter_hours, and of what they are the sum in rows of the meter.
_SUMS = {
    "requests": "1",
    "errors": "status <> 'success'",
    "cold_starts": "init_ms IS NOT NULL",
    "billed_ms": "billed_ms",
    "mb_ms": "billed_ms * memory_mb",
    "coarse_mb_ms": f"{_COARSE} * memory_mb",
    "tmp_mb_ms": f"billed_ms * {_TMP}",
    "coarse_tmp_mb_ms": f"{_COARSE} * {_TMP}",
}
_SUMMED = ", ".join(_SUMS)
_SUMS_OF_ROWS = ", ".join(f"SUM({sql})" for sql in _SUMS.values())
_SUMS_OF_HOURS = ", ".join(f"SUM({column})" for column in _SUMS)
_RAISED = ", ".join(f"{column} = {column} + excluded.{column}" for column in _SUMS)


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

    @property
    def times(self) -> tuple[float, float]:
        """The time asked for as an interval without its end."""
        return (
            BEGINNING_S if self.since is None else self.since,
            END_S if self.until is None else self.until,
        )

    @property
    def where(self) -> tuple[str, list[Any]]:
        """The condition in SQL besides time."""
        wanted = {"account": self.account, "name": self.name, "source": self.source}
        given = {column: value for column, value in wanted.items() if value is not None}
        return " AND ".join(f"{column} = ?" for column in given), list(given.values())


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
        self._buffer: Buffer[MeterRow | Settled] = Buffer(buffer_rows, filled, self._drop)

    def settle(self, version: Version, invocation: Invocation, outcome: Outcome) -> None:
        """Add what an invocation took. On the loop's thread only, as `add`."""
        self.add(Settled(version, invocation.source, invocation.attempt, invocation.tenant, outcome.run))

    def add(self, row: MeterRow | Settled) -> None:
        self._buffer.add(row, 1)

    def take(self) -> list[tuple[MeterRow | Settled, int]]:
        return self._buffer.take()

    def put_back(self, taken: list[tuple[MeterRow | Settled, int]]) -> None:
        self._buffer.put_back(taken)

    def _drop(self, _: MeterRow | Settled) -> None:
        self.dropped += 1

    async def rows(self, query: Query, limit: int = 1000) -> list[MeterRow]:
        """The newest rows, oldest of them first."""
        await self._flush()
        where, parameters = query.where
        rows = await asyncio.to_thread(
            self._database.query,
            f"SELECT {_COLUMNS} FROM meter WHERE {where} AND started_at >= ? AND started_at < ?"
            " ORDER BY row_id DESC LIMIT ?",
            (*parameters, *query.times, limit),
        )
        return [MeterRow(*row) for row in reversed(rows)]

    async def totals(self, query: Query) -> list[Total]:
        """Sums by function, architecture and source.

        Whole hours are read from their sums, the rest from the rows, which are gone once they are old.
        """
        await self._flush()
        where, parameters = query.where
        since, until = query.times
        first, end = math.ceil(since / HOUR_S), math.floor(until / HOUR_S)
        edges = ((since, min(first * HOUR_S, until)), (max(end * HOUR_S, since), until))
        if first > end:  # within one hour
            edges = ((since, until), (until, until))
        part = (
            f"SELECT {_KEYS}, {_SUMS_OF_ROWS} FROM meter"
            f" WHERE {where} AND started_at >= ? AND started_at < ? GROUP BY {_KEYS}"
        )
        rows = await asyncio.to_thread(
            self._database.query,
            f"SELECT {_KEYS}, {_SUMS_OF_HOURS} FROM ("
            f"SELECT {_KEYS}, {_SUMMED} FROM meter_hours WHERE {where} AND hour >= ? AND hour < ?"
            f" UNION ALL {part} UNION ALL {part}) GROUP BY {_KEYS} ORDER BY {_KEYS}",
            (*parameters, first, end, *parameters, *edges[0], *parameters, *edges[1]),
        )
        return [Total(*row) for row in rows]


def insert(tx: Transaction, settled: Sequence[MeterRow | Settled]) -> None:
    """Write rows, and raise the sums of their hours."""
    rows = [one.row() if isinstance(one, Settled) else one for one in settled]
    ((last,),) = tx.execute("SELECT COALESCE(MAX(row_id), 0) FROM meter")
    begin = 0
    for count, statement in _INSERTS.items():
        while len(rows) - begin >= count:
            tx.execute(statement, [v for row in rows[begin : begin + count] for v in row])
            begin += count
    tx.execute(
        f"INSERT INTO meter_hours (hour, {_KEYS}, {_SUMMED})"
        f" SELECT CAST(started_at / {HOUR_S} AS INTEGER), {_KEYS}, {_SUMS_OF_ROWS} FROM meter"
        f" WHERE row_id > ? GROUP BY 1, {_KEYS} ON CONFLICT DO UPDATE SET {_RAISED}",
        (last,),
    )
