"""How it grows: cold and warm calls beside ever more functions, and calls with ever larger payloads."""

import json
import socket
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import node
from benchmarks.calls import connected, received
from benchmarks.chart import Chart, page
from benchmarks.node import Node
from benchmarks.stats import finish, machine, percentile, say

ECHO = """
def handler(event, context):
    return event
"""

MEMORY_MB = 1769
FUNCTIONS = (1, 100, 5000)
COLD = 40  # functions at each point
WARM = 500  # calls
PAYLOADS = {1024: ("1 KB", 300), 100 * 1024: ("100 KB", 200), 6 * 1024 * 1024: ("6 MB", 24)}  # and calls
DEPLOYING = 8  # at once
READY_S = 120


def deploy(running: Node, names: Sequence[str]) -> None:
    """Functions of one package; they are active when the last one is."""
    client = running.client()
    given = {
        "Runtime": node.RUNTIME,
        "Role": node.ROLE,
        "Handler": "handler.handler",
        "MemorySize": MEMORY_MB,
        "Timeout": 30,
        "Code": {"ZipFile": node.zip_of(ECHO)},
    }
    with ThreadPoolExecutor(DEPLOYING) as pool:
        list(pool.map(lambda name: client.create_function(FunctionName=name, **given), names))
    deadline = time.monotonic() + READY_S
    for name in names[-DEPLOYING:]:
        while client.get_function_configuration(FunctionName=name)["State"] == "Pending":
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} is still Pending")
            time.sleep(0.02)


def times_ms(connection: socket.socket, requests: Sequence[bytes]) -> list[float]:
    """Of calls one after the other."""
    taken = []
    for request in requests:
        began = time.perf_counter()
        connection.sendall(request)
        received(connection)
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def summary(taken: Sequence[float]) -> dict[str, float]:
    return {"p50_ms": round(percentile(taken, 50), 3), "p99_ms": round(percentile(taken, 99), 3)}


def beside(running: Node, deployed: int, total: int) -> dict[str, Any]:
    """Cold and warm calls when there are `total` functions; `deployed` are there already."""
    names = [f"growth-{number}" for number in range(deployed, total)]
    began = time.monotonic()
    deploy(running, names)
    say(f"{total} functions, the last {len(names)} deployed in {time.monotonic() - began:.1f} s")
    fresh = [f"fresh-{total}-{number}" for number in range(COLD)]
    deploy(running, fresh)
    with connected(running.port) as connection:
        cold = times_ms(connection, [running.signer.invoke(name, b"1") for name in fresh])
        call = running.signer.invoke(fresh[-1], b'{"name": "caller"}')
        warm = times_ms(connection, [call] * WARM)
    point = {"functions": total, "cold": summary(cold), "warm": summary(warm)}
    say(json.dumps(point))
    return point


def with_payload(running: Node, size: int, name: str, calls: int) -> dict[str, Any]:
    """Calls of a handler that gives back what it gets."""
    payload = b'"' + b"x" * (size - 2) + b'"'
    request = running.signer.invoke("growth-0", payload)
    with connected(running.port) as connection:
        times_ms(connection, [request] * 3)
        taken = times_ms(connection, [request] * calls)
    point = {"bytes": size, "name": name, **summary(taken)}
    say(json.dumps(point))
    return point


def charts(beside_functions: Sequence[dict[str, Any]], payloads: Sequence[dict[str, Any]]) -> list[Chart]:
    counts = {point["functions"]: f"{point['functions']:,}" for point in beside_functions}

    def lines(kind: str) -> dict[str, list[tuple[float, float]]]:
        return {
            name: [(point["functions"], point[kind][f"{name}_ms"]) for point in beside_functions]
            for name in ("p99", "p50")
        }

    sizes = {point["bytes"]: point["name"] for point in payloads}
    by_size = {name: [(point["bytes"], point[f"{name}_ms"]) for point in payloads] for name in ("p99", "p50")}
    return [
        Chart("First call of a function", "functions deployed", "ms", counts, lines("cold")),
        Chart("Warm call", "functions deployed", "ms", counts, lines("warm")),
        Chart("Warm call, there and back", "payload each way", "ms", sizes, by_size),
    ]


def main() -> None:
    before = machine()
    with node.started() as running:
        points, deployed = [], 0
        for total in FUNCTIONS:
            points.append(beside(running, deployed, total))
            deployed = total
        payloads = [with_payload(running, size, *given) for size, given in PAYLOADS.items()]
        isolation = running.isolation
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(page(charts(points, payloads)))
    first, last = points[0], points[-1]
    finish(
        {
            "benchmark": "growth",
            "cold_ratio": round(last["cold"]["p50_ms"] / first["cold"]["p50_ms"], 2),
            "warm_ratio": round(last["warm"]["p50_ms"] / first["warm"]["p50_ms"], 2),
            "functions": points,
            "payloads": payloads,
            "isolation": isolation,
            "machine": before,
        }
    )


if __name__ == "__main__":
    main()
