"""The Telemetry API: who may subscribe to what, and what they are sent, whether they take it or not."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.runtimes.bench import SERVE, Make
from tests.runtimes.test_extensions import EXTENSION

from lambent.runtimes import telemetry_sender
from lambent.runtimes.telemetry_api import Invalid, Subscription, parse
from lambent.runtimes.telemetry_sender import Sender

WAIT_S = 20.0
VALID: dict[str, Any] = {
    "schemaVersion": "2022-12-13",
    "types": ["platform", "function"],
    "buffering": {"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25},
    "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:4243/here"},
}


def test_a_subscription() -> None:
    types = frozenset({"platform", "function"})
    assert parse("n", json.dumps(VALID).encode()) == Subscription(
        "n", types, 1000, 262144, 0.025, "HTTP", 4243, "/here"
    )


def test_what_is_left_out_is_as_usual() -> None:
    given = {**VALID, "destination": {"protocol": "TCP", "port": 4243}}
    del given["buffering"]
    wanted = parse("n", json.dumps(given).encode())
    assert (wanted.items_max, wanted.bytes_max, wanted.timeout_s) == (10_000, 262_144, 1.0)
    assert (wanted.protocol, wanted.port) == ("TCP", 4243)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schemaVersion": "2020-08-15"}, "schemaVersion must be one of"),
        ({"types": []}, "types must be of"),
        ({"types": ["other"]}, "types must be of"),
        ({"types": 5}, "The body is no subscription"),
        ({"buffering": {"maxItems": 999}}, "buffering.maxItems must be from 1000 to 10000"),
        ({"buffering": {"maxBytes": "many"}}, "buffering.maxBytes"),
        ({"buffering": {"timeoutMs": 24}}, "buffering.timeoutMs"),
        ({"destination": {"protocol": "HTTP", "URI": "http://example.com:80"}}, "must begin with http://sandbox"),
        ({"destination": {"protocol": "HTTP", "URI": "http://sandbox:9001"}}, "a port from 1 to 65535"),
        ({"destination": {"protocol": "HTTP", "URI": "http://sandbox"}}, "a port"),
        ({"destination": {"protocol": "HTTP", "URI": "http://sandbox:99999"}}, "no subscription"),
        ({"destination": {"protocol": "HTTP", "URI": "http://sandbox:80/a b"}}, "plain ASCII"),
        ({"destination": {"protocol": "UDP", "port": 5}}, "HTTP or TCP"),
        ({"destination": {"protocol": "TCP", "port": "5"}}, "a port"),
        ({"destination": {}}, "no subscription"),
        ({"destination": []}, "no subscription"),
    ],
)  # fmt: skip
def test_subscriptions_that_cannot_be(change: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        parse("n", json.dumps({**VALID, **change}).encode())


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"5"])
def test_bodies_that_are_none(body: bytes) -> None:
    with pytest.raises(Invalid):
        parse("n", body)


# Sending.


class Subscriber:
    """A server in the sandbox."""

    def __init__(self, answers: list[bytes]) -> None:
        self.answers = answers
        self.got: asyncio.Queue[bytes] = asyncio.Queue()
        self.tasks: list[asyncio.Task[None] | None] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.append(asyncio.current_task())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        self.got.put_nowait(await reader.readexactly(length))
        writer.write(self.answers.pop(0) if self.answers else b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def next(self) -> Any:
        async with asyncio.timeout(WAIT_S):
            return json.loads(await self.got.get())


@pytest.fixture
async def subscriber() -> AsyncIterator[tuple[Subscriber, int]]:
    one = Subscriber([])
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    yield one, server.sockets[0].getsockname()[1]
    server.close()
    await asyncio.gather(*(task for task in one.tasks if task))


def sender_to(port: int, *, timeout_s: float = 0.01, protocol: str = "HTTP", items: int = 1000) -> Sender:
    wanted = Subscription("n", frozenset({"platform"}), items, 262144, timeout_s, protocol, port)
    return Sender(wanted, socket.socket())


async def test_events_come_in_batches_over_one_socket(subscriber: tuple[Subscriber, int]) -> None:
    server, port = subscriber
    sender = sender_to(port)
    for batch in ([1, 2], [3], [4, 5]):
        for event in batch:
            sender.add(str(event).encode())
        assert await server.next() == batch
    sender.close()


async def test_a_full_batch_does_not_wait(subscriber: tuple[Subscriber, int]) -> None:
    server, port = subscriber
    sender = sender_to(port, timeout_s=3600, items=3)
    for event in range(7):
        sender.add(str(event).encode())
    assert [await server.next(), await server.next()] == [[0, 1, 2], [3, 4, 5]]
    await sender.flush(WAIT_S)
    assert await server.next() == [6]
    sender.close()


async def test_what_was_refused_is_sent_again_and_dropped_in_the_end(
    subscriber: tuple[Subscriber, int],
) -> None:
    server, port = subscriber
    server.answers = [b"HTTP/1.1 500 No\r\n\r\n", b""]
    sender = sender_to(port)
    sender.add(b"1")
    assert [await server.next() for _ in range(3)] == [[1], [1], [1]], "no, no answer at all, yes"
    server.answers = [b"HTTP/1.1 500 No\r\n\r\n"] * telemetry_sender.TRIES
    await sender.flush(WAIT_S)
    sender.add(b"2")
    assert [await server.next() for _ in range(telemetry_sender.TRIES)] == [[2]] * telemetry_sender.TRIES
    sender.add(b"3")
    assert await server.next() == [3]
    assert sender.dropped == 1
    sender.close()


async def test_lines_over_tcp() -> None:
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            got.put_nowait(line)
        writer.close()
        await writer.wait_closed()
        got.put_nowait(b"closed")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    sender = sender_to(server.sockets[0].getsockname()[1], protocol="TCP")
    sender.add(b"1")
    sender.add(b"2")
    async with asyncio.timeout(WAIT_S):
        assert [await got.get(), await got.get()] == [b"1\n", b"2\n"]
        sender.close()
        assert await got.get() == b"closed"
    server.close()


async def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry_sender, "RETRY_S", 0.0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        sender = sender_to(taken.getsockname()[1])
        sender.add(b"1")
        await sender.flush(WAIT_S)
    assert sender.dropped == 1
    sender.close()


async def test_a_frozen_sandbox_is_not_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits in its socket is sent once, however long that takes."""
    monkeypatch.setattr(telemetry_sender, "SEND_TIMEOUT_S", 0.05)
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        sender = sender_to(listener.getsockname()[1])
        sender.rest(idle=True)
        sender.add(b"1")
        async with asyncio.timeout(WAIT_S):
            first, _ = await loop.sock_accept(listener)
        await asyncio.sleep(0.2)  # several times as long as it may take when something runs
        with pytest.raises(BlockingIOError):
            listener.accept()
        sender.rest(idle=False)
        async with asyncio.timeout(WAIT_S):
            second, _ = await loop.sock_accept(listener)
        first.close()
        second.close()
        sender.close()


async def test_a_subscriber_that_takes_nothing_costs_no_memory() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        sender = sender_to(deaf.getsockname()[1])
        for _ in range(100):
            sender.add(b"x" * 100_000)
        assert sender.dropped >= 50
        await sender.flush(0.01)
        sender.close()


# From inside.

LISTEN = """
import http.server, threading

class Take(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open(os.environ["OUT"], "a") as out:
            out.writelines(json.dumps(event) + "\\n" for event in events)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Take)
threading.Thread(target=server.serve_forever, daemon=True).start()
_, headers, _ = register("INVOKE", "SHUTDOWN")
own = headers["Lambda-Extension-Identifier"]
wanted = {
    "schemaVersion": "2022-12-13",
    "types": ["platform", "function", "extension"],
    "buffering": {"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25},
    "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:%d" % server.server_address[1]},
}
api.request("PUT", "/2022-07-01/telemetry", json.dumps(wanted), {"Lambda-Extension-Identifier": own})
say("subscribed", api.getresponse().read().decode())
while next_event()["eventType"] != "SHUTDOWN":
    pass
"""


@pytest.mark.slow
async def test_what_an_extension_learns_of_an_instance(make: Make, tmp_path: Path) -> None:
    out = tmp_path / "out"
    bench = await make(
        SERVE + "    print('hello', event, flush=True)\n"
        "    respond(headers, {'errorType': 'Odd'} if event else 'fine', 'error' if event else 'response')\n",
        extensions={"watch": EXTENSION + LISTEN},
        OUT=str(out),
    )
    assert await bench.answer(trace_id="Root=1-2") == "fine"
    await bench.fail(1)
    await bench.instance.close()
    assert 'watch subscribed "OK"\n' in bench.log
    events = [json.loads(line) for line in out.read_text().splitlines()]
    assert [event["type"].removeprefix("platform.") for event in events if event["type"] != "extension"] == [
        "initStart",
        "telemetrySubscription",
        "extension",
        "initRuntimeDone",
        "initReport",
        *["start", "function", "runtimeDone", "report"] * 2,
    ]
    found = {event["type"]: event["record"] for event in events[::-1]}  # the first of each
    assert found["platform.initStart"]["functionName"] == "f"
    assert found["platform.extension"] == {
        "name": "watch",
        "state": "Ready",
        "events": ["INVOKE", "SHUTDOWN"],
    }
    assert found["function"] == "hello None\n"
    assert found["extension"] == 'watch subscribed "OK"\n'
    assert found["platform.start"]["tracing"]["value"] == "Root=1-2"
    assert found["platform.runtimeDone"]["status"] == "success"
    assert found["platform.runtimeDone"]["metrics"]["producedBytes"] == len('"fine"')
    report = found["platform.report"]["metrics"]
    assert report["billedDurationMs"] >= report["durationMs"] + report["initDurationMs"] - 0.01
    assert 0 < report["maxMemoryUsedMB"] <= report["memorySizeMB"] == 128
    last = events[-1]["record"]
    assert (last["status"], "initDurationMs" in last["metrics"]) == ("error", False)


@pytest.mark.slow
async def test_subscriptions_close_with_the_init(make: Make) -> None:
    code = EXTENSION.partition("\n")[2].replace("def call", "def extend").replace(" call(", " extend(")
    runtime = f"""{code}
import threading
own = register(name="inner")[1]["Lambda-Extension-Identifier"]
waiting = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
headers = {{"Lambda-Extension-Identifier": own}}
waiting.request("GET", "/2020-01-01/extension/event/next", headers=headers)
"""
    late = f"""
    api.request("PUT", "/2022-07-01/telemetry", {json.dumps(VALID)!r}, {{"Lambda-Extension-Identifier": own}})
    respond(headers, json.loads(api.getresponse().read())["errorType"])
"""
    shell, _, rest = SERVE.partition("\n")
    assert await (await make(f"{shell}\n{runtime}{rest}{late}")).answer() == "Telemetry.SubscriptionClosed"
