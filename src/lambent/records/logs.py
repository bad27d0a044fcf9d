"""Logs: what functions print, in CloudWatch's groups, streams and events."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lambent.model.errors import Conflict, NotFound
from lambent.model.invocation import Run
from lambent.records import chunks, pages, report
from lambent.records.buffer import Buffer
from lambent.records.chunks import RUN_SPAN_S, Entry, GroupKey, Line, LogEvent, StreamKey
from lambent.records.pages import Page, Selection, Window
from lambent.records.pattern import EVERYTHING, Pattern
from lambent.records.tails import Tail
from lambent.store.base import Row, Transaction
from lambent.store.sqlite import Sqlite

GROUP_MISSING = "The specified log group does not exist."
STREAM_MISSING = "The specified log stream does not exist."
GROUP_EXISTS = "The specified log group already exists"
STREAM_EXISTS = "The specified log stream already exists"
NO_TAGS: Mapping[str, str] = {}

QUIET_RUN_LINES = 3
QUIET_RUN_BYTES = 500  # in memory, before its lines are written
RECORD_OVERHEAD_BYTES = 200  # what a waiting record takes in memory beside its messages
_LAST = "\U0010ffff"  # sorts after every name with the same beginning


@dataclass(frozen=True, slots=True)
class LogGroup:
    name: str
    created_at: int  # milliseconds since the epoch, as all times here
    retention_days: int | None
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class LogStream:
    name: str
    created_at: int
    first_at: int | None  # None: no event yet
    last_at: int | None
    ingested_at: int | None


Place = tuple[str, str, str, str]  # account, region, group, stream
Record = tuple[Place, Sequence[Line] | Run]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a flush writes."""

    records: list[tuple[Record, int]]
    dropped: dict[Place, int]

    def __bool__(self) -> bool:
        return bool(self.records or self.dropped)

    def insert(self, tx: Transaction) -> None:
        now_ms = _now_ms()
        entries: defaultdict[Place, list[Entry]] = defaultdict(list)
        for place, count in self.dropped.items():
            entries[place].append((now_ms, report.dropped_line(count, "the node's buffer for logs was full")))
        for (place, events), _ in self.records:
            entries[place] += _entries(events)
        for (account, region, group, stream), found in entries.items():
            chunks.insert(tx, StreamKey(GroupKey(account, region, group), stream), found, now_ms)


class Logs:
    """Writing is an append to a buffer; every reader sees what was written before it."""

    def __init__(
        self,
        database: Sqlite,
        flush: Callable[[], Awaitable[None]],
        filled: Callable[[bool], None],
        buffer_bytes: int,
    ) -> None:
        self._database = database
        self._flush = flush
        self._dropped: defaultdict[Place, int] = defaultdict(int)
        self._tails: list[Tail] = []
        self._closed = asyncio.Event()
        self._buffer: Buffer[Record] = Buffer(buffer_bytes, filled, self._drop)

    def write(self, account: str, region: str, group: str, stream: str, events: Sequence[Line] | Run) -> None:
        """Hand over lines, each with its time in milliseconds, or a run that printed none.

        A run's own lines are written out when the disk's turn comes, not at every call. On the loop's
        thread only.
        """
        if isinstance(events, Run):
            size = QUIET_RUN_BYTES
        else:
            size = RECORD_OVERHEAD_BYTES
            for _, message in events:
                size += len(message)
        self._buffer.add(((account, region, group, stream), events), size)
        for tail in self._tails:
            tail.hear(GroupKey(account, region, group), stream, events)

    @contextmanager
    def followed(self, tail: Tail) -> Iterator[asyncio.Event]:
        """`tail` hears of every line that is written meanwhile; the event is set when the node stops."""
        self._tails.append(tail)
        try:
            yield self._closed
        finally:
            self._tails.remove(tail)

    def close(self) -> None:
        """Nobody follows any more."""
        self._closed.set()

    def take(self) -> Waiting:
        taken = Waiting(self._buffer.take(), dict(self._dropped))
        self._dropped.clear()
        return taken

    def put_back(self, taken: Waiting) -> None:
        for place, count in taken.dropped.items():
            self._dropped[place] += count
        self._buffer.put_back(taken.records)

    def _drop(self, record: Record) -> None:
        place, events = record
        self._dropped[place] += QUIET_RUN_LINES if isinstance(events, Run) else len(events)

    async def groups(
        self, account: str, region: str, prefix: str = "", after: str = "", limit: int = 50
    ) -> list[LogGroup]:
        """Groups by name, from the one after `after`."""
        await self._flush()
        rows = await self._query(
            "SELECT name, created_at, retention_days, stored_bytes FROM log_groups"
            " WHERE account = ? AND region = ? AND name >= ? AND name < ? AND name > ? ORDER BY name LIMIT ?",
            (account, region, prefix, prefix + _LAST, after, limit),
        )
        return [LogGroup(*row) for row in rows]

    async def streams(self, group: GroupKey, prefix: str = "") -> list[LogStream]:
        """All streams of a group, by name."""
        await self._flush()
        rows = await self._query(
            "SELECT name, created_at, first_at, last_at, ingested_at FROM log_streams"
            " WHERE group_id = ? AND name >= ? AND name < ? ORDER BY name",
            (self._group_id(group), prefix, prefix + _LAST),
        )
        return [LogStream(*row) for row in rows]

    async def head(self, stream: StreamKey, window: Window) -> list[LogEvent]:
        """A stream's oldest events in the window, in order of time."""
        return (await self._stream_page(stream, window, newest_first=False)).events

    async def tail(self, stream: StreamKey, window: Window) -> list[LogEvent]:
        """A stream's newest events in the window, in order of time."""
        return (await self._stream_page(stream, window, newest_first=True)).events[::-1]

    async def search(
        self,
        group: GroupKey,
        window: Window,
        pattern: Pattern = EVERYTHING,
        *,
        prefix: str = "",
        streams: Sequence[str] = (),
        newest_first: bool = False,
    ) -> Page:
        """Events of all the group's streams, or of those named, interleaved in order of time."""
        await self._flush()
        sql = "c.group_id = ? AND s.name >= ? AND s.name < ?"
        parameters: list[Any] = [self._group_id(group), prefix, prefix + _LAST]
        if streams:
            sql += f" AND s.name IN ({', '.join('?' * len(streams))})"
            parameters += streams
        return await self._page(Selection(sql, parameters), window, pattern, newest_first=newest_first)

    async def _stream_page(self, stream: StreamKey, window: Window, *, newest_first: bool) -> Page:
        await self._flush()
        selection = Selection("c.stream_id = ?", (self._stream_id(stream),))
        return await self._page(selection, window, EVERYTHING, newest_first=newest_first)

    async def _page(
        self, selection: Selection, window: Window, pattern: Pattern, *, newest_first: bool
    ) -> Page:
        return await asyncio.to_thread(
            pages.read, self._database, selection, window, pattern, newest_first=newest_first
        )

    async def create_group(self, group: GroupKey, tags: Mapping[str, str] = NO_TAGS) -> None:
        await self._flush()
        made = await self._write(
            "INSERT INTO log_groups (account, region, name, created_at, tags) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING RETURNING group_id",
            (*group, _now_ms(), json.dumps(dict(tags))),
        )
        if not made:
            raise Conflict(GROUP_EXISTS)

    async def create_stream(self, stream: StreamKey) -> None:
        await self._flush()
        made = await self._write(
            "INSERT INTO log_streams (group_id, name, created_at) VALUES (?, ?, ?)"
            " ON CONFLICT DO NOTHING RETURNING stream_id",
            (self._group_id(stream.group), stream.name, _now_ms()),
        )
        if not made:
            raise Conflict(STREAM_EXISTS)

    async def require_stream(self, stream: StreamKey) -> None:
        """Raises `NotFound` when it or its group is not there."""
        await self._flush()
        self._stream_id(stream)

    async def require_group(self, group: GroupKey) -> None:
        """Raises `NotFound` when it is not there."""
        await self._flush()
        self._group_id(group)

    async def delete_group(self, group: GroupKey) -> None:
        await self._flush()
        await self._write("DELETE FROM log_groups WHERE group_id = ?", (self._group_id(group),))

    async def delete_stream(self, stream: StreamKey) -> None:
        await self._flush()
        await self._write("DELETE FROM log_streams WHERE stream_id = ?", (self._stream_id(stream),))

    async def tags(self, group: GroupKey) -> dict[str, str]:
        await self._flush()
        sql = "SELECT tags FROM log_groups WHERE group_id = ?"
        ((text,),) = await self._query(sql, (self._group_id(group),))
        tags: dict[str, str] = json.loads(text)
        return tags

    async def retag(self, group: GroupKey, tags: Mapping[str, str]) -> None:
        row = (json.dumps(dict(tags)), self._group_id(group))
        await self._write("UPDATE log_groups SET tags = ? WHERE group_id = ?", row)

    async def retain(self, group: GroupKey, days: int | None) -> None:
        """Keep a group's events for so many days; None: as long as the node keeps any."""
        await self._flush()
        await self._write(
            "UPDATE log_groups SET retention_days = ? WHERE group_id = ?", (days, self._group_id(group))
        )

    def _group_id(self, group: GroupKey) -> int:
        rows = self._database.query(
            "SELECT group_id FROM log_groups WHERE account = ? AND region = ? AND name = ?", group
        )
        if not rows:
            raise NotFound(GROUP_MISSING)
        return int(rows[0][0])

    def _stream_id(self, stream: StreamKey) -> int:
        rows = self._database.query(
            "SELECT stream_id FROM log_streams WHERE group_id = ? AND name = ?",
            (self._group_id(stream.group), stream.name),
        )
        if not rows:
            raise NotFound(STREAM_MISSING)
        return int(rows[0][0])

    async def _query(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        return await asyncio.to_thread(self._database.query, sql, parameters)

    async def _write(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        return await self._database.write(lambda tx: tx.execute(sql, parameters))


def _entries(events: Sequence[Line] | Run) -> Sequence[Entry]:
    if not isinstance(events, Run):
        return events
    return [events] if events.ended_at - events.started_at < RUN_SPAN_S else report.quiet_run(events)


def _now_ms() -> int:
    return int(time.time() * 1000)
