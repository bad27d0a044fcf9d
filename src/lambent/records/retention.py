"""Retention: what keeps the records from growing without end."""

import time
from dataclasses import dataclass

from lambent.store.base import Transaction

DAY_S = 24 * 3600
DAY_MS = DAY_S * 1000
CHUNKS_PER_STEP = 500
ROWS_PER_STEP = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How much is kept. The oldest go first; the meter's sums by the hour stay for ever."""

    log_days: int = 30
    log_bytes: int = 2 * 1024**3  # of messages, before compression
    meter_days: int = 90
    meter_rows: int = 5_000_000


def prune(tx: Transaction, retention: Retention) -> bool:
    """Take one bounded step; True when there may be more to do."""
    now = time.time()
    steps = (
        _expire_logs(tx, retention, int(now * 1000)),
        _shrink_logs(tx, retention),
        _expire_meter(tx, retention, now),
    )
    return any(steps)


def _expire_logs(tx: Transaction, retention: Retention, now_ms: int) -> bool:
    more = False
    for group_id, days in tx.execute("SELECT group_id, retention_days FROM log_groups"):
        cutoff = now_ms - min(days or retention.log_days, retention.log_days) * DAY_MS
        gone = tx.execute(
            "DELETE FROM log_chunks WHERE chunk_id IN (SELECT chunk_id FROM log_chunks"
            " WHERE group_id = ? AND first_at < ? AND last_at < ? LIMIT ?) RETURNING chunk_id",
            (group_id, cutoff, cutoff, CHUNKS_PER_STEP),
        )
        more = more or len(gone) == CHUNKS_PER_STEP
        # An instance has a stream of its own, so empty ones would pile up.
        tx.execute(
            "DELETE FROM log_streams WHERE group_id = ? AND last_at < ? AND NOT EXISTS"
            " (SELECT 1 FROM log_chunks c WHERE c.stream_id = log_streams.stream_id)",
            (group_id, cutoff),
        )
    return more


def _shrink_logs(tx: Transaction, retention: Retention) -> bool:
    ((stored,),) = tx.execute("SELECT COALESCE(SUM(stored_bytes), 0) FROM log_groups")
    if stored <= retention.log_bytes:
        return False
    tx.execute(
        "DELETE FROM log_chunks WHERE chunk_id IN"
        " (SELECT chunk_id FROM log_chunks ORDER BY chunk_id LIMIT ?)",
        (CHUNKS_PER_STEP,),
    )
    return True


def _expire_meter(tx: Transaction, retention: Retention, now: float) -> bool:
    """Chunks come in order of their invocations' ends, so the oldest are in front; they go whole."""
    ((first, last),) = tx.execute(
        "SELECT COALESCE(MIN(last_row), 1), COALESCE(MAX(last_row), 0) FROM meter_chunks"
    )
    cutoff = now - retention.meter_days * DAY_S
    # The plus keeps SQLite from its index on the time: the first chunk that it comes to is the answer.
    kept = tx.execute(
        "SELECT last_row FROM meter_chunks WHERE +last_at >= ? ORDER BY last_row LIMIT 1", (cutoff,)
    )
    end = max(kept[0][0] if kept else last + 1, last + 1 - retention.meter_rows)
    step = min(end, first + ROWS_PER_STEP)
    tx.execute("DELETE FROM meter_chunks WHERE last_row < ?", (step,))
    return bool(step < end)
