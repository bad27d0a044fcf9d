"""A bad neighbour: one function's calls while another forks, allocates, writes and prints without end."""

import json
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import node
from benchmarks.calls import connected, received
from benchmarks.node import Node
from benchmarks.stats import abba, finish, machine, middle, percentile, say

HANDLER = """
def handler(event, context):
    return event["number"]
"""

# Each nuisance has a process of its own, and a new one when the memory limit has taken it.
NEIGHBOUR = """
import os

def fork():
    while True:
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)

def allocate():
    kept = []
    while True:
        kept.append(bytearray(b"x") * 2**20)

def write():
    block = os.urandom(2**20)
    while True:
        with open("/tmp/written", "wb") as file:
            for _ in range(256):
                file.write(block)

def show():
    while True:
        print("a line of the neighbour's" * 4)

NUISANCES = {"forks": fork, "allocates": allocate, "writes": write, "prints": show}

def handler(event, context):
    running = {}
    while True:
        for name in set(event["nuisances"]) - set(running.values()):
            child = os.fork()
            if child == 0:
                NUISANCES[name]()
            running[child] = name
        running.pop(os.wait()[0])
"""

FUNCTION, OTHER = "neighbour", "neighbour-bad"
NUISANCES = ("forks", "allocates", "writes", "prints")
MEMORY_MB = 512
ROUND_S = 8
SETTLE_S = 1.0
PAUSE_S = 0.002  # callers think: what is measured is how long a call takes, not how many there can be
ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Round:
    """Calls of the function, one after the other."""

    beside: str
    times_ms: Sequence[float]

    @property
    def p99_ms(self) -> float:
        return percentile(self.times_ms, 99)

    def members(self) -> dict[str, Any]:
        return {
            "beside": self.beside,
            "calls": len(self.times_ms),
            "p50_ms": round(percentile(self.times_ms, 50), 3),
            "p99_ms": round(self.p99_ms, 3),
            "max_ms": round(max(self.times_ms), 3),
        }


def calls(running: Node, beside: str, seconds: float) -> Round:
    times_ms: list[float] = []
    with connected(running.port) as connection:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            number = len(times_ms)
            request = running.signer.invoke(FUNCTION, json.dumps({"number": number}).encode())
            time.sleep(PAUSE_S)
            began = time.perf_counter()
            connection.sendall(request)
            if received(connection) != number:
                raise AssertionError(f"call {number} has another one's answer")
            times_ms.append((time.perf_counter() - began) * 1000)
    found = Round(beside, times_ms)
    say(json.dumps(found.members()))
    return found


def alone(running: Node) -> Callable[[], Round]:
    return lambda: calls(running, "nobody", ROUND_S)


def annoyed(running: Node, nuisances: Sequence[str]) -> Callable[[], Round]:
    """Beside one call of the other function, which lasts until its timeout."""
    request = running.signer.invoke(OTHER, json.dumps({"nuisances": nuisances}).encode())

    def run() -> Round:
        with connected(running.port) as connection:
            connection.sendall(request)
            time.sleep(SETTLE_S)
            found = calls(running, ", ".join(nuisances), ROUND_S)
            if not timed_out(connection):
                raise AssertionError("the neighbour was gone before its time")
        return found

    return run


def timed_out(connection: socket.socket) -> bool:
    """Whether its call was still running, and ended as it had to. Nothing came before: it is waited for."""
    connection.setblocking(False)
    try:
        early = connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        early = b""
    connection.settimeout(node.START_S)
    return not early and b"Sandbox.Timedout" in connection.recv(65536)


def main() -> None:
    before = machine()
    with node.started() as running:
        client = running.client()
        running.deploy(client, FUNCTION, HANDLER, MEMORY_MB)
        running.deploy(client, OTHER, NEIGHBOUR, MEMORY_MB, timeout_s=round(ROUND_S + 2 * SETTLE_S))
        calls(running, "nobody, warming up", 1)
        lonely, beside = abba(ROUNDS, alone(running), annoyed(running, NUISANCES))
        isolation = running.isolation
    p99_ms, alone_p99_ms = (middle((run.p99_ms for run in runs), 3) for runs in (beside, lonely))
    finish(
        {
            "benchmark": "neighbour",
            "ratio": round(p99_ms / alone_p99_ms, 2),
            "p99_ms": p99_ms,
            "alone_p99_ms": alone_p99_ms,
            "isolation": isolation,
            "machine": before,
            "runs": [run.members() for run in (*lonely, *beside)],
        }
    )


if __name__ == "__main__":
    main()
