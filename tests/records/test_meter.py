"""The meter's rows and sums."""

import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from tests.records.conftest import FOR_EVER

from lambent.model.function import Code, Version
from lambent.model.invocation import TIMED_OUT, Invocation, Outcome, Run
from lambent.model.names import FunctionKey, Target
from lambent.records import retention
from lambent.records.meter import CHUNKS_PER_READ, Query
from lambent.records.records import MIGRATIONS, Records
from lambent.records.retention import Retention, prune
from lambent.records.rows import CHUNK_ROWS, HOUR_S, MeterRow
from lambent.store.sqlite import migrate

ACCOUNT = "000000000000"
ALL = Query(account=ACCOUNT)


def row(number: int = 0, **changes: Any) -> MeterRow:
    usual = MeterRow(
        request_id=f"id-{number}",
        account=ACCOUNT,
        region="us-east-1",
        name="f",
        version="$LATEST",
        architecture="x86_64",
        source="api",
        attempt=1,
        status="success",
        memory_mb=128,
        tmp_mb=512,
        started_at=1000.0 + number,
        duration_ms=1.5,
        billed_ms=2,
        init_ms=None,
        memory_peak_mb=40,
        tenant=None,
    )
    return usual._replace(**changes)


async def test_rows_come_back_as_they_went_in(records: Records) -> None:
    rows = [row(1), row(2, init_ms=110.25, tenant="t", status="error"), row(3, source="s3", attempt=2)]
    for one in rows:
        records.meter.add(one)
    assert await records.meter.rows(ALL) == rows


async def test_the_newest_rows_are_kept_by_a_limit(records: Records) -> None:
    for number in range(5):
        records.meter.add(row(number))
    assert [r.request_id for r in await records.meter.rows(ALL, limit=2)] == ["id-3", "id-4"]


async def test_more_rows_than_one_chunk_takes(records: Records) -> None:
    for number in range(CHUNK_ROWS + 1):
        records.meter.add(row(number))
    (total,) = await records.meter.totals(ALL)
    assert total.requests == CHUNK_ROWS + 1
    assert [r.request_id for r in await records.meter.rows(ALL, limit=2)] == ["id-9999", "id-10000"]


async def test_more_chunks_than_one_read_takes(records: Records) -> None:
    count = 2 * CHUNKS_PER_READ + 1
    for number in range(count):
        records.meter.add(row(number))
        await records.flush()
    found = await records.meter.rows(ALL)
    assert [r.request_id for r in found] == [f"id-{n}" for n in range(count)]


async def test_totals_at_both_granularities(records: Records) -> None:
    records.meter.add(row(billed_ms=1))
    records.meter.add(row(billed_ms=100, status="timeout"))
    records.meter.add(row(billed_ms=101, init_ms=90.0, tmp_mb=1024))
    (total,) = await records.meter.totals(ALL)
    assert (total.requests, total.errors, total.cold_starts) == (3, 1, 1)
    assert total.billed_ms == 202
    assert total.mb_ms == 202 * 128
    assert total.coarse_mb_ms == (100 + 100 + 200) * 128
    assert total.tmp_mb_ms == 101 * 512
    assert total.coarse_tmp_mb_ms == 200 * 512
    assert total.usage.mb_ms < total.coarse_usage.mb_ms


async def test_totals_are_by_function_architecture_and_source(records: Records) -> None:
    for one in (row(), row(source="s3"), row(name="g"), row(architecture="arm64"), row(region="eu-west-1")):
        records.meter.add(one)
    keys = [(t.region, t.name, t.architecture, t.source) for t in await records.meter.totals(ALL)]
    assert keys == [
        ("eu-west-1", "f", "x86_64", "api"),
        ("us-east-1", "f", "arm64", "api"),
        ("us-east-1", "f", "x86_64", "api"),
        ("us-east-1", "f", "x86_64", "s3"),
        ("us-east-1", "g", "x86_64", "api"),
    ]


async def test_queries_narrow(records: Records) -> None:
    for number in range(4):
        records.meter.add(row(number))
    records.meter.add(row(2, name="g", source="s3"))
    records.meter.add(row(2, account="111111111111"))

    async def ids(**changes: Any) -> list[str]:
        query = Query(account=changes.pop("account", ACCOUNT), **changes)
        found = await records.meter.rows(query)
        assert sum(t.requests for t in await records.meter.totals(query)) == len(found)
        return [r.request_id for r in found]

    assert await ids(name="g") == ["id-2"]
    assert await ids(source="s3") == ["id-2"]
    assert await ids(name="f", since=1001.0, until=1003.0) == ["id-1", "id-2"]
    assert await ids(account="111111111111") == ["id-2"]
    assert await ids(account="222222222222") == []


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (None, None),
        (0.5, None),
        (None, 9.5),
        (1, 3),
        (1.2, 1.7),
        (1.2, 2.1),
        (0.9, 4.3),
        (2, 2),
        (3, 1),
        (20, 30),
    ],
)
async def test_totals_of_any_time_agree_with_the_rows(
    records: Records, since: float | None, until: float | None
) -> None:
    for number in range(100):
        records.meter.add(row(number, started_at=number * HOUR_S / 10, billed_ms=number))
    query = Query(
        account=ACCOUNT,
        since=None if since is None else since * HOUR_S,
        until=None if until is None else until * HOUR_S,
    )
    found = await records.meter.rows(query)
    totals = await records.meter.totals(query)
    assert sum(t.requests for t in totals) == len(found)
    assert sum(t.billed_ms for t in totals) == sum(r.billed_ms for r in found)


async def test_sums_grow_with_every_flush(records: Records) -> None:
    for _ in range(3):
        records.meter.add(row(billed_ms=5))
        records.meter.add(row(billed_ms=7, source="s3"))
        await records.flush()
    assert [(t.source, t.requests, t.billed_ms) for t in await records.meter.totals(ALL)] == [
        ("api", 3, 15),
        ("s3", 3, 21),
    ]


async def test_surplus_rows_go_and_the_totals_stay(records: Records) -> None:
    for number in range(60):
        records.meter.add(row(number, status="error" if number % 7 else "success"))
        if number % 10 == 9:
            await records.flush()
    before = await records.meter.totals(ALL)
    few = Retention(meter_rows=15, meter_days=1_000_000)
    assert not await records._database.write(lambda tx: prune(tx, few))
    assert [r.request_id for r in await records.meter.rows(ALL)] == [f"id-{n}" for n in range(40, 60)]
    assert await records.meter.totals(ALL) == before


async def test_rows_go_in_steps(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "ROWS_PER_STEP", 30)
    for number in range(60):
        records.meter.add(row(number))
        if number % 10 == 9:
            await records.flush()
    none = Retention(meter_rows=0, meter_days=1_000_000)
    assert await records._database.write(lambda tx: prune(tx, none))
    assert len(await records.meter.rows(ALL)) == 30
    assert not await records._database.write(lambda tx: prune(tx, none))
    assert await records.meter.rows(ALL) == []


async def test_old_rows_go_and_the_totals_stay(records: Records) -> None:
    records.meter.add(row(1, started_at=0.0))
    await records.flush()
    records.meter.add(row(2, started_at=time.time()))
    before = await records.meter.totals(ALL)
    await records._database.write(lambda tx: prune(tx, Retention()))
    assert [r.request_id for r in await records.meter.rows(ALL)] == ["id-2"]
    assert await records.meter.totals(ALL) == before


async def test_rows_after_all_are_gone_are_summed_once(records: Records) -> None:
    gone = Retention(meter_rows=0)
    for _ in range(2):
        records.meter.add(row(started_at=time.time()))
        await records.flush()
        await records._database.write(lambda tx: prune(tx, gone))
    (total,) = await records.meter.totals(ALL)
    assert total.requests == 2


@pytest.mark.parametrize(
    ("error_type", "status"), [(None, "success"), ("ValueError", "error"), (TIMED_OUT, "timeout")]
)
async def test_a_run_becomes_a_row(records: Records, error_type: str | None, status: str) -> None:
    version = Version(
        key=FunctionKey(ACCOUNT, "us-east-1", "f"),
        code=Code("d", 1, "s"),
        runtime="python3.11",
        handler="h.f",
        role="arn:aws:iam::000000000000:role/r",
        tmp_mb=1024,
    )
    call = Invocation("id-7", Target(version.key), b"{}", source="s3", attempt=2, tenant="t")
    run = Run("id-7", "$LATEST", 1007.0, 1008.0, 1.5, 2, 128, 40, 110.25, error_type=error_type)
    records.meter.settle(version, call, Outcome(b"", "$LATEST", run=run))
    assert await records.meter.rows(ALL) == [
        row(7, source="s3", attempt=2, tenant="t", status=status, tmp_mb=1024, init_ms=110.25)
    ]


async def test_rows_of_an_older_schema_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    old = sqlite3.connect(path, isolation_level=None)
    migrate(old, MIGRATIONS[:2])
    rows = [row(n, account=ACCOUNT if n % 3 else "111111111111", init_ms=n / 4) for n in range(2500)]
    marks = ", ".join("?" * len(MeterRow._fields))
    old.execute("BEGIN")
    old.executemany(f"INSERT INTO meter ({', '.join(MeterRow._fields)}) VALUES ({marks})", rows)
    old.execute("COMMIT")
    old.close()
    records = await Records.open(path, FOR_EVER)
    records.meter.add(row(2500))
    found = await records.meter.rows(ALL, limit=10_000)
    assert found == [one for one in [*rows, row(2500)] if one.account == ACCOUNT]
    await records.close()
