"""What the demo has to say at its end: the year, what loading it took, and what that would cost."""

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.flights import view
from scripts.flights.view import Month


def show(
    result: Mapping[str, Any], months: Sequence[Month], bill: Mapping[str, Any], waits_ms: Sequence[float]
) -> None:
    lines = [
        "",
        *view.year(months),
        "",
        *view.table([*_work(result, bill, waits_ms), *_cost(result, bill)]),
        "",
    ]
    print("\n".join(lines), flush=True)


def _work(
    result: Mapping[str, Any], bill: Mapping[str, Any], waits_ms: Sequence[float]
) -> list[tuple[str, str, str]]:
    rate = result["rows"] / result["seconds"]
    once = f"by {result['ledger']} ledger rows, {result['duplicates']} duplicates"
    probes = f"median of {len(waits_ms)}; slowest {max(waits_ms):.0f} ms"
    return [
        ("files uploaded", f"{result['files']:,}", "gzip CSV, one a day"),
        ("events accepted", f"{result['events']:,}", f"{bill['total']['cold_starts']} cold starts"),
        ("flights loaded", f"{result['rows']:,}", once),
        ("first PUT to last commit", f"{result['seconds']:.1f} s", f"{rate:,.0f} rows a second"),
        ("one PUT to its rows", f"{result['p50_put_to_rows_ms']:.0f} ms", probes),
    ]


def _cost(result: Mapping[str, Any], bill: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    now, then = bill["total"]["per_1_ms"], bill["total"]["per_100_ms"]
    month = result["ec2_usd_month"]
    where = f"{bill['prices']['region']}, requests included, no free tier"
    return [
        ("the same on AWS Lambda", f"${now['cost_usd']:.6f}", f"{now['gb_seconds']:.1f} GB-s; {where}"),
        (
            "  billed by 100 ms",
            f"${then['cost_usd']:.6f}",
            f"{then['gb_seconds']:.1f} GB-s; as until 2020",
        ),
        (
            f"an always-on {bill['server']['type']}",
            f"${month:.2f}",
            f"a month, {month / now['cost_usd']:,.0f} times the year above",
        ),
    ]
