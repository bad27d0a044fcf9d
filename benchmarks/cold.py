"""Cold starts: first answers of different functions, one after the other, against bubblewrap and Python."""

import json
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import bubblewrap, node
from benchmarks.bubblewrap import Start
from benchmarks.calls import connected, received
from benchmarks.node import Node
from benchmarks.stats import finish, machine, middle, percentile, say
from lambent.model.interpreter import Interpreter
from lambent.runtimes.catalog import Catalog

# Each function has a nonce that is made when its module is imported: the proof that it started anew.
PLAIN = """
import os

NONCE = os.urandom(8).hex()

def handler(event, context):
    return {"number": event["number"], "nonce": NONCE, "function": FUNCTION}
"""

BOTO3 = """
import os
import boto3

NONCE = os.urandom(8).hex()
CLIENT = boto3.client("s3", aws_access_key_id="x", aws_secret_access_key="x")

def handler(event, context):
    return {"number": event["number"], "nonce": NONCE, "function": FUNCTION}
"""

MEMORY_MB = 1769
PLAIN_FUNCTIONS = 200
BOTO3_FUNCTIONS = 16


@dataclass(frozen=True, slots=True)
class Block:
    """First answers of some functions, back to back."""

    side: str
    starts: Sequence[Start]
    seconds: float
    cpu_s: float | None  # of everything that is ours; bubblewrap's own processes escape the count

    def members(self) -> dict[str, Any]:
        times = [start.ms for start in self.starts]
        return {
            "side": self.side,
            "functions": len(times),
            "p50_ms": round(percentile(times, 50), 2),
            "p99_ms": round(percentile(times, 99), 2),
            "max_ms": round(max(times), 2),
            "per_s": round(len(times) / self.seconds, 1),
            "cpu_ms": None if self.cpu_s is None else round(self.cpu_s / len(times) * 1000, 2),
        }


@dataclass(frozen=True, slots=True)
class Bench:
    """Functions that have never run, deployed, and the same code in folders for the rival."""

    running: Node
    interpreter: Interpreter
    names: Sequence[str]
    folder: Path

    def ours(self, names: Sequence[str]) -> Block:
        requests = [self.running.signer.invoke(name, event(name)) for name in names]
        with connected(self.running.port) as connection:
            cpu_s, began = self.running.cpu_s(), time.perf_counter()
            starts = [exchange(connection, request) for request in requests]
            seconds = time.perf_counter() - began
        return self._block("lambent", names, starts, seconds, self.running.cpu_s() - cpu_s)

    def theirs(self, names: Sequence[str]) -> Block:
        began = time.perf_counter()
        starts = [bubblewrap.start(self.interpreter, self.folder / name, event(name)) for name in names]
        seconds = time.perf_counter() - began
        return self._block("bubblewrap", names, starts, seconds, None)

    def _block(
        self, side: str, names: Sequence[str], starts: Sequence[Start], seconds: float, cpu_s: float | None
    ) -> Block:
        answers = [(start.answer["function"], start.answer["number"]) for start in starts]
        if answers != [(name, len(name)) for name in names]:
            raise AssertionError(f"{side} answered {answers[:3]} …")
        block = Block(side, starts, seconds, cpu_s)
        say(json.dumps(block.members()))
        return block

    def run(self) -> tuple[list[Block], list[Block]]:
        """A B B A: each side sees each half of the functions once."""
        half = len(self.names) // 2
        first, second = self.names[:half], self.names[half:]
        blocks = [self.ours(first), self.theirs(first), self.theirs(second), self.ours(second)]
        ours, theirs = [blocks[0], blocks[3]], blocks[1:3]
        nonces = {start.answer["nonce"] for block in ours for start in block.starts}
        if len(nonces) != len(self.names):
            raise AssertionError(f"{len(self.names)} functions had {len(nonces)} starts")
        return ours, theirs


def event(name: str) -> bytes:
    return json.dumps({"number": len(name)}).encode()


def exchange(connection: socket.socket, request: bytes) -> Start:
    began = time.perf_counter()
    connection.sendall(request)
    answer = received(connection)
    return Start((time.perf_counter() - began) * 1000, answer)


@contextmanager
def deployed(running: Node, interpreter: Interpreter, kind: str, code: str, count: int) -> Iterator[Bench]:
    say(f"deploying {count} functions ({kind})")
    client = running.client()
    names = [f"cold-{kind}-{number}" for number in range(count)]
    folder = Path(tempfile.mkdtemp(prefix="lambent-bench-"))
    try:
        for name in names:
            own = f"FUNCTION = {name!r}\n{code}"
            (folder / name).mkdir()
            (folder / name / "handler.py").write_text(own)
            running.deploy(client, name, own, MEMORY_MB)
        yield Bench(running, interpreter, names, folder)
    finally:
        shutil.rmtree(folder)


def summary(ours: Sequence[Block], theirs: Sequence[Block]) -> dict[str, float]:
    times, rival_times = (
        [start.ms for block in blocks for start in block.starts] for blocks in (ours, theirs)
    )
    p50, rival_p50 = middle(times, 3), middle(rival_times, 3)
    return {
        "ratio": round(rival_p50 / p50, 2),
        "p50_ms": round(p50, 2),
        "rival_p50_ms": round(rival_p50, 2),
        "p99_ms": round(percentile(times, 99), 2),
        "rival_p99_ms": round(percentile(rival_times, 99), 2),
        "per_s": round(len(times) / sum(block.seconds for block in ours), 1),
        "rival_per_s": round(len(rival_times) / sum(block.seconds for block in theirs), 1),
    }


def main() -> None:
    before = machine()
    interpreter = Catalog.find().get(node.RUNTIME)
    if interpreter.libraries is None:
        raise SystemExit(f"the libraries of {node.RUNTIME} are not built: run scripts/test --help once")
    with node.started() as running:
        isolation = running.isolation
        with deployed(running, interpreter, "plain", PLAIN, PLAIN_FUNCTIONS) as plain:
            ours, theirs = plain.run()
        with deployed(running, interpreter, "boto3", BOTO3, BOTO3_FUNCTIONS) as with_boto3:
            boto3_ours, boto3_theirs = with_boto3.run()
        starts = running.meter()["total"]["cold_starts"]
        if starts != PLAIN_FUNCTIONS + BOTO3_FUNCTIONS:
            raise AssertionError(f"the meter has {starts} cold starts")
    boto3 = summary(boto3_ours, boto3_theirs)
    finish(
        {
            "benchmark": "cold",
            **summary(ours, theirs),
            "boto3_ratio": boto3["ratio"],
            "boto3_p50_ms": boto3["p50_ms"],
            "boto3_rival_p50_ms": boto3["rival_p50_ms"],
            "cpu_ms_per_start": middle((block.members()["cpu_ms"] for block in ours), 2),
            "functions": PLAIN_FUNCTIONS,
            "interpreter": str(interpreter.executable),
            "isolation": isolation,
            "machine": before,
            "runs": [b.members() for b in (*ours, *theirs, *boto3_ours, *boto3_theirs)],
        }
    )


if __name__ == "__main__":
    main()
