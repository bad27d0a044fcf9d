"""The node's own pages under /_lambent/: health for everybody, meter and status for those with a key."""

import math
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import orjson

from lambent.faces.http import Request, Response
from lambent.model.identity import Principal, PrincipalKind
from lambent.records.meter import Meter, Query, Total
from lambent.records.prices import US_EAST_1, Cost, Usage, cost, gb_seconds, server_usd_month
from lambent.records.rows import MeterRow

PREFIX = "/_lambent/"
ROWS = (1000, 10_000)  # default and most
SERVER = "t3.medium"

Live = Callable[[], Mapping[str, Any]]


class BadQuery(Exception):
    """A query parameter that cannot be used."""


class Admin:
    """`status` gives the node's live figures, `health` the few of them that anybody may see."""

    def __init__(self, meter: Meter, status: Live, health: Live) -> None:
        self._meter = meter
        self._status = status
        self._health = health

    async def __call__(self, request: Request, principal: Principal) -> Response:
        page = request.path.removeprefix(PREFIX)
        if request.method not in ("GET", "HEAD"):
            return _answer(405, {"message": f"{request.method} is not served here, only GET."})
        if page == "health":
            return _answer(200, {"status": "ok", **self._health()})
        if principal.kind is PrincipalKind.ANONYMOUS:
            return _answer(403, {"message": "Sign the request with a key of this node (SigV4)."})
        try:
            if page == "status":
                return _answer(200, self._status())
            if page == "meter":
                return _answer(200, await self._meter_page(principal.account, request.query))
        except BadQuery as error:
            return _answer(400, {"message": str(error)})
        return _answer(404, {"message": f"{PREFIX} has health, meter and status, but no {page!r}."})

    async def _meter_page(self, account: str, text: str) -> dict[str, Any]:
        given = dict(parse_qsl(text))
        query = Query(
            account=account,
            name=given.pop("function", None),
            source=given.pop("source", None),
            since=_number(given, "since"),
            until=_number(given, "until"),
        )
        with_rows = given.pop("rows", "0") not in ("0", "")
        asked = _number(given, "limit")
        limit = ROWS[0] if asked is None else int(asked)
        given.pop("format", None)  # json is the only one
        if given:
            raise BadQuery(
                f"unknown parameter {min(given)}; known: function, source, since, until, rows, limit"
            )
        if not 0 < limit <= ROWS[1]:
            raise BadQuery(f"limit must lie between 1 and {ROWS[1]}, not {limit}")
        totals = await self._meter.totals(query)
        rows = await self._meter.rows(query, limit) if with_rows else []
        return {**summary(totals), "dropped_rows": self._meter.dropped, "rows": [_row(row) for row in rows]}


def summary(totals: Iterable[Total]) -> dict[str, Any]:
    """Totals by function and source and of all, at today's and at the historical granularity."""
    each = list(totals)
    month = server_usd_month(SERVER)
    return {
        "totals": [
            {
                "function": total.name,
                "region": total.region,
                "architecture": total.architecture,
                "source": total.source,
                **_sums([total]),
            }
            for total in each
        ],
        "total": _sums(each),
        "prices": {"region": US_EAST_1.region, "as_of": US_EAST_1.as_of, "source": US_EAST_1.source},
        "server": {"type": SERVER, "usd_month": float(month), "hours": 730},
    }


def _sums(totals: list[Total]) -> dict[str, Any]:
    return {
        "requests": sum(t.requests for t in totals),
        "errors": sum(t.errors for t in totals),
        "cold_starts": sum(t.cold_starts for t in totals),
        "billed_ms": sum(t.billed_ms for t in totals),
        "per_1_ms": _bill([t.usage for t in totals]),
        "per_100_ms": _bill([t.coarse_usage for t in totals]),
    }


def _bill(usages: list[Usage]) -> dict[str, float]:
    bill: Cost = cost(usages)
    used: Decimal = gb_seconds(sum(usage.mb_ms for usage in usages))
    return {
        "gb_seconds": float(used),
        "cost_usd": float(bill.total_usd),
        "compute_usd": float(bill.compute_usd),
        "requests_usd": float(bill.requests_usd),
        "tmp_usd": float(bill.tmp_usd),
    }


def _row(row: MeterRow) -> dict[str, Any]:
    return {"function": row.name, **{k: v for k, v in row._asdict().items() if k not in ("name", "account")}}


def _number(given: dict[str, str], name: str) -> float | None:
    """Take a number out of the query; times are seconds since the epoch."""
    text = given.pop(name, None)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadQuery(f"{name} must be a number, not {text!r}")
    return number


def _answer(status: int, content: Mapping[str, Any]) -> Response:
    body = orjson.dumps(content, default=str)
    return Response(status, [("Content-Type", "application/json")], body)
