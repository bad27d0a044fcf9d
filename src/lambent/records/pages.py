"""Pages: which log events a reader wants, and how they are taken from the chunks on disk."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lambent.records.chunks import CHUNK_SPAN_MS, Chunk, LogEvent, Position, merged
from lambent.records.pattern import EVERYTHING, Pattern
from lambent.store.sqlite import Sqlite

PAGE_EVENTS = 10_000
PAGE_BYTES = 1024 * 1024
EVENT_OVERHEAD_BYTES = 26  # what CloudWatch counts for an event beside its message
SCANNED_EVENTS = 200_000  # a search that finds nothing hands back a position after so many
CHUNKS_PER_READ = 32
FOR_EVER_MS = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which events are wanted. Times in milliseconds; `until` is not part of it."""

    since: int = 0
    until: int = FOR_EVER_MS
    after: Position | None = None
    before: Position | None = None
    limit: int = PAGE_EVENTS

    @property
    def span(self) -> tuple[int, int]:
        """The times, end excluded, outside which no wanted event lies."""
        since = max(self.since, self.after.timestamp) if self.after else self.since
        until = min(self.until, self.before.timestamp + 1) if self.before else self.until
        return since, until

    def holds(self, event: LogEvent) -> bool:
        return (
            self.since <= event.timestamp < self.until
            and (self.after is None or event.position > self.after)
            and (self.before is None or event.position < self.before)
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Events in order, and the position to go on from; None at the end. It may be empty before the end."""

    events: list[LogEvent]
    resume: Position | None


@dataclass(frozen=True, slots=True)
class Selection:
    """A condition on log_chunks `c` and log_streams `s`, with its parameters."""

    sql: str
    parameters: Sequence[Any]


def read(
    database: Sqlite,
    selection: Selection,
    window: Window,
    pattern: Pattern = EVERYTHING,
    *,
    newest_first: bool = False,
) -> Page:
    """A page, bounded in number and bytes. It blocks: call it on a thread of its own."""
    chunks = _chunks(database, selection, window, newest_first)
    return _collect(merged(chunks, newest_first=newest_first), window, pattern)


def _collect(events: Iterable[LogEvent], window: Window, pattern: Pattern) -> Page:
    page: list[LogEvent] = []
    size = scanned = 0
    last: Position | None = None
    for event in events:
        if not window.holds(event):
            continue
        if scanned >= SCANNED_EVENTS or len(page) >= window.limit:
            return Page(page, last)
        if pattern.matches(event.message):
            size += len(event.message.encode()) + EVENT_OVERHEAD_BYTES
            if page and size > PAGE_BYTES:
                return Page(page, last)
            page.append(event)
        scanned += 1
        last = event.position
    return Page(page, None)


def _chunks(database: Sqlite, selection: Selection, window: Window, newest_first: bool) -> Iterator[Chunk]:
    """The chunks that may hold wanted events, read a few at a time in the order that `merged` asks for."""
    since, until = window.span
    order, sort, step = ("last_at", "DESC", "<") if newest_first else ("first_at", "ASC", ">")
    # No chunk is longer than CHUNK_SPAN_MS, so the sorted column is bounded too and the index is enough.
    edge = ("last_at <", until + CHUNK_SPAN_MS) if newest_first else ("first_at >=", since - CHUNK_SPAN_MS)
    resume: tuple[Any, ...] = ()
    while True:
        further = f" AND (c.{order}, c.chunk_id) {step} (?, ?)" if resume else ""
        rows = database.query(
            "SELECT c.chunk_id, s.name, c.first_at, c.last_at, c.ingested_at, c.body"
            " FROM log_chunks c JOIN log_streams s USING (stream_id)"
            f" WHERE {selection.sql} AND c.last_at >= ? AND c.first_at < ? AND c.{edge[0]} ?{further}"
            f" ORDER BY c.{order} {sort}, c.chunk_id {sort} LIMIT {CHUNKS_PER_READ}",
            (*selection.parameters, since, until, edge[1], *resume),
        )
        chunks = [Chunk(*row) for row in rows]
        yield from chunks
        if len(chunks) < CHUNKS_PER_READ:
            return
        resume = (getattr(chunks[-1], order), chunks[-1].chunk_id)
