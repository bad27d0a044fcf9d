"""A burst: 200 calls at once of a function that takes two seconds and has no instance: each needs its own."""

import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from benchmarks import node
from benchmarks.calls import connected, each_answer, received
from benchmarks.node import Node
from benchmarks.processes import name, tree
from benchmarks.stats import finish, machine, percentile, say

HANDLER = """
import os, time

INSTANCE = os.urandom(8).hex()

def handler(event, context):
    entered = time.time()
    time.sleep(event["sleep_s"])
    return {"entered": entered, "instance": INSTANCE}
"""

FUNCTION, OTHER = "burst", "burst-other"
CALLS = 200
SLEEP_S = 2.0
MEMORY_MB = 128
AT_REST = 8  # sandboxes that may wait before a burst
QUIET_S = 2.0
INIT = "init"  # the first process of a sandbox


@dataclass(frozen=True, slots=True)
class Burst:
    """When each handler was entered, in seconds after the first request was sent."""

    entries_s: Sequence[float]
    instances: int
    seconds: float  # until the last answer

    def members(self) -> dict[str, Any]:
        last = max(self.entries_s)
        return {
            "per_s": round(len(self.entries_s) / last, 1),
            "seconds": round(last, 3),
            "entry_p50_ms": round(percentile(self.entries_s, 50) * 1000, 1),
            "answered_s": round(self.seconds, 3),
            "instances": self.instances,
        }


def burst(running: Node, function: str, calls: int) -> Burst:
    requests = [running.signer.invoke(function, event(SLEEP_S + number / 1e6)) for number in range(calls)]
    with ExitStack() as stack:
        connections = [stack.enter_context(connected(running.port)) for _ in requests]
        began = time.time()
        answers = list(each_answer(connections, requests))
        seconds = time.time() - began
    entries_s = [answer["entered"] - began for answer in answers]
    return Burst(entries_s, len({answer["instance"] for answer in answers}), seconds)


def waiting(running: Node) -> int:
    """Sandboxes that are there, used or not."""
    return sum(name(pid) == INIT for pid in tree(running.process.pid))


def settle(running: Node) -> int:
    """Wait until the pools are as full as they get; how many sandboxes there are then."""
    before, count = -1, waiting(running)
    while count != before:
        time.sleep(QUIET_S)
        before, count = count, waiting(running)
    return count


def main() -> None:
    before = machine()
    with node.started() as running:
        client = running.client()
        for function in (OTHER, FUNCTION):
            running.deploy(client, function, HANDLER, MEMORY_MB)
        with connected(running.port) as connection:  # a node that has run something, but not this
            connection.sendall(running.signer.invoke(OTHER, event(0)))
            received(connection)
        at_rest = settle(running) - 1
        say(f"{at_rest} sandboxes wait")
        if at_rest > AT_REST:
            raise AssertionError(f"{at_rest} sandboxes wait at rest, more than {AT_REST}")
        cpu_s = running.cpu_s()
        found = burst(running, FUNCTION, CALLS)
        finish(
            {
                "benchmark": "burst",
                **found.members(),
                "cpu_ms_per_instance": round((running.cpu_s() - cpu_s) / found.instances * 1000, 2),
                "at_rest": at_rest,
                "calls": CALLS,
                "isolation": running.isolation,
                "machine": before,
            }
        )


def event(sleep_s: float) -> bytes:
    return json.dumps({"sleep_s": sleep_s}).encode()


if __name__ == "__main__":
    main()
