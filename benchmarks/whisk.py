"""OpenWhisk's API beside Lambda's Invoke: blocking calls of one action, of a hundred in turn, first calls."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import urllib3
from click.testing import CliRunner

from benchmarks import node, wrk
from benchmarks.calls import connected
from benchmarks.cold import exchange
from benchmarks.node import Node
from benchmarks.signing import raw
from benchmarks.stats import finish, machine, middle, percentile, say
from lambent.cli.main import cli

LAMBDA = """
def handler(event, context):
    return {"number": event["number"], "greeting": "Hello, " + event["name"]}
"""
ACTION = LAMBDA.replace("handler(event, context)", "main(event)")
ACTIONS = 100
COLD = 60
REQUESTS = 2000
MEMORY_MB = 256
SECONDS, WARM_UP_S = 5, 2
ROUNDS = 2
LIMITS = ("invocationsPerMinute=100000000", "concurrentInvocations=100000")


def payload(number: int) -> bytes:
    return json.dumps({"number": number, "name": f"caller {number}"}).encode()


class Guest:
    """A namespace on a node."""

    def __init__(self, running: Node) -> None:
        self._running = running
        key = self._command("user", "create", "guest")
        self._headers = {
            "Host": f"127.0.0.1:{running.port}",
            "Authorization": "Basic " + base64.b64encode(key.encode()).decode(),
            "Content-Type": "application/json",
        }
        self._command("limits", "set", "guest", *LIMITS)
        self._http = urllib3.PoolManager()

    def _command(self, *arguments: str) -> str:
        done = CliRunner().invoke(
            cli, ["whisk", *arguments, "--data", str(self._running.data)], catch_exceptions=False
        )
        if done.exit_code:
            raise RuntimeError(done.output)
        return done.stdout.strip()

    def create(self, name: str, code: str = ACTION) -> None:
        content = {"exec": {"kind": "python:default", "code": code}, "limits": {"memory": MEMORY_MB}}
        self._send("PUT", f"{name}", json.dumps(content).encode())

    def call(self, name: str, number: int) -> Any:
        return self._send("POST", f"{name}?blocking=true&result=true", payload(number))

    def requests(self, names: Sequence[str]) -> list[bytes]:
        """Blocking calls of these in turn, as bytes."""
        return [self.request(names[number % len(names)], number) for number in range(REQUESTS)]

    def request(self, name: str, number: int) -> bytes:
        path = f"/api/v1/namespaces/_/actions/{name}?blocking=true&result=true"
        return raw("POST", path, self._headers, payload(number))

    def _send(self, method: str, path: str, body: bytes) -> Any:
        url = f"http://127.0.0.1:{self._running.port}/api/v1/namespaces/_/actions/{path}"
        answer = self._http.request(method, url, body=body, headers=self._headers, retries=False)
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.data!r}")
        return answer.json()


def cold_ms(guest: Guest, port: int) -> list[float]:
    """How long first calls of different actions take, one after the other, as `scripts/bench cold` has it."""
    for number in range(COLD):
        guest.create(f"cold{number}", f"{ACTION}\nNUMBER = {number}\n")
    with connected(port) as connection:
        starts = [exchange(connection, guest.request(f"cold{number}", number)) for number in range(COLD)]
    if [start.answer["number"] for start in starts] != list(range(COLD)):
        raise AssertionError(starts)
    return [start.ms for start in starts]


def load(side: str, port: int, make: Callable[[], list[bytes]], connections: int, seconds: int) -> wrk.Load:
    seen = wrk.run(port, make(), connections, seconds)
    say(f"{side:12} c={connections:<3} {seen.rps:9.1f}/s  p50 {seen.p50_us} µs  p99 {seen.p99_us} µs")
    return seen


def main() -> None:
    before = machine()
    with node.started() as running:
        running.deploy(running.client(), "warm", LAMBDA, MEMORY_MB)
        guest = Guest(running)
        names = [f"action{number}" for number in range(ACTIONS)]
        for name in names:
            guest.create(name)
            guest.call(name, 7)
        cold = cold_ms(guest, running.port)
        sides: dict[str, Callable[[], list[bytes]]] = {
            "lambda": lambda: [running.signer.invoke("warm", payload(n)) for n in range(REQUESTS)],
            "one action": lambda: guest.requests(names[:1]),
            "100 actions": lambda: guest.requests(names),
        }
        for side, make in sides.items():
            load(side, running.port, make, 16, WARM_UP_S)
        runs: dict[str, list[wrk.Load]] = {side: [] for side in sides}
        for order in (list(sides), list(sides)[::-1]) * ROUNDS:
            for side in order:
                runs[side].append(load(side, running.port, sides[side], 16, SECONDS))
        one = load("one action", running.port, sides["one action"], 1, SECONDS)
        isolation = running.isolation
    rps = {side: middle(run.rps for run in loads) for side, loads in runs.items()}
    finish(
        {
            "benchmark": "whisk",
            "ratio": round(rps["one action"] / rps["lambda"], 2),
            "ratio_100": round(rps["100 actions"] / rps["one action"], 2),
            "rps": rps["one action"],
            "rps_100": rps["100 actions"],
            "lambda_rps": rps["lambda"],
            "p50_us": one.p50_us,
            "cold_p50_ms": round(percentile(cold, 50), 2),
            "cold_p99_ms": round(percentile(cold, 99), 2),
            "isolation": isolation,
            "machine": before,
            "runs": {side: [asdict(run) for run in loads] for side, loads in runs.items()},
        }
    )


if __name__ == "__main__":
    main()
