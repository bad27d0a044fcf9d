"""SnapStart: first answers of a function that imports pandas, from its snapshot and by its own init."""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from benchmarks import node
from benchmarks.calls import connected, received
from benchmarks.node import Node
from benchmarks.stats import abba, finish, machine, middle, percentile, say

HANDLER = """
import time

import pandas

FRAME = pandas.DataFrame({"group": ["a", "b"] * 500, "value": range(1000)})

def handler(event, context):
    total = FRAME["value"].sum()
    time.sleep(event.get("sleep_s", 0))
    return {"total": int(total), "instance": context.log_stream_name}
"""
TOTAL = 499_500
NAME = "snapstart"
MEMORY_MB = 1769
ROUNDS = 2  # of A B B A
STARTS = 5  # in each
PLAIN_STARTS = 2  # they take seconds
AT_ONCE_ROUNDS = 4
BUSY_S = 0.25  # so long each of these keeps its instance
AT_ONCE = 3  # calls, of which one finds the instance that waits, and the others none
IDLE_S = "0.2"  # then an instance goes, and the next call needs a new one
GONE_S = 30.0


@dataclass(frozen=True, slots=True)
class Bench:
    """The function, deployed and published; `instances` are those that have answered."""

    running: Node
    instances: set[str]

    def snapstart(self) -> list[float]:
        return self._block("snapstart", [self._start(f"{NAME}:1")[0] for _ in range(STARTS)])

    def plain(self) -> list[float]:
        return self._block("plain", [self._start(NAME)[0] for _ in range(PLAIN_STARTS)])

    def at_once(self) -> list[float]:
        """The answers of those that found no instance in waiting."""
        times = self._start(f"{NAME}:1", AT_ONCE, b'{"sleep_s": %g}' % BUSY_S)
        return self._block("at once", [ms - BUSY_S * 1000 for ms in times[1:]])

    def _block(self, side: str, times: list[float]) -> list[float]:
        """Milliseconds to each first answer."""
        say(json.dumps({"side": side, "ms": [round(ms, 2) for ms in times]}))
        return times

    def _start(self, name: str, calls: int = 1, event: bytes = b"{}") -> list[float]:
        """Calls at the same time, each with an instance of its own; the fastest first."""
        self._wait_for_rest()
        request = self.running.signer.invoke(name, event)
        with ExitStack() as stack, ThreadPoolExecutor(calls) as threads:
            connections = [stack.enter_context(connected(self.running.port)) for _ in range(calls)]
            began = time.perf_counter()
            for connection in connections:
                connection.sendall(request)
            return sorted(threads.map(lambda connection: self._answered(connection, began), connections))

    def _answered(self, connection: socket.socket, began: float) -> float:
        answer = received(connection)
        ms = (time.perf_counter() - began) * 1000
        if answer["total"] != TOTAL or answer["instance"] in self.instances:
            raise AssertionError(f"{answer} is no first answer")
        self.instances.add(answer["instance"])
        return ms

    def _wait_for_rest(self) -> None:
        """Until no instance is there, and the next one waits to be called."""
        deadline = time.monotonic() + GONE_S
        while (
            any((status := self.running.status())["instances"].values()) or not status["snapstart"]["spares"]
        ):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no rest after {GONE_S} s: {status}")
            time.sleep(0.05)


def bundle() -> bytes:
    """A zip with the handler and with pandas, as pip gives it."""
    folder = Path(tempfile.mkdtemp(prefix="lambent-bench-"))
    try:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        options = ["--no-compile", "--no-warn-conflicts", "--target", str(folder)]
        subprocess.run([*command, *options, "pandas"], check=True)
        (folder / "handler.py").write_text(HANDLER)
        packed = BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file() and "tests" not in path.parts:
                    archive.write(path, path.relative_to(folder))
        return packed.getvalue()
    finally:
        shutil.rmtree(folder)


def deploy(running: Node) -> None:
    client = running.client()
    client.create_function(
        FunctionName=NAME,
        Runtime=node.RUNTIME,
        Role=node.ROLE,
        Handler="handler.handler",
        MemorySize=MEMORY_MB,
        Timeout=60,
        Code={"ZipFile": bundle()},
        SnapStart={"ApplyOn": "PublishedVersions"},
    )
    client.get_waiter("function_active_v2").wait(FunctionName=NAME, WaiterConfig={"Delay": 1})
    client.publish_version(FunctionName=NAME)
    waiter = client.get_waiter("published_version_active")
    waiter.wait(FunctionName=NAME, Qualifier="1", WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def summary(ours: Sequence[float], theirs: Sequence[float], at_once: Sequence[float]) -> dict[str, Any]:
    p50, plain_p50 = middle(ours, 3), middle(theirs, 3)
    return {
        "ratio": round(plain_p50 / p50, 1),
        "p50_ms": round(p50, 2),
        "p99_ms": round(percentile(ours, 99), 2),
        "at_once_p50_ms": middle(at_once, 2),
        "plain_p50_ms": round(plain_p50, 1),
        "starts": len(ours),
    }


def main() -> None:
    before = machine()
    say("installing pandas into a bundle, publishing it")
    with node.started({"LAMBENT_IDLE_S": IDLE_S}) as running:
        deploy(running)
        bench = Bench(running, set())
        ours, theirs = abba(ROUNDS, bench.snapstart, bench.plain)
        at_once = [ms for _ in range(AT_ONCE_ROUNDS) for ms in bench.at_once()]
        isolation = running.isolation
    first, plain = ([ms for block in blocks for ms in block] for blocks in (ours, theirs))
    finish({"benchmark": NAME, **summary(first, plain, at_once), "isolation": isolation, "machine": before})


if __name__ == "__main__":
    main()
