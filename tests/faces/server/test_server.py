"""The HTTP server, spoken to byte by byte."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambent.faces.http import Handler, Request, Response
from lambent.faces.server import Limits, Server


class Client:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        text = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)).decode("latin-1")
        first, *lines = text.strip().split("\r\n")
        return int(first.split(" ")[1]), {k.lower(): v for k, v in (x.split(": ", 1) for x in lines)}

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        status, headers = await self.head()
        return status, headers, await self.reader.readexactly(int(headers.get("content-length", 0)))

    async def end(self) -> bytes:
        """What comes until the server closes."""
        return await asyncio.wait_for(self.reader.read(), 10)


class Node:
    """A server with a handler, and clients of it."""

    def __init__(self, handler: Handler, limits: Limits | None = None) -> None:
        self.server = Server(handler, limits=limits)
        self.clients: list[Client] = []
        self.port = 0

    async def start(self) -> "Node":
        _, self.port = await self.server.listen(("127.0.0.1", 0))
        return self

    async def connect(self, *, receive_bytes: int | None = None) -> Client:
        sock = socket.socket()
        if receive_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        except OSError:
            sock.close()
            raise
        client = Client(*await asyncio.open_connection(sock=sock, limit=2**20))
        self.clients.append(client)
        return client

    async def stop(self) -> None:
        for client in self.clients:
            client.writer.close()
        await self.server.close(0.1)


Start = Callable[..., Awaitable[Node]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    nodes: list[Node] = []

    async def started(handler: Handler, **limits: float) -> Node:
        nodes.append(await Node(handler, Limits(**limits)).start())  # type: ignore[arg-type]
        return nodes[-1]

    yield started
    for node in nodes:
        await node.stop()


async def echo(request: Request) -> Response:
    body = await request.body.read(2**30)
    return Response(200, [("X-Path", request.path), ("X-Query", request.query)], body)


async def test_answers_with_what_the_request_holds(start: Start) -> None:
    seen: list[Request] = []

    async def handler(request: Request) -> Response:
        seen.append(request)
        return await echo(request)

    client = await (await start(handler)).connect()
    await client.send(
        b"POST /a%2Fb?x=1&y HTTP/1.1\r\nHost: h\r\nX-Twice: one\r\nx-twice: two\r\n"
        b"Content-Length: 5\r\n\r\nhello"
    )
    status, headers, body = await client.answer()
    assert (status, body) == (200, b"hello")
    assert (headers["x-path"], headers["x-query"]) == ("/a%2Fb", "x=1&y")
    assert headers["date"].endswith("GMT")
    assert headers["connection"] == "keep-alive"
    request = seen[0]
    assert request.headers["x-twice"] == "one,two"
    assert (request.method, request.peer, len(request.id)) == ("POST", "127.0.0.1", 36)


async def test_takes_absolute_targets_and_chunked_bodies(start: Start) -> None:
    client = await (await start(echo)).connect()
    await client.send(
        b"PUT http://h/p?q HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    )
    await client.send(b"2;ext=1\r\nde\r\n0\r\n\r\n")
    status, headers, body = await client.answer()
    assert (status, headers["x-path"], headers["x-query"], body) == (200, "/p", "q", b"abcde")


async def test_pipelined_requests_are_answered_in_order(start: Start) -> None:
    release = asyncio.Event()

    async def handler(request: Request) -> Response:
        if request.path == "/slow":
            await release.wait()
        return await echo(request)

    client = await (await start(handler)).connect()
    requests = [b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n"]
    requests += [
        b"POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n%d" % (n, n % 10) for n in range(50)
    ]
    await client.send(b"".join(requests))
    release.set()
    paths = [(await client.answer())[1]["x-path"] for _ in range(51)]
    assert paths == ["/slow", *(f"/{n}" for n in range(50))]


async def test_one_byte_at_a_time(start: Start) -> None:
    client = await (await start(echo)).connect()
    for byte in b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok":
        await client.send(bytes([byte]))
    assert (await client.answer())[2] == b"ok"


async def test_head_and_bodiless_statuses_send_no_body(start: Start) -> None:
    async def handler(request: Request) -> Response:
        return Response(
            204 if request.path == "/204" else 200, [], b"" if request.path == "/204" else b"body"
        )

    client = await (await start(handler)).connect()
    await client.send(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\nGET /204 HTTP/1.1\r\nHost: h\r\n\r\n")
    status, headers = await client.head()
    assert (status, headers["content-length"]) == (200, "4")
    status, headers = await client.head()
    assert status == 204
    assert "content-length" not in headers
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert (await client.answer())[2] == b"body"
    assert await client.end() == b""


async def test_continue_is_sent_when_the_body_is_wanted(start: Start) -> None:
    async def handler(request: Request) -> Response:
        return Response(403) if request.path == "/no" else await echo(request)

    node = await start(handler)
    client = await node.connect()
    await client.send(b"PUT /yes HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert await client.head() == (100, {})
    await client.send(b"ok")
    assert (await client.answer())[2] == b"ok"
    await client.send(b"PUT /no HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    status, headers = await client.head()
    assert (status, headers["connection"]) == (403, "close")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX-Big: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X-A: b\r\n" * 10_000 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX-Endless: " + b"a" * 400_000, 431),
    ],
)
async def test_a_bad_request_is_refused_and_the_connection_closed(
    start: Start, request_bytes: bytes, status: int
) -> None:
    client = await (await start(echo)).connect()
    await client.send(request_bytes)
    found, headers, _ = await client.answer()
    assert (found, headers["connection"]) == (status, "close")
    client.writer.close()


HEADS = [
    b"GET / HTTP/1.1\r\nHost: h\r\n",
    b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n",
    b"PUT /b HTTP/1.0\r\nTransfer-Encoding: chunked\r\n",
    b"\r\nabc",
    b"",
]


@settings(deadline=None, max_examples=40)
@given(head=st.sampled_from(HEADS), rest=st.binary(max_size=80), at=st.integers(0, 80))
async def test_no_bytes_break_it(head: bytes, rest: bytes, at: int) -> None:
    node = await Node(echo).start()
    try:
        client = await node.connect()
        data = head + rest
        await client.send(data[:at])
        await client.send(data[at:])
        client.writer.write_eof()
        answers = await client.end()
        assert not answers or answers.startswith(b"HTTP/1.1 ")
        other = await node.connect()
        await other.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await other.answer())[0] == 200
    finally:
        await node.stop()


async def test_a_bad_request_after_good_ones_is_answered_last(start: Start) -> None:
    client = await (await start(echo)).connect()
    await client.send(b"GET /good HTTP/1.1\r\nHost: h\r\n\r\nrubbish\r\n\r\n")
    assert (await client.answer())[0] == 200
    assert (await client.answer())[0] == 400


async def test_a_half_sent_head_times_out(start: Start) -> None:
    client = await (await start(echo, head_s=0.05)).connect()
    await client.send(b"GET / HTTP/1.1\r\nHost")
    assert (await client.answer())[0] == 408


async def test_an_idle_connection_is_closed(start: Start) -> None:
    client = await (await start(echo, idle_s=0.05)).connect()
    assert await client.end() == b""


async def test_a_connection_that_waits_for_its_answer_is_not_idle(start: Start) -> None:
    go = asyncio.Event()

    async def handler(request: Request) -> Response:
        await go.wait()
        return Response(200)

    node = await start(handler, idle_s=0.05)
    client = await node.connect()
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert await (await node.connect()).end() == b""  # this one came later and is idle
    go.set()
    assert (await client.answer())[0] == 200


async def test_a_body_that_stops_coming_ends_the_connection(start: Start) -> None:
    seen: list[str] = []

    async def handler(request: Request) -> Response:
        try:
            return await echo(request)
        except Exception as error:
            seen.append(type(error).__name__)
            raise

    node = await start(handler, body_idle_s=0.05)
    client = await node.connect()
    await client.send(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nabc")
    await client.end()
    assert seen == ["Disconnected"]


async def test_a_large_body_is_streamed_with_back_pressure(start: Start) -> None:
    size, waiting, go = 20_000_000, asyncio.Event(), asyncio.Event()
    kept: list[int] = []

    async def handler(request: Request) -> Response:
        waiting.set()
        await go.wait()
        kept.append(request.body.size)  # type: ignore[attr-defined]
        total = 0
        async for chunk in request.body:
            total += len(chunk)
        return Response(200, [], str(total).encode())

    client = await (await start(handler)).connect()
    await client.send(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
    sender = asyncio.create_task(client.send(b"x" * size))
    await waiting.wait()
    # The kernel's buffers and ours fill; then the sender cannot go on.
    done, _ = await asyncio.wait([sender], timeout=0.3)
    assert not done
    go.set()
    assert (await client.answer())[2] == str(size).encode()
    await sender
    assert kept[0] < 1_000_000


async def test_an_answer_is_streamed_no_faster_than_it_is_taken(start: Start) -> None:
    made = 0
    stalled = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        nonlocal made
        for _ in range(1000):
            made += 1
            if made == 20:
                stalled.set()
            yield b"x" * 100_000

    async def handler(request: Request) -> Response:
        return Response(200, [("Content-Length", "100000000")], body())

    client = await (await start(handler)).connect(receive_bytes=65536)
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await stalled.wait()
    _, headers = await client.head()
    assert made < 500
    assert len(await client.reader.readexactly(int(headers["content-length"]))) == 100_000_000


@pytest.mark.slow
async def test_a_slow_reader_gets_all_of_it_and_a_stalled_one_is_cut_off(start: Start) -> None:
    size = 12_000_000

    async def handler(request: Request) -> Response:
        return Response(200, [], b"x" * size)

    node = await start(handler, body_idle_s=0.5, linger_s=0.1)
    slow = await node.connect(receive_bytes=65536)
    await slow.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    await slow.head()
    left = size
    while left:
        left -= len(await slow.reader.readexactly(min(left, 3_000_000)))
        await asyncio.sleep(0.6)
    stalled = await node.connect(receive_bytes=65536)
    await stalled.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    while node.server._connections:
        await asyncio.sleep(0.05)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await stalled.reader.readexactly(size)


async def test_a_stream_without_a_length_is_chunked(start: Start) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"one"
        yield b""
        yield b"three"

    async def handler(request: Request) -> Response:
        return Response(200, [], body())

    node = await start(handler)
    client = await node.connect()
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    _, headers = await client.head()
    assert headers["transfer-encoding"] == "chunked"
    expected = b"3\r\none\r\n5\r\nthree\r\n0\r\n\r\n"
    assert await client.reader.readexactly(len(expected)) == expected
    old = await node.connect()
    await old.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    _, headers = await old.head()
    assert headers["connection"] == "close"
    assert await old.end() == b"onethree"


async def test_a_broken_stream_is_cut_off(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("store gone")

    async def handler(request: Request) -> Response:
        return Response(200, [], body())

    client = await (await start(handler)).connect()
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await client.head()
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await client.reader.readuntil(b"0\r\n\r\n")
    assert "store gone" in caplog.text


async def test_an_exception_is_logged_and_not_told(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: Request) -> Response:
        if request.path == "/bad":
            raise RuntimeError("secret detail")
        return Response(200, [("X-Split", "a\r\nSet-Cookie: b")])

    node = await start(handler)
    client = await node.connect()
    with caplog.at_level(logging.ERROR):
        await client.send(b"GET /bad HTTP/1.1\r\nHost: h\r\n\r\n")
        status, _, body = await client.answer()
    assert status == 500
    assert b"secret" not in body
    assert "secret detail" in caplog.text
    await client.send(b"GET /split HTTP/1.1\r\nHost: h\r\n\r\n")
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await client.head()


async def test_a_hang_up_does_not_cancel_what_runs(start: Start) -> None:
    started, finish, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handler(request: Request) -> Response:
        started.set()
        await finish.wait()
        ended.set()
        return Response(200)

    client = await (await start(handler)).connect()
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    await started.wait()
    client.writer.transport.abort()
    finish.set()
    await asyncio.wait_for(ended.wait(), 5)


async def test_a_half_closed_client_gets_its_answer(start: Start) -> None:
    started = asyncio.Event()
    finish = asyncio.Event()

    async def handler(request: Request) -> Response:
        started.set()
        await finish.wait()
        return Response(200, [], b"late")

    client = await (await start(handler)).connect()
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    client.writer.write_eof()
    await started.wait()
    finish.set()
    assert (await client.answer())[2] == b"late"
    assert await client.end() == b""


async def test_an_unread_body_is_drained_or_the_connection_closed(start: Start) -> None:
    async def handler(request: Request) -> Response:
        return Response(403, [], b"no")

    node = await start(handler)
    client = await node.connect()
    await client.send(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000)
    status, headers, _ = await client.answer()
    assert (status, headers["connection"]) == (403, "keep-alive")
    await client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (await client.answer())[0] == 403
    await client.send(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 9_000_000)
    status, headers, body = await client.answer()
    assert (status, headers["connection"], body) == (403, "close", b"no")


async def test_a_body_over_the_readers_limit_is_413(start: Start) -> None:
    async def handler(request: Request) -> Response:
        await request.body.read(10)
        raise AssertionError("read too much")

    node = await start(handler)
    for head in (
        b"Content-Length: 11\r\n\r\n12345678901",
        b"Transfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n0\r\n\r\n",
    ):
        client = await node.connect()
        await client.send(b"PUT / HTTP/1.1\r\nHost: h\r\n" + head)
        assert (await client.answer())[0] == 413


async def test_too_many_connections_are_told_so(start: Start) -> None:
    node = await start(echo, connections=1)
    first = await node.connect()
    await first.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (await first.answer())[0] == 200
    assert (await (await node.connect()).answer())[0] == 503


async def test_close_lets_running_requests_end_and_cuts_what_does_not(start: Start) -> None:
    started, finish = asyncio.Event(), asyncio.Event()
    cancelled: list[str] = []

    async def handler(request: Request) -> Response:
        started.set()
        try:
            await finish.wait()
        except asyncio.CancelledError:
            cancelled.append(request.path)
            raise
        return Response(200, [], b"done")

    node = await start(handler)
    idle, busy = await node.connect(), await node.connect()
    await busy.send(b"GET /busy HTTP/1.1\r\nHost: h\r\n\r\n")
    await started.wait()
    closing = asyncio.create_task(node.server.close(10))
    assert await idle.end() == b""
    finish.set()
    status, headers, body = await busy.answer()
    assert (status, headers["connection"], body) == (200, "close", b"done")
    await closing
    with pytest.raises(ConnectionRefusedError):
        await node.connect()

    finish.clear()
    other = await start(handler)
    stuck = await other.connect()
    started.clear()
    await stuck.send(b"GET /stuck HTTP/1.1\r\nHost: h\r\n\r\n")
    await started.wait()
    await other.server.close(0.01)
    assert cancelled == ["/stuck"]


async def test_an_upgrade_is_ignored(start: Start) -> None:
    client = await (await start(echo)).connect()
    await client.send(b"GET /h2c HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
    status, headers, _ = await client.answer()
    assert (status, headers["connection"]) == (200, "close")


async def test_accepted_sockets_send_at_once(start: Start) -> None:
    node = await start(echo)
    await node.connect()
    while not (made := list(node.server._connections)):
        await asyncio.sleep(0)
    sock = made[0]._outlet.transport.get_extra_info("socket")  # type: ignore[union-attr]
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
