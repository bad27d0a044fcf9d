"""The meter's rows and sums."""

import time
from typing import Any

from lambent.records.meter import HOUR_S, MeterRow, Query
from lambent.records.records import Records
from lambent.records.retention import Retention, prune

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


async def test_more_rows_than_one_statement_takes(records: Records) -> None:
    for number in range(1001):
        records.meter.add(row(number))
    (total,) = await records.meter.totals(ALL)
    assert total.requests == 1001


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


async def test_folding_old_rows_into_hours_keeps_the_totals(records: Records) -> None:
    for number in range(60):
        records.meter.add(
            row(number, started_at=number * HOUR_S / 10, status="error" if number % 7 else "success")
        )
    before = await records.meter.totals(ALL)
    few = Retention(meter_rows=20, meter_days=1_000_000)
    assert await records._database.write(lambda tx: prune(tx, few))
    assert await records.meter.totals(ALL) == before
    left = await records.meter.rows(ALL)
    assert [r.request_id for r in left] == [f"id-{n}" for n in range(40, 60)]
    assert not await records._database.write(lambda tx: prune(tx, few))


async def test_rows_that_are_old_are_folded(records: Records) -> None:
    records.meter.add(row(1, started_at=0.0))
    records.meter.add(row(2, started_at=time.time()))
    before = await records.meter.totals(ALL)
    await records._database.write(lambda tx: prune(tx, Retention()))
    assert [r.request_id for r in await records.meter.rows(ALL)] == ["id-2"]
    assert await records.meter.totals(ALL) == before
    (since,) = await records.meter.totals(Query(account=ACCOUNT, since=HOUR_S))
    assert since.requests == 1
