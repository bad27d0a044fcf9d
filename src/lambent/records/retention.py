"""Retention: what keeps the records from growing without end."""

import time
from dataclasses import dataclass

from lambent.records.meter import HOUR_S, SUMMED, SUMS
from lambent.store.base import Transaction

DAY_MS = 24 * HOUR_S * 1000
CHUNKS_PER_STEP = 500
ROWS_PER_STEP = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How much is kept. Log events go, oldest first; meter rows are folded into hours, so totals stay."""

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
        _fold_meter(tx, retention, now),
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


def _fold_meter(tx: Transaction, retention: Retention, now: float) -> bool:
    end = _fold_end(tx, retention, now - retention.meter_days * 24 * HOUR_S)
    if end is None:
        return False
    keys = "account, region, name, architecture, source"
    raised = ", ".join(f"{column} = {column} + excluded.{column}" for column in SUMMED.split(", "))
    tx.execute(
        f"INSERT INTO meter_hours (hour, {keys}, {SUMMED})"
        f" SELECT CAST(started_at / {HOUR_S} AS INTEGER), {keys}, {SUMS} FROM meter WHERE row_id < ?"
        f" GROUP BY 1, {keys} ON CONFLICT DO UPDATE SET {raised}",
        (end,),
    )
    tx.execute("DELETE FROM meter WHERE row_id < ?", (end,))
    return True


def _fold_end(tx: Transaction, retention: Retention, cutoff: float) -> int | None:
    """The row before which rows are to be folded now; None when none are.

    Rows come in the order in which their invocations ended, so the oldest are in front.
    """
    ((first, last),) = tx.execute("SELECT MIN(row_id), MAX(row_id) FROM meter")
    if first is None:
        return None
    reach: int = first + ROWS_PER_STEP
    surplus = last - first + 1 - retention.meter_rows
    ((fresh,),) = tx.execute(
        "SELECT MIN(row_id) FROM meter WHERE row_id < ? AND started_at >= ?", (reach, cutoff)
    )
    end = max(reach if fresh is None else fresh, min(first + surplus, reach))
    return end if end > first else None
