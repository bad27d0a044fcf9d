"""Warm calls: synchronous Invoke through the real API against functions-framework on the same handler."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks import functions_framework, node, wrk
from benchmarks.functions_framework import Rival
from benchmarks.node import Node
from benchmarks.stats import abba, finish, machine, middle, say

HANDLER = """
def handler(event, context):
    return {"number": event["number"], "greeting": "Hello, " + event["name"]}
"""

FUNCTION = "warm"
MEMORY_MB = 1769
REQUESTS = 2000  # all different, and so are their signatures
POINTS = {16: 7, 1: 5}  # connections: seconds of a run
WARM_UP_S = 2
ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one side."""

    side: str
    load: wrk.Load
    cpu_us: float  # a request

    def members(self) -> dict[str, Any]:
        return {"side": self.side, **asdict(self.load), "cpu_us": round(self.cpu_us, 1)}


def payloads() -> list[bytes]:
    return [json.dumps({"number": n, "name": f"caller {n}"}).encode() for n in range(REQUESTS)]


def measure(side: str, started: Node | Rival, requests: list[bytes], connections: int, seconds: int) -> Run:
    cpu_s = started.cpu_s()
    load = wrk.run(started.port, requests, connections, seconds)
    run = Run(side, load, (started.cpu_s() - cpu_s) / load.requests * 1e6)
    say(f"{side:20} c={connections:<3} {load.rps:9.1f}/s  p50 {load.p50_us} µs  p99 {load.p99_us} µs"
        f"  cpu {run.cpu_us:.0f} µs")  # fmt: skip
    return run


def ours(running: Node, connections: int, seconds: int) -> Callable[[], Run]:
    def run() -> Run:  # signed just before: a signature is good for five minutes
        requests = [running.signer.invoke(FUNCTION, payload) for payload in payloads()]
        return measure("lambent", running, requests, connections, seconds)

    return run


def theirs(rival: Rival, connections: int, seconds: int) -> Callable[[], Run]:
    requests = [rival.request(payload) for payload in payloads()]
    return lambda: measure("functions-framework", rival, requests, connections, seconds)


def check(running: Node, client: Any, runs: list[Run]) -> None:
    """The answer is the handler's, and the node metered every call."""
    answer = client.invoke(FunctionName=FUNCTION, Payload=b'{"number": 7, "name": "you"}')
    content = json.load(answer["Payload"])
    if content != {"number": 7, "greeting": "Hello, you"}:
        raise AssertionError(f"the function answered {content}")
    metered, sent = running.meter()["total"]["requests"], sum(run.load.requests for run in runs)
    if metered < sent:
        raise AssertionError(f"the meter has {metered} calls of {sent}")


def main() -> None:
    before = machine()
    with node.started() as running, functions_framework.started(HANDLER) as rival:
        client = running.client()
        running.deploy(client, FUNCTION, HANDLER, MEMORY_MB)
        check(running, client, [])
        pairs: dict[int, tuple[list[Run], list[Run]]] = {}
        for connections, seconds in POINTS.items():
            say(f"warming up, {connections} connections")
            ours(running, connections, WARM_UP_S)()
            theirs(rival, connections, WARM_UP_S)()
            pairs[connections] = abba(
                ROUNDS, ours(running, connections, seconds), theirs(rival, connections, seconds)
            )
        check(running, client, [run for pair in pairs.values() for run in pair[0]])
        isolation = running.isolation
    many, rival_many = pairs[16]
    one, rival_one = pairs[1]
    rps, rival_rps = (middle(run.load.rps for run in runs) for runs in (many, rival_many))
    finish(
        {
            "benchmark": "warm",
            "ratio": round(rps / rival_rps, 2),
            "rps": rps,
            "rival_rps": rival_rps,
            "p50_us": middle(run.load.p50_us for run in one),
            "rival_p50_us": middle(run.load.p50_us for run in rival_one),
            "p99_us": middle(run.load.p99_us for run in many),
            "cpu_us_per_invoke": middle(run.cpu_us for run in many),
            "rival": f"functions-framework {functions_framework.VERSION}",
            "isolation": isolation,
            "machine": before,
            "runs": [run.members() for pair in pairs.values() for side in pair for run in side],
        }
    )


if __name__ == "__main__":
    main()
