"""Density: what 1,000 idle instances of a boto3 function cost, in memory and in processor time."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import node
from benchmarks.burst import settle
from benchmarks.calls import connected, each_answer
from benchmarks.node import Node
from benchmarks.processes import tree
from benchmarks.stats import finish, machine, say

HANDLER = """
import os
import boto3

INSTANCE = os.urandom(8).hex()
CLIENT = boto3.client("s3", aws_access_key_id="x", aws_secret_access_key="x")

def handler(event, context):
    return INSTANCE
"""

# One code under a thousand names, each called once: with one name a call would get the last one's instance.
INSTANCES = 1000
ROOM = 8  # sandboxes that wait
MEMORY_MB = 128
CONNECTIONS = 4
IDLE_S = 20.0
KIB = 1024


def fill(running: Node, functions: Sequence[str]) -> None:
    """An instance of each. Raises AssertionError when one served twice."""
    requests = (running.signer.invoke(function, b"{}") for function in functions)
    with ExitStack() as stack:
        connections = [stack.enter_context(connected(running.port)) for _ in range(CONNECTIONS)]
        instances = set(each_answer(connections, requests))
    if len(instances) != len(functions):
        raise AssertionError(f"{len(functions)} functions were served by {len(instances)} instances")


def private_mib(running: Node) -> float:
    """What the processes in sandboxes have to themselves."""
    outside = namespace(running.process.pid)
    inside = [pid for pid in tree(running.process.pid) if namespace(pid) not in ("", outside)]
    return sum(map(private_kib, inside)) / KIB


def namespace(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except (FileNotFoundError, ProcessLookupError):
        return ""


def private_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def available_mib() -> float:
    text = Path("/proc/meminfo").read_text()
    return int(text.split("MemAvailable:")[1].split()[0]) / KIB


def main() -> None:
    before = machine()
    settings = {"LAMBENT_MAX_INSTANCES": str(INSTANCES + 1 + ROOM), "LAMBENT_IDLE_S": "3600"}
    with node.started(settings) as running:
        client = running.client()
        functions = [f"density-{number}" for number in range(INSTANCES + 1)]
        say(f"deploying {len(functions)} functions")
        for function in functions:
            running.deploy(client, function, HANDLER, MEMORY_MB)
        fill(running, functions[:1])  # the zygote and the pools are there before
        settle(running)
        available, private = available_mib(), private_mib(running)
        began = time.perf_counter()
        fill(running, functions[1:])
        seconds = time.perf_counter() - began
        say(f"{INSTANCES} instances after {seconds:.1f} s")
        settle(running)
        cpu_s = running.cpu_s()
        time.sleep(IDLE_S)
        idle_s = running.cpu_s() - cpu_s
        finish(
            {
                "benchmark": "density",
                "private_mib": round((private_mib(running) - private) / INSTANCES, 2),
                "total_mib": round((available - available_mib()) / INSTANCES, 2),
                "idle_cpu_percent": round(idle_s / IDLE_S * 100, 2),
                "instances": INSTANCES,
                "per_s": round(INSTANCES / seconds, 1),
                "isolation": running.isolation,
                "machine": before,
            }
        )


if __name__ == "__main__":
    main()
