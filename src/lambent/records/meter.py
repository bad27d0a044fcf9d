"""Meter: what every invocation took, as AWS would bill it."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

from lambent.model.function import Version
from lambent.model.invocation import Invocation, Outcome
from lambent.records.buffer import Buffer
from lambent.records.prices import Usage
from lambent.records.rows import HOUR_S, NOTHING, Key, MeterRow, Settled, Sums, decode, sums
from lambent.store.sqlite import Sqlite

CHUNKS_PER_READ = 32
BEGINNING_S, END_S = 0.0, 1e12  # before and after all that is metered
SUMMED = len(Sums._fields)
_KEYS = ", ".join(Key._fields[1:])
_SUMS = ", ".join(f"SUM({column})" for column in Sums._fields)


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

    def holds(self, row: MeterRow) -> bool:
        """Whether a row of its account is meant."""
        since, until = self.times
        return (
            since <= row.started_at < until
            and self.name in (None, row.name)
            and self.source in (None, row.source)
        )


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
        return (await asyncio.to_thread(lambda: list(islice(self._rows(query), limit))))[::-1]

    async def totals(self, query: Query) -> list[Total]:
        """Sums by function, architecture and source.

        Whole hours are read from their sums, the rest from the rows, which are gone once they are old.
        """
        await self._flush()
        found = await asyncio.to_thread(self._totals, query)
        return [Total(*(*key, *found[key])) for key in sorted(found)]

    def _totals(self, query: Query) -> dict[tuple[Any, ...], Sums]:
        where, parameters = query.where
        since, until = query.times
        first, end = math.ceil(since / HOUR_S), math.floor(until / HOUR_S)
        edges = [(since, min(first * HOUR_S, until)), (max(end * HOUR_S, since), until)]
        if first > end:  # within one hour
            edges = [(since, until)]
        hours = self._database.query(
            f"SELECT {_KEYS}, {_SUMS} FROM meter_hours WHERE {where} AND hour >= ? AND hour < ?"
            f" GROUP BY {_KEYS}",
            (*parameters, first, end),
        )
        found: dict[tuple[Any, ...], Sums]
        found = {tuple(row[:-SUMMED]): Sums(*row[-SUMMED:]) for row in hours}
        rest = (self._rows(replace(query, since=since, until=until)) for since, until in edges)
        for (_, *key), more in sums(chain.from_iterable(rest)).items():
            found[tuple(key)] = found.get(tuple(key), NOTHING).plus(more)
        return found

    def _rows(self, query: Query) -> Iterator[MeterRow]:
        """The rows that are meant, the newest first; chunks are read a few at a time."""
        since, until = query.times
        if since >= until:
            return
        resume: tuple[Any, ...] = (END_S, 0)
        while True:
            chunks = self._database.query(
                "SELECT last_at, last_row, body FROM meter_chunks"
                " WHERE account = ? AND last_at >= ? AND first_at < ? AND (last_at, last_row) < (?, ?)"
                f" ORDER BY last_at DESC, last_row DESC LIMIT {CHUNKS_PER_READ}",
                (query.account, since, until, *resume),
            )
            for _, _, body in chunks:
                yield from filter(query.holds, reversed(decode(body)))
            if len(chunks) < CHUNKS_PER_READ:
                return
            resume = tuple(chunks[-1][:2])
