"""SnapStart: first answers of a function that imports pandas, from its snapshot and by its own init."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from benchmarks import node
from benchmarks.calls import connected, received
from benchmarks.node import Node
from benchmarks.stats import abba, finish, machine, middle, percentile, say

HANDLER = """
import pandas

FRAME = pandas.DataFrame({"group": ["a", "b"] * 500, "value": range(1000)})

def handler(event, context):
    total = FRAME["value"].sum()
    return {"total": int(total), "instance": context.log_stream_name}
"""
TOTAL = 499_500
NAME = "snapstart"
MEMORY_MB = 1769
ROUNDS = 3  # of A B B A
STARTS = 5  # in each
IDLE_S = "0.2"  # then an instance goes, and the next call needs a new one
GONE_S = 30.0


@dataclass(frozen=True, slots=True)
class Bench:
    """The function, deployed and published; `instances` are those that have answered."""

    running: Node
    instances: set[str]

    def snapstart(self) -> list[float]:
        return self._block("snapstart", f"{NAME}:1")

    def plain(self) -> list[float]:
        return self._block("plain", NAME)

    def _block(self, side: str, name: str) -> list[float]:
        """Milliseconds to each first answer."""
        times = [self._start(name) for _ in range(STARTS)]
        say(json.dumps({"side": side, "ms": [round(ms, 2) for ms in times]}))
        return times

    def _start(self, name: str) -> float:
        self._wait_until_none()
        request = self.running.signer.invoke(name, b"{}")
        with connected(self.running.port) as connection:
            began = time.perf_counter()
            connection.sendall(request)
            answer = received(connection)
            ms = (time.perf_counter() - began) * 1000
        if answer["total"] != TOTAL or answer["instance"] in self.instances:
            raise AssertionError(f"{answer} is no first answer")
        self.instances.add(answer["instance"])
        return ms

    def _wait_until_none(self) -> None:
        deadline = time.monotonic() + GONE_S
        while any(self.running.status()["instances"].values()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"an instance is still there after {GONE_S} s")
            time.sleep(0.05)


def bundle() -> bytes:
    """A zip with the handler and with pandas, as pip gives it."""
    folder = Path(tempfile.mkdtemp(prefix="lambent-bench-"))
    try:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, "--no-compile", "--target", str(folder), "pandas"], check=True)
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


def summary(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    p50, plain_p50 = middle(ours, 3), middle(theirs, 3)
    return {
        "ratio": round(plain_p50 / p50, 1),
        "p50_ms": round(p50, 2),
        "p99_ms": round(percentile(ours, 99), 2),
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
        isolation = running.isolation
    flat = [[ms for block in blocks for ms in block] for blocks in (ours, theirs)]
    finish({"benchmark": NAME, **summary(*flat), "isolation": isolation, "machine": before})


if __name__ == "__main__":
    main()
