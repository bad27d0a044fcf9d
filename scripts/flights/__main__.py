"""Runs the demo: start, deploy, upload, wait, show. Its last line is one JSON object."""

import argparse
import json
import os
import signal
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config
from scripts.flights import measure, report, year
from scripts.flights.measure import Meter, Stuck, Warehouse
from scripts.flights.node import Node, started
from scripts.flights.view import Progress, dim
from scripts.flights.year import Day

BUCKET = "flights"
DAILY, PROBE = "daily/", "probe/"
UPLOADS_AT_ONCE = 4
ARRIVE_S = 120
PROBES = 20
EXAMPLE = "examples/flights"
RUNTIME = f"python3.{sys.version_info.minor}"  # its libraries were fetched at set-up
FUNCTION = {"memory": "512", "timeout": "60", "runtime": RUNTIME}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the node up, and say how to reach it")
    keep = parser.parse_args().keep
    folder = year.cache_folder()
    if not year.is_cut(folder):
        say(f"downloading a year of flights and cutting it into {year.DAYS} files, in {folder}")
    days = year.days(folder)
    with started(keep=keep) as node:
        result = run(node, days)
        if keep:
            print_way_in(node)
    print(json.dumps(result, separators=(",", ":")))


def run(node: Node, days: Sequence[Day]) -> dict[str, Any]:
    exports = node.run("env")
    say(f"a node runs at {exports['AWS_ENDPOINT_URL']}")
    deploy(node, "flights", f"s3://{BUCKET}/{DAILY}*.csv.gz", "flights")
    deploy(node, "flights-probe", f"s3://{BUCKET}/{PROBE}*.csv.gz", "flights_probe")
    s3 = boto3.client(
        "s3",
        endpoint_url=exports["AWS_ENDPOINT_URL"],
        aws_access_key_id=exports["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=exports["AWS_SECRET_ACCESS_KEY"],
        region_name=exports["AWS_DEFAULT_REGION"],
        config=Config(s3={"addressing_style": "path"}, max_pool_connections=UPLOADS_AT_ONCE, proxies={}),
    )
    warehouse = Warehouse(node.warehouse())
    meter = Meter(exports)
    try:
        seconds = load(s3, warehouse, days)
        bill = meter.of("flights", len(days), within_s=10)
        whole = measure.sum_up(warehouse, DAILY, days)
        waits_ms = probe(s3, warehouse, days)
    finally:
        warehouse.close()
    result = {
        "files": len(days),
        "events": len(measure.events(bill)),
        "rows": whole.rows,
        "sum_distance": whole.sum_distance,
        "sum_arr_delay": whole.sum_arr_delay,
        "ledger": whole.ledger,
        "duplicates": whole.duplicates,
        "seconds": round(seconds, 2),
        "p50_put_to_rows_ms": round(statistics.median(waits_ms), 1),
        "gb_seconds": round(bill["total"]["per_1_ms"]["gb_seconds"], 3),
        "cost_usd": round(bill["total"]["per_1_ms"]["cost_usd"], 6),
        "ec2_usd_month": round(bill["server"]["usd_month"], 2),
    }
    report.show(result, whole.months, bill, waits_ms)
    return result


def deploy(node: Node, name: str, trigger: str, table: str) -> None:
    options = [f"--{option}={value}" for option, value in FUNCTION.items()]
    done = node.run(
        "deploy", EXAMPLE, f"--name={name}", f"--on={trigger}", f"--env=FLIGHTS_TABLE={table}", *options
    )
    say(f"deployed {EXAMPLE} as {done['name']} ({done['runtime']}), started by {trigger}")


def load(s3: Any, warehouse: Warehouse, days: Sequence[Day]) -> float:
    """Upload the year and wait for it; seconds from the first PUT to the last commit."""
    total = sum(day.rows for day in days)
    progress = Progress("flights in the warehouse", total, sys.stderr)
    began = time.perf_counter()
    with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
        uploads = [pool.submit(put, s3, f"{DAILY}{day.name}", day) for day in days]
        rows, took = 0, 0.0
        while rows < total:
            if took > ARRIVE_S:
                raise Stuck(f"{rows:,} of {total:,} rows were in the warehouse after {ARRIVE_S} s")
            sent = [upload for upload in uploads if upload.done()]
            for upload in sent:
                upload.result()
            looked = time.perf_counter()
            rows = warehouse.size("flights")
            took = time.perf_counter() - began
            progress.show(rows, f"{len(sent)} files sent, {took:.0f} s", last=rows >= total)
            # Looking costs as well: no more than a tenth of the time.
            time.sleep(max(measure.POLL_S, 10 * (time.perf_counter() - looked)) if rows < total else 0)
    return took


def put(s3: Any, key: str, day: Day) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=day.body)


def probe(s3: Any, warehouse: Warehouse, days: Sequence[Day]) -> list[float]:
    """Milliseconds from a PUT's start until another session sees its rows, one file after the other."""
    waits, loaded = [], 0
    for number, day in enumerate(days[:PROBES]):
        loaded += day.rows
        key = f"{PROBE}{number:02}-{day.name}"
        began = time.perf_counter()
        sending = threading.Thread(target=put, args=(s3, key, day))
        sending.start()
        while warehouse.size("flights_probe") < loaded:
            if time.perf_counter() - began > ARRIVE_S:
                raise Stuck(f"{key} was not in the warehouse after {ARRIVE_S} s")
        waits.append((time.perf_counter() - began) * 1000)
        sending.join()
    return waits


def print_way_in(node: Node) -> None:
    print(f"The node is up (pid {node.process.pid}); Ctrl-C does not reach it. Its data is in {node.data}")
    print(
        f'  eval "$(lambent env --data {node.data})"   then any AWS tool, or lambent ls, lambent logs flights'
    )
    print(f"  kill {node.process.pid}                       stops it\n", flush=True)


def say(line: str) -> None:
    print(dim(line) if sys.stderr.isatty() else line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    os.environ.pop("AWS_PROFILE", None)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the node is stopped on the way out
    try:
        main()
    except Stuck as error:
        sys.exit(f"the demo failed: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
