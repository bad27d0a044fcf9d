"""The Runtime API over real connections: what a runtime may ask and when, and what becomes of all else."""

import asyncio
import base64
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from lambent.model.invocation import TooLong
from lambent.model.limits import RESPONSE_PAYLOAD_BYTES
from lambent.runtimes import http, http_listener, runtime_api
from lambent.runtimes.http_listener import Listener
from lambent.runtimes.runtime_api import Call, RuntimeApi, Said

WAIT_S = 20.0
NEXT = "/2018-06-01/runtime/invocation/next"
INIT_ERROR = "/2018-06-01/runtime/init/error"


def response(request_id: str) -> str:
    return f"/2018-06-01/runtime/invocation/{request_id}/response"


def error(request_id: str) -> str:
    return f"/2018-06-01/runtime/invocation/{request_id}/error"


class Bench:
    """The node's side: serves the API on a port and notes what it is told."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[str | Said] = asyncio.Queue()
        self.flooded = asyncio.Event()
        self.api = RuntimeApi(self)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.listener = Listener(self.listening, {runtime_api.PREFIX: self.api}, self.flooded.set)

    def asked(self) -> None:
        self.told.put_nowait("asked")

    def answered(self, said: Said) -> None:
        self.told.put_nowait(said)

    def failed(self, said: Said) -> None:
        self.told.put_nowait(said)

    async def hear(self) -> str | Said:
        async with asyncio.timeout(WAIT_S):
            return await self.told.get()

    def give(
        self, request_id: str, payload: bytes = b"{}", *headers: tuple[str, str], sink: "Sink | None" = None
    ) -> None:
        self.api.give(Call(request_id, payload, headers, sink))


class Sink:
    """A caller who takes an answer as it comes."""

    def __init__(self, limit_bytes: int = 1 << 30) -> None:
        self.content_type = ""
        self.data = b""
        self.limit_bytes = limit_bytes
        self.came = asyncio.Event()
        self.holds = False
        self.go_on: Callable[[], None] = lambda: None

    def feed(self, data: bytes, hold: Callable[[], None], resume: Callable[[], None]) -> None:
        self.data += data
        self.go_on = resume
        if len(self.data) > self.limit_bytes:
            raise TooLong
        if self.holds:
            hold()
        self.came.set()


class Client:
    """One connection of a runtime."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> None:
        given = {"Host": "127.0.0.1", **{k.replace("_", "-"): v for k, v in headers.items()}}
        if body:
            given["Content-Length"] = str(len(body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        self.write(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body)

    async def read(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(WAIT_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
            return int(head[0].split()[1]), headers, body

    async def call(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
        self.ask(method, path, body, **headers)
        status, _, answer = await self.read()
        return status, json.loads(answer or b"null")

    async def closed(self) -> bytes:
        """What was still said before the other side closed."""
        async with asyncio.timeout(WAIT_S):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    bench.listener.close()


@pytest.fixture
async def connect(bench: Bench) -> AsyncIterator[Any]:
    clients: list[Client] = []

    async def open_one() -> Client:
        clients.append(Client(*await asyncio.open_connection("127.0.0.1", bench.port)))
        return clients[-1]

    yield open_one
    for client in clients:
        client.writer.close()


@pytest.fixture
async def client(connect: Any) -> Client:
    one: Client = await connect()
    return one


async def running(bench: Bench, client: Client, request_id: str = "r-1", sink: Sink | None = None) -> None:
    """Bring the runtime to where it has an event."""
    client.ask("GET", NEXT)
    assert await bench.hear() == "asked"
    bench.give(request_id, sink=sink)
    assert (await client.read())[0] == 200


async def test_event_and_answer(bench: Bench, client: Client) -> None:
    client.ask("GET", NEXT)
    assert await bench.hear() == "asked"
    bench.give("r-1", b'{"n": 1}', ("Lambda-Runtime-Deadline-Ms", "17"), ("X", "two\r\nlines"))
    status, headers, body = await client.read()
    assert (status, body, headers["content-type"]) == (200, b'{"n": 1}', "application/json")
    assert headers["lambda-runtime-aws-request-id"] == "r-1"
    assert headers["lambda-runtime-deadline-ms"] == "17"
    assert headers["x"] == "two  lines"
    assert await client.call("POST", response("r-1"), b'"done"') == (202, {"status": "OK"})
    assert await bench.hear() == Said(b'"done"')
    assert bench.told.empty()
    client.ask("GET", NEXT)
    assert await bench.hear() == "asked"


async def test_an_event_may_come_before_it_is_asked_for(bench: Bench, client: Client) -> None:
    bench.give("r-1", b"1")
    client.ask("GET", NEXT)
    assert (await client.read())[2] == b"1"
    assert await bench.hear() == "asked"


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b'{"errorType":"E","errorMessage":"m"}', {}, Said(b'{"errorType":"E","errorMessage":"m"}', "E")),
        (
            b'{"errorMessage":"m"}',
            {"Lambda-Runtime-Function-Error-Type": "Function.Odd"},
            Said(b'{"errorMessage":"m","errorType":"Function.Odd"}', "Function.Odd"),
        ),
        (
            b"no json",
            {},
            Said(b'{"errorType":"Runtime.Unknown","errorMessage":"no json"}', "Runtime.Unknown"),
        ),
        (b"[1]", {}, Said(b'{"errorType":"Runtime.Unknown","errorMessage":"[1]"}', "Runtime.Unknown")),
        (b"", {}, Said(b'{"errorType":"Runtime.Unknown","errorMessage":""}', "Runtime.Unknown")),
    ],
)
async def test_errors_get_a_type(
    bench: Bench, client: Client, body: bytes, headers: dict[str, str], expected: Said
) -> None:
    await running(bench, client)
    assert (await client.call("POST", error("r-1"), body, **headers))[0] == 202
    assert await bench.hear() == expected


async def test_an_init_that_failed(bench: Bench, client: Client) -> None:
    told = b'{"errorType":"Runtime.NoSuch","errorMessage":"m"}'
    assert (await client.call("POST", INIT_ERROR, told))[0] == 202
    assert await bench.hear() == Said(told, "Runtime.NoSuch")
    assert (await client.call("GET", NEXT))[0] == 403


async def test_a_stream_of_chunks_is_one_answer(bench: Bench, client: Client) -> None:
    await running(bench, client)
    mode: Any = {"Lambda-Runtime-Function-Response-Mode": "streaming", "Transfer-Encoding": "chunked"}
    client.ask("POST", response("r-1"), **mode)
    for part in (b"one ", b"two"):
        client.write(b"%x\r\n%s\r\n" % (len(part), part))
    client.write(b"0\r\n\r\n")
    assert (await client.read())[0] == 202
    assert await bench.hear() == Said(b"one two")


MODE: Any = {
    "Lambda-Runtime-Function-Response-Mode": "streaming",
    "Transfer-Encoding": "chunked",
    "Content-Type": "text/event-stream",
}


async def test_a_caller_who_takes_pieces_gets_them_before_the_end(bench: Bench, client: Client) -> None:
    sink = Sink()
    await running(bench, client, sink=sink)
    client.ask("POST", response("r-1"), **MODE)
    client.write(b"4\r\none \r\n")
    await asyncio.wait_for(sink.came.wait(), WAIT_S)
    assert (sink.data, sink.content_type) == (b"one ", "text/event-stream")
    client.write(b"3\r\ntwo\r\n0\r\n\r\n")
    assert (await client.read())[0] == 202
    assert await bench.hear() == Said(b"")
    assert sink.data == b"one two"


async def test_a_runtime_is_read_no_faster_than_its_caller_takes(
    bench: Bench, client: Client, connect: Any
) -> None:
    sink = Sink()
    sink.holds = True
    await running(bench, client, sink=sink)
    client.ask("POST", response("r-1"), **MODE)
    client.write(b"3\r\none\r\n")
    await asyncio.wait_for(sink.came.wait(), WAIT_S)
    size = 10_000_000
    client.write(b"%x\r\n%s\r\n0\r\n\r\n" % (size, bytes(size)))
    other: Client = await connect()
    for _ in range(50):  # who is answered long after that was sent
        assert (await other.call("GET", "/elsewhere"))[0] == 404
    assert len(sink.data) < size / 2
    sink.holds = False
    sink.go_on()
    assert (await client.read())[0] == 202
    assert len(sink.data) == 3 + size


async def test_a_stream_over_its_limit_is_refused(bench: Bench, client: Client) -> None:
    await running(bench, client, sink=Sink(limit_bytes=5))
    client.ask("POST", response("r-1"), **MODE)
    client.write(b"6\r\none tw\r\n")
    assert (await client.read())[0] == 413
    said = await bench.hear()
    assert isinstance(said, Said)
    assert said.error_type == "Function.ResponseSizeTooLarge"


async def test_a_stream_that_is_cut_off_is_over(bench: Bench, client: Client) -> None:
    sink = Sink()
    await running(bench, client, sink=sink)
    client.ask("POST", response("r-1"), **MODE)
    client.write(b"4\r\none \r\n")
    await asyncio.wait_for(sink.came.wait(), WAIT_S)
    client.writer.close()
    said = await bench.hear()
    assert isinstance(said, Said)
    assert said.error_type == "Runtime.TruncatedResponse"


async def test_a_stream_that_broke_off_is_an_error(bench: Bench, client: Client) -> None:
    await running(bench, client)
    client.ask("POST", response("r-1"), Transfer_Encoding="chunked")
    told = b'{"errorType":"Late","errorMessage":"m"}'
    trailers = b"Lambda-Runtime-Function-Error-Type: Late\r\nLambda-Runtime-Function-Error-Body: %s\r\n"
    client.write(b"3\r\none\r\n0\r\n" + trailers % base64.b64encode(told) + b"\r\n")
    assert (await client.read())[0] == 202
    assert await bench.hear() == Said(told, "Late")


async def test_a_client_that_waits_for_a_hundred_is_told_to_continue(bench: Bench, client: Client) -> None:
    await running(bench, client)
    client.ask("POST", response("r-1"), Expect="100-continue", Content_Length="2")
    async with asyncio.timeout(WAIT_S):
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.write(b"{}")
    assert (await client.read())[0] == 202


async def test_the_largest_answer_passes_and_a_larger_one_is_an_error(bench: Bench, client: Client) -> None:
    await running(bench, client)
    assert (await client.call("POST", response("r-1"), b"x" * RESPONSE_PAYLOAD_BYTES))[0] == 202
    assert await bench.hear() == Said(b"x" * RESPONSE_PAYLOAD_BYTES)
    await running(bench, client, "r-2")
    status, told = await client.call("POST", response("r-2"), b"x" * (RESPONSE_PAYLOAD_BYTES + 1))
    assert (status, told["errorType"]) == (413, "RequestEntityTooLarge")
    said = await bench.hear()
    assert isinstance(said, Said)
    assert said.error_type == "Function.ResponseSizeTooLarge"
    client.ask("GET", NEXT)
    assert await bench.hear() == "asked"


async def test_a_waiting_client_may_lose_its_connection(bench: Bench, connect: Any) -> None:
    lost = await connect()
    lost.ask("GET", NEXT)
    assert await bench.hear() == "asked"
    lost.writer.close()
    other = await connect()
    while (await other.call("GET", "/2018-06-01/runtime/nothing"))[0] == 404 and bench.api._waiting:
        pass  # its end has not been noticed yet
    bench.give("r-1", b"5")
    other.ask("GET", NEXT)
    assert (await other.read())[2] == b"5"
    assert bench.told.empty()


async def test_half_an_answer_may_be_given_again(bench: Bench, connect: Any) -> None:
    first = await connect()
    await running(bench, first)
    first.ask("POST", response("r-1"), Content_Length="100")
    first.write(b"half")
    second = await connect()
    assert (await second.call("POST", response("r-1"), b"1"))[0] in (202, 403)
    first.writer.close()
    status = 403
    while status == 403 and bench.told.empty():
        status, _ = await second.call("POST", response("r-1"), b"1")
    assert await bench.hear() == Said(b"1")


async def test_who_wants_the_connection_closed_gets_it_closed(bench: Bench, client: Client) -> None:
    client.ask("GET", NEXT, Connection="close")
    assert await bench.hear() == "asked"
    bench.give("r-1", b"1")
    assert (await client.closed()).endswith(b"\r\n\r\n1")


# What no runtime should do.


@pytest.mark.parametrize("path", [response("r-0"), error("r-0"), response("r-1"), response("x" * 300)])
async def test_a_wrong_id_is_refused(bench: Bench, client: Client, path: str) -> None:
    client.ask("GET", NEXT)
    bench.give("r-2")
    await client.read()
    status, told = await client.call("POST", path, b"1")
    assert (status, told) == (400, {"errorType": "InvalidRequestID", "errorMessage": "Invalid request ID"})
    assert (await client.call("POST", response("r-2"), b"1"))[0] == 202


async def test_a_second_answer_is_refused(bench: Bench, client: Client) -> None:
    await running(bench, client)
    await client.call("POST", response("r-1"), b"1")
    for path in (response("r-1"), error("r-1")):
        status, told = await client.call("POST", path, b"2")
        assert (status, told["errorType"]) == (403, "InvalidStateTransition")
    assert await bench.hear() == Said(b"1")
    assert bench.told.empty()


async def test_asking_twice_is_refused(bench: Bench, connect: Any) -> None:
    first, second = await connect(), await connect()
    first.ask("GET", NEXT)
    assert await bench.hear() == "asked"
    status, told = await second.call("GET", NEXT)
    assert (status, told["errorType"]) == (403, "InvalidStateTransition")
    bench.give("r-1")
    assert (await first.read())[0] == 200
    assert (await first.call("GET", NEXT))[0] == 403, "an event that is not answered"


async def test_two_that_ask_at_the_same_time_do_not_overtake(bench: Bench, connect: Any) -> None:
    """Each sends a body with its question, so that both are on their way at once."""
    first, second = await connect(), await connect()
    for client in (first, second):
        client.ask("GET", NEXT, Content_Length="1")
    first.write(b"x")
    assert await bench.hear() == "asked"
    second.write(b"x")
    assert (await second.read())[0] == 403
    bench.give("r-1")
    assert (await first.read())[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", NEXT, 405), ("GET", INIT_ERROR, 405), ("GET", "/2018-06-01/runtime/", 404), ("GET", "/", 404)],
)
async def test_other_paths_and_methods(client: Client, method: str, path: str, status: int) -> None:
    assert (await client.call(method, path))[0] == status


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\0\1\2 nothing like it\r\n\r\n",
        b"GET " + b"/x" * http.HEAD_BYTES,
        b"GET / HTTP/1.1\r\nName: " + b"v" * 2 * http.HEAD_BYTES,
        b"GET / HTTP/1.1\r\n" + b"Name: value\r\n" * http.HEAD_BYTES,
        b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"e" * 16 * http.HEAD_BYTES,
        b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: " + b"t" * 16 * http.HEAD_BYTES,
        b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"POST /x HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    ],
)
async def test_what_is_no_http_ends_its_connection_only(
    bench: Bench, connect: Any, rubbish: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "HEAD_S", 0.5)  # a head that stays incomplete is waited for
    bad, good = await connect(), await connect()
    bad.write(rubbish)
    said = await bad.closed()
    assert said == b"" or b" 40" in said.split(b"\r\n")[0]
    await running(bench, good)


async def test_a_question_before_the_last_one_is_answered_ends_the_connection(
    bench: Bench, client: Client
) -> None:
    client.ask("GET", NEXT)
    client.ask("GET", NEXT)
    assert b" 400 " in await client.closed()


async def test_a_body_without_end_is_not_read_for_ever(bench: Bench, client: Client) -> None:
    await running(bench, client)
    client.ask("POST", response("r-1"), Transfer_Encoding="chunked")
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < 1 << 30:
            client.write(chunk)
            await client.writer.drain()
            sent += 0x10000
    assert sent < RESPONSE_PAYLOAD_BYTES + http.DRAINED_BYTES + (64 << 20)  # and what sockets hold


async def test_half_a_head_has_its_time(bench: Bench, connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "HEAD_S", 0.05)
    slow, waiting = await connect(), await connect()
    waiting.ask("GET", NEXT)
    assert await bench.hear() == "asked"
    slow.write(b"GET / HT")
    assert await slow.closed() == b""
    bench.give("r-1")
    assert (await waiting.read())[0] == 200, "who waits for an event may wait as long as it takes"


async def test_connections_are_counted(bench: Bench, connect: Any) -> None:
    held = [await connect() for _ in range(http_listener.CONNECTIONS)]
    for client in held:
        assert (await client.call("GET", "/"))[0] == 404
    assert await (await connect()).closed() == b""
    held[0].writer.close()
    await held[0].writer.wait_closed()
    await running(bench, held[1])


async def test_a_flood_of_refused_requests_is_told(bench: Bench, client: Client) -> None:
    for _ in range(http_listener.REFUSALS - 1):
        await client.call("GET", "/")
    assert not bench.flooded.is_set()
    bench.listener.forgive()
    for _ in range(http_listener.REFUSALS):
        await client.call("GET", "/")
    assert bench.flooded.is_set()


async def test_who_does_not_read_answers_is_not_read(bench: Bench, client: Client) -> None:
    """Requests whose answers pile up wait in the client's own socket."""
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]
    request = b"GET /%s HTTP/1.1\r\n\r\n" % (b"y" * 90)
    sent = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            while sent < 1 << 30:
                client.write(request * 100)
                await client.writer.drain()
                sent += 100 * len(request)
    assert sent < 64 << 20
