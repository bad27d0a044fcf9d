"""The node's own pages."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lambent.faces.admin import Admin
from lambent.faces.http import Request
from lambent.model.identity import ANONYMOUS, Principal, PrincipalKind
from lambent.records.records import Records
from lambent.records.rows import MeterRow

ROOT = Principal(PrincipalKind.ROOT, "000000000000")
OTHER = Principal(PrincipalKind.ROOT, "111111111111")
NOW = 1_800_000_000.0


class NoBody:
    """The body of a GET."""

    length: int | None = 0

    async def read(self, limit: int) -> bytes:
        return b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self.length:
            yield b""


class Pages:
    """The admin face over records, called as the router calls it."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.admin = Admin(
            records.meter, lambda: {"instances": {"warm": 2}}, lambda: {"runtimes": ["python3.11"]}
        )

    async def get(
        self, page: str, query: str = "", principal: Principal = ROOT, method: str = "GET"
    ) -> tuple[int, Any]:
        request = Request(method, f"/_lambent/{page}", query, {}, NoBody())
        response = await self.admin(request, principal)
        assert isinstance(response.body, bytes)
        assert ("Content-Type", "application/json") in response.headers
        return response.status, json.loads(response.body)

    def ran(self, **changes: Any) -> None:
        row = MeterRow(
            request_id="id",
            account=ROOT.account,
            region="us-east-1",
            name="f",
            version="$LATEST",
            architecture="x86_64",
            source="api",
            attempt=1,
            status="success",
            memory_mb=1024,
            tmp_mb=512,
            started_at=NOW,
            duration_ms=1.5,
            billed_ms=2,
            init_ms=None,
            memory_peak_mb=40,
            tenant=None,
        )
        self.records.meter.add(row._replace(**changes))


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    records = await Records.open(tmp_path / "records.db")
    yield Pages(records)
    await records.close()


async def test_health_is_for_everybody(pages: Pages) -> None:
    assert await pages.get("health", principal=ANONYMOUS) == (
        200,
        {"status": "ok", "runtimes": ["python3.11"]},
    )


@pytest.mark.parametrize("page", ["status", "meter"])
async def test_the_rest_needs_a_key(pages: Pages, page: str) -> None:
    status, content = await pages.get(page, principal=ANONYMOUS)
    assert status == 403
    assert "Sign" in content["message"]


async def test_status_gives_live_figures(pages: Pages) -> None:
    assert await pages.get("status") == (200, {"instances": {"warm": 2}})


async def test_meter_sums_at_both_granularities_beside_a_server(pages: Pages) -> None:
    pages.ran(billed_ms=2)
    pages.ran(billed_ms=150, init_ms=100.0, status="error")
    status, content = await pages.get("meter")
    assert status == 200
    total = content["total"]
    assert (total["requests"], total["errors"], total["cold_starts"], total["billed_ms"]) == (2, 1, 1, 152)
    assert total["per_1_ms"]["gb_seconds"] == 0.152
    assert total["per_100_ms"]["gb_seconds"] == 0.3
    requests = 2 * Decimal("0.0000002")
    assert total["per_1_ms"]["cost_usd"] == float(Decimal("0.152") * Decimal("0.0000166667") + requests)
    assert total["per_100_ms"]["cost_usd"] == float(Decimal("0.3") * Decimal("0.0000166667") + requests)
    assert content["server"] == {"type": "t3.medium", "usd_month": 30.368, "hours": 730}
    assert content["rows"] == []


async def test_meter_by_function_and_source(pages: Pages) -> None:
    pages.ran()
    pages.ran(source="s3")
    pages.ran(name="g", architecture="arm64")
    _, content = await pages.get("meter")
    assert [(t["function"], t["source"], t["requests"]) for t in content["totals"]] == [
        ("f", "api", 1),
        ("f", "s3", 1),
        ("g", "api", 1),
    ]
    assert content["total"]["requests"] == 3
    _, narrowed = await pages.get("meter", "function=f&source=s3")
    assert narrowed["total"]["requests"] == 1


async def test_meter_since_and_until(pages: Pages) -> None:
    for at in (NOW, NOW + 10, NOW + 20):
        pages.ran(started_at=at)
    _, content = await pages.get("meter", f"since={NOW + 5}&until={NOW + 20}")
    assert content["total"]["requests"] == 1


async def test_meter_rows_when_asked(pages: Pages) -> None:
    for number in range(3):
        pages.ran(request_id=f"id-{number}", tenant="t")
    _, content = await pages.get("meter", "rows=1&limit=2")
    assert [row["request_id"] for row in content["rows"]] == ["id-1", "id-2"]
    assert content["rows"][0]["function"] == "f"
    assert content["rows"][0]["memory_mb"] == 1024
    assert content["rows"][0]["tenant"] == "t"


async def test_an_account_sees_its_own(pages: Pages) -> None:
    pages.ran()
    _, content = await pages.get("meter", "rows=1", principal=OTHER)
    assert content["total"]["requests"] == 0
    assert content["rows"] == []


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("since=yesterday", "since must be a number, not 'yesterday'"),
        ("until=nan", "until must be a number, not 'nan'"),
        ("limit=0", "limit must lie between 1 and 10000, not 0"),
        ("limit=10001", "limit must lie between 1 and 10000, not 10001"),
        ("color=red", "unknown parameter color"),
    ],
)
async def test_a_bad_query_is_named(pages: Pages, query: str, says: str) -> None:
    status, content = await pages.get("meter", query)
    assert status == 400
    assert says in content["message"]


async def test_other_pages_and_methods(pages: Pages) -> None:
    status, content = await pages.get("metre")
    assert status == 404
    assert "'metre'" in content["message"]
    assert (await pages.get("meter", method="POST"))[0] == 405
