"""The meter's rows as they lie on disk: chunks of what one flush brought, and sums by the hour.

A chunk's body is JSON, compressed where that is worth it: a list of rows, each as the fields of `MeterRow`.
"""

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import orjson

from lambent.model.function import Version
from lambent.model.invocation import TIMED_OUT, Run
from lambent.records.compression import compress
from lambent.records.prices import FREE_TMP_MB
from lambent.store.base import Transaction

HOUR_S = 3600
COARSE_MS = 100  # what AWS rounded up to before December 2020
CHUNK_ROWS = 10_000
COMPRESSED_BYTES = 1000  # a shorter body stays as it is


class Key(NamedTuple):
    """What is summed apart."""

    hour: int  # since the epoch
    account: str
    region: str
    name: str
    architecture: str
    source: str


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


class Sums(NamedTuple):
    """What rows come to. Coarse: as if billed by 100 ms."""

    requests: int
    errors: int
    cold_starts: int
    billed_ms: int
    mb_ms: int
    coarse_mb_ms: int
    tmp_mb_ms: int
    coarse_tmp_mb_ms: int

    def plus(self, other: "Sums") -> "Sums":
        return Sums(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


NOTHING = Sums(0, 0, 0, 0, 0, 0, 0, 0)
_COLUMNS = ", ".join((*Key._fields, *Sums._fields))
_MARKS = ", ".join("?" * (len(Key._fields) + len(Sums._fields)))
_RAISED = ", ".join(f"{column} = {column} + excluded.{column}" for column in Sums._fields)


def sums(rows: Iterable[MeterRow]) -> dict[Key, Sums]:
    """Rows summed up. Few differ in what is summed, so those that are alike are counted first."""
    alike = Counter(
        (
            (int(row.started_at // HOUR_S), row.account, row.region, row.name, row.architecture, row.source),
            (row.status == "success", row.init_ms is None, row.billed_ms, row.memory_mb, row.tmp_mb),
        )
        for row in rows
    )
    found: defaultdict[Key, Sums] = defaultdict(lambda: NOTHING)
    for (key, (good, warm, billed_ms, memory_mb, tmp_mb)), count in alike.items():
        coarse_ms, tmp_mb = -(-billed_ms // COARSE_MS) * COARSE_MS, max(tmp_mb - FREE_TMP_MB, 0)
        times, more = (1, not good, not warm, billed_ms), (billed_ms * tmp_mb, coarse_ms * tmp_mb)
        one = (*times, billed_ms * memory_mb, coarse_ms * memory_mb, *more)
        found[Key(*key)] = found[Key(*key)].plus(Sums(*(count * value for value in one)))
    return found


def insert(tx: Transaction, settled: Sequence[MeterRow | Settled]) -> None:
    """Write rows, and raise the sums of their hours."""
    rows = [one.row() if isinstance(one, Settled) else one for one in settled]
    accounts: defaultdict[str, list[MeterRow]] = defaultdict(list)
    for row in rows:
        accounts[row.account].append(row)
    for account, own in accounts.items():
        for begin in range(0, len(own), CHUNK_ROWS):
            _insert_chunk(tx, account, own[begin : begin + CHUNK_ROWS])
    tx.execute_many(
        f"INSERT INTO meter_hours ({_COLUMNS}) VALUES ({_MARKS}) ON CONFLICT DO UPDATE SET {_RAISED}",
        [(*key, *values) for key, values in sums(rows).items()],
    )


def _insert_chunk(tx: Transaction, account: str, rows: Sequence[MeterRow]) -> None:
    first_at = min(row.started_at for row in rows)
    last_at = max(row.started_at + row.duration_ms / 1000 for row in rows)
    tx.execute(
        "INSERT INTO meter_chunks (last_row, account, first_at, last_at, body)"
        " SELECT COALESCE(MAX(last_row), 0) + ?, ?, ?, ?, ? FROM meter_chunks",
        (len(rows), account, first_at, last_at, encode(rows)),
    )


def encode(rows: Iterable[MeterRow]) -> bytes:
    text = orjson.dumps([row[:] for row in rows])  # orjson takes plain tuples only
    return text if len(text) < COMPRESSED_BYTES else compress(text)


def decode(body: bytes) -> list[MeterRow]:
    text = body if body.startswith(b"[") else zlib.decompress(body)
    return [MeterRow(*fields) for fields in orjson.loads(text)]
