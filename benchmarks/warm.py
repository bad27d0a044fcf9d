"""Warm calls: synchronous Invoke through the real API against two rivals on the same handler."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks import functions_framework, ministack, node, wrk
from benchmarks.calls import connected, each_answer
from benchmarks.node import Node
from benchmarks.rival import Rival
from benchmarks.stats import abba, finish, machine, middle, say

HANDLER = """
def handler(event, context):
    return {"number": event["number"], "greeting": "Hello, " + event["name"]}
"""

FUNCTION = "warm"
MEMORY_MB = 1769
REQUESTS = 2000  # all different, and so are their signatures
POINTS = {16: (7, 2), 1: (5, 2), 64: (4, 1)}  # connections: seconds of a run, rounds
BESIDE_S = 4  # a run of what is measured less often: the second rival, and the first with two workers
WARM_UP_S = 2


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


def theirs(
    rival: Rival, connections: int, seconds: int, side: str = functions_framework.NAME
) -> Callable[[], Run]:
    requests = [functions_framework.request(rival, payload) for payload in payloads()]
    return lambda: measure(side, rival, requests, connections, seconds)


def beside() -> tuple[Run, Run]:
    """MiniStack, and functions-framework with two workers, each by itself at 16 connections."""
    with ministack.started(HANDLER, FUNCTION) as rival:
        signer = ministack.signer(rival)
        requests = [signer.invoke(FUNCTION, payload) for payload in payloads()]
        with ExitStack() as stack:  # its first answers take longer than a run would wait
            connections = [stack.enter_context(connected(rival.port)) for _ in range(16)]
            list(each_answer(connections, requests[:64]))
        emulator = measure(ministack.NAME, rival, requests, 16, BESIDE_S)
    with functions_framework.started(HANDLER, workers=2) as rival:
        run = theirs(rival, 16, BESIDE_S, "functions-framework x2")
        run()
        return emulator, run()


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
        for connections, (seconds, rounds) in POINTS.items():
            say(f"warming up, {connections} connections")
            ours(running, connections, WARM_UP_S)()
            theirs(rival, connections, WARM_UP_S)()
            pairs[connections] = abba(
                rounds, ours(running, connections, seconds), theirs(rival, connections, seconds)
            )
        check(running, client, [run for pair in pairs.values() for run in pair[0]])
        isolation = running.isolation
    emulator, two_workers = beside()
    many, rival_many = pairs[16]
    one, rival_one = pairs[1]
    rps, rival_rps = (middle(run.load.rps for run in runs) for runs in (many, rival_many))
    finish(
        {
            "benchmark": "warm",
            "ratio": round(rps / rival_rps, 2),
            "rps": rps,
            "rival_rps": rival_rps,
            "ministack_ratio": round(rps / emulator.load.rps, 1),
            "ministack_rps": emulator.load.rps,
            "two_workers_rps": two_workers.load.rps,
            "rps_64": middle(run.load.rps for run in pairs[64][0]),
            "rival_rps_64": middle(run.load.rps for run in pairs[64][1]),
            "p50_us": middle(run.load.p50_us for run in one),
            "rival_p50_us": middle(run.load.p50_us for run in rival_one),
            "p99_us": middle(run.load.p99_us for run in many),
            "cpu_us_per_invoke": middle(run.cpu_us for run in many),
            "rival": f"functions-framework {functions_framework.VERSION}",
            "isolation": isolation,
            "machine": before,
            "runs": [run.members() for pair in pairs.values() for side in pair for run in side]
            + [emulator.members(), two_workers.members()],
        }
    )


if __name__ == "__main__":
    main()
