"""Chunks: the log events of one stream as they lie on disk, and how chunks read as one sequence.

A chunk's body is compressed JSON: a list of lines `[ms, message]` and of runs that printed nothing, each as
the fields of `Run`, whose three lines are written out when somebody reads them.
"""

import heapq
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple

import orjson

from lambent.model.invocation import Run
from lambent.records.compression import compress
from lambent.records.report import quiet_run
from lambent.store.base import Transaction

CHUNK_BYTES = 1024 * 1024
CHUNK_EVENTS = 10_000
CHUNK_SPAN_MS = (
    15 * 60 * 1000
)  # bounds how far back a reader must look for a chunk that reaches into its time
LAST_ORDINAL = 10**16 - 1

RUN_BYTES = 330  # of the messages of a run, more or less
RUN_SPAN_S = 60.0  # a longer one is lines, which a chunk may part

Line = tuple[int, str]  # milliseconds since the epoch, message
Entry = Line | Run


class GroupKey(NamedTuple):
    account: str
    region: str
    name: str


class StreamKey(NamedTuple):
    group: GroupKey
    name: str


class Position(NamedTuple):
    """Where an event lies in the order of all; its 56 digits are the event's id and the heart of a token."""

    timestamp: int
    chunk_id: int
    ordinal: int

    @property
    def previous(self) -> "Position":
        """A position with nothing between it and this one."""
        if self.ordinal:
            return self._replace(ordinal=self.ordinal - 1)
        return Position(self.timestamp, max(0, self.chunk_id - 1), LAST_ORDINAL)

    @property
    def next(self) -> "Position":
        return self._replace(ordinal=self.ordinal + 1)

    def __str__(self) -> str:
        return f"{self.timestamp:020d}{self.chunk_id:020d}{self.ordinal:016d}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Raises ValueError for what `str` did not make."""
        if len(text) != 56 or not (text.isascii() and text.isdigit()):
            raise ValueError(text)
        return cls(int(text[:20]), int(text[20:40]), int(text[40:]))


class LogEvent(NamedTuple):
    position: Position
    stream: str
    message: str
    ingested_at: int  # milliseconds since the epoch

    @property
    def timestamp(self) -> int:
        return self.position.timestamp


class Chunk(NamedTuple):
    """A row of log_chunks, with its stream's name."""

    chunk_id: int
    stream: str
    first_at: int
    last_at: int
    ingested_at: int
    body: bytes

    def events(self) -> Iterator[LogEvent]:
        for ordinal, (timestamp, message) in enumerate(_lines(orjson.loads(zlib.decompress(self.body)))):
            position = Position(timestamp, self.chunk_id, ordinal)
            yield LogEvent(position, self.stream, message, self.ingested_at)


def _lines(entries: Iterable[list[Any]]) -> Iterator[Line]:
    for entry in entries:
        if len(entry) == 2:
            yield entry[0], entry[1]
        else:
            yield from quiet_run(Run(*entry))


class Part(NamedTuple):
    """Entries of one stream that become a chunk."""

    first_at: int
    last_at: int
    size: int  # bytes of the messages
    entries: list[Entry]


def split(entries: Iterable[Entry]) -> Iterator[Part]:
    """One stream's entries in order of time, cut where a chunk would be too large or too long."""
    chunk: list[Entry] = []
    begin = end = size = 0
    for first_at, _, last_at, more, entry in sorted(map(_measured, entries, count())):
        too_much = size + more > CHUNK_BYTES or len(chunk) >= CHUNK_EVENTS
        if chunk and (too_much or last_at - begin > CHUNK_SPAN_MS):
            yield Part(begin, end, size, chunk)
            chunk = []
        if not chunk:
            begin, end, size = first_at, last_at, 0
        chunk.append(entry)
        size += more
        end = max(end, last_at)
    if chunk:
        yield Part(begin, end, size, chunk)


def _measured(entry: Entry, number: int) -> tuple[int, int, int, int, Entry]:
    """When it began, its place among those of the same time, when it ended, bytes of its messages, itself."""
    if isinstance(entry, Run):
        return int(entry.started_at * 1000), number, int(entry.ended_at * 1000), RUN_BYTES, entry
    return entry[0], number, entry[0], len(entry[1]), entry


def encode(entries: Sequence[Entry]) -> bytes:
    plain = [entry[:] for entry in entries]  # a Run is a tuple of a kind that orjson does not take
    try:
        text = orjson.dumps(plain)
    except TypeError:  # a lone surrogate, which UTF-8 cannot say: one such line must not stop the others
        text = orjson.dumps([[_sayable(value) for value in entry] for entry in plain])
    return compress(text)


def _sayable(value: Any) -> Any:
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def merged(chunks: Iterable[Chunk], *, newest_first: bool = False) -> Iterator[LogEvent]:
    """The events of chunks that may overlap, as one sequence in order of time.

    `chunks` come sorted by `first_at`, or by falling `last_at` when the newest go first; they are read no
    further than the caller reads on.
    """
    sign = -1 if newest_first else 1
    waiting: list[tuple[tuple[int, ...], LogEvent]] = []
    for chunk in chunks:
        bound = sign * (chunk.last_at if newest_first else chunk.first_at)
        while waiting and waiting[0][0][0] < bound:
            yield heapq.heappop(waiting)[1]
        for event in chunk.events():
            heapq.heappush(waiting, (tuple(sign * part for part in event.position), event))
    while waiting:
        yield heapq.heappop(waiting)[1]


_MAKE_GROUP = "INSERT INTO log_groups (account, region, name, created_at) VALUES (?, ?, ?, ?)"
_GROW_STREAM = (
    "INSERT INTO log_streams (group_id, name, created_at, first_at, last_at, ingested_at)"
    " SELECT group_id, ?, ?, ?, ?, ? FROM log_groups WHERE account = ? AND region = ? AND name = ?"
    " ON CONFLICT (group_id, name) DO UPDATE SET ingested_at = excluded.ingested_at,"
    " first_at = MIN(COALESCE(first_at, excluded.first_at), excluded.first_at),"
    " last_at = MAX(COALESCE(last_at, excluded.last_at), excluded.last_at)"
    " RETURNING group_id, stream_id"  # nothing where the group is missing
)


def insert(tx: Transaction, key: StreamKey, entries: Iterable[Entry], now_ms: int) -> None:
    """Write one stream's entries; it and its group come into being with their first."""
    parts = list(split(entries))
    if not parts:
        return
    grown = (key.name, now_ms, parts[0].first_at, parts[-1].last_at, now_ms, *key.group)
    rows = tx.execute(_GROW_STREAM, grown)
    if not rows:
        tx.execute(_MAKE_GROUP, (*key.group, now_ms))
        rows = tx.execute(_GROW_STREAM, grown)
    ((group_id, stream_id),) = rows
    tx.execute_many(
        "INSERT INTO log_chunks (group_id, stream_id, first_at, last_at, ingested_at, size, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (group_id, stream_id, part.first_at, part.last_at, now_ms, part.size, encode(part.entries))
            for part in parts
        ],
    )
