"""HTTP as the programs of a sandbox speak it to the node. They may be hostile: everything is bounded."""

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Protocol, cast

import httptools
import orjson

HEAD_BYTES = 64 * 1024  # of a request: its line, its headers, its trailers
HEAD_S = 10.0  # for a head that has begun
DRAINED_BYTES = 6 * 1024 * 1024  # beyond a body's limit, so that a client which only writes reads the refusal
JSON = ("Content-Type", "application/json")

Headers = Sequence[tuple[str, str]]


class BadRequest(Exception):
    """What no client of ours sends; the connection ends."""


class Exchange:
    """One request and its answer."""

    def __init__(self, connection: "Connection", method: str, path: str) -> None:
        self.method = method
        self.path = path
        self.headers: dict[str, str] = {}  # names in lower case; trailers join them
        self.body = bytearray()
        self.limit = 0  # bytes of body that the service takes
        self.sink: Callable[[bytes], None] | None = None  # takes the body as it comes; it may call `hold`
        self.too_large = False
        self.answered = False
        self.last = False  # the connection ends with the answer
        self.on_lost: Callable[[], None] = lambda: None  # the client hung up before it was answered
        self._connection = connection

    def hold(self) -> None:
        """Read no more of the body until `go_on`."""
        self._connection.hold(True)

    def go_on(self) -> None:
        self._connection.hold(False)

    def answer(self, status: int, body: bytes = b"", headers: Headers = (JSON,)) -> None:
        if not self.answered:
            self.answered = True
            self._connection.answer(self, status, body, headers)

    def accept(self) -> None:
        self.answer(202, b'{"status":"OK"}\n')

    def refuse(self, status: int, error_type: str, message: str) -> None:
        """In the form of AWS's own errors."""
        self.answer(status, orjson.dumps({"errorMessage": message, "errorType": error_type}))


class Service(Protocol):
    """Who answers."""

    def opened(self, exchange: Exchange) -> None:
        """The head is there: say what body is taken, or answer already."""

    def complete(self, exchange: Exchange) -> None:
        """All of a request is there that was not answered yet."""

    def refused(self) -> None:
        """A request was answered with an error."""

    def left(self, connection: "Connection") -> None:
        """The connection is closed."""


class Connection(asyncio.Protocol):
    """One request at a time; another one before the answer ends the connection."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._url = b""
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._silent_bytes = 0  # read since the parser last told of something
        self._body_bytes = 0
        self._in_head = False
        self._whole = False  # the request has been read to its end
        self._held = False  # by who takes its body
        self._stuffed = False  # by answers that its client does not read
        self._timer: asyncio.TimerHandle | None = None

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._silent_bytes += len(data)
        try:
            self._parser.feed_data(data)
            if self._silent_bytes > HEAD_BYTES:
                raise BadRequest
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, BadRequest):
            self._refuse()
        else:
            self._watch_head()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._watch_head()
        exchange, self._exchange = self._exchange, None
        if exchange is not None and not exchange.answered:
            exchange.answered = True
            exchange.on_lost()
        self._service.left(self)

    def pause_writing(self) -> None:
        """Answers pile up: a client that does not read them is not read either."""
        self._stuffed = True
        self._flow()

    def resume_writing(self) -> None:
        self._stuffed = False
        self._flow()

    def hold(self, held: bool) -> None:
        self._held = held
        self._flow()

    def _flow(self) -> None:
        if self._transport is None:
            return
        if self._held or self._stuffed:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # The parser's side.

    def on_message_begin(self) -> None:
        if self._exchange is not None:
            raise BadRequest
        self._url, self._headers = b"", {}
        self._head_bytes = self._silent_bytes = self._body_bytes = 0
        self._in_head, self._whole = True, False

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value) + 4)
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._in_head = False
        path = self._url.partition(b"?")[0].decode("latin-1")
        exchange = self._exchange = Exchange(self, self._parser.get_method().decode("latin-1"), path)
        exchange.headers = self._headers
        exchange.last = not self._parser.should_keep_alive()  # it forgets that with the end of the request
        self._service.opened(exchange)
        if not exchange.answered and self._headers.get("expect", "").lower() == "100-continue":
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        self._silent_bytes = 0
        self._body_bytes += len(data)
        exchange = self._exchange
        if exchange is None:
            return
        if exchange.sink is not None and not exchange.answered:
            exchange.sink(data)
            return
        if self._body_bytes > exchange.limit + DRAINED_BYTES:
            raise BadRequest
        if self._body_bytes > exchange.limit:
            exchange.too_large = True
            exchange.body.clear()
        elif not exchange.answered:
            exchange.body += data

    def on_message_complete(self) -> None:
        self._silent_bytes, self._whole = 0, True
        exchange = self._exchange
        if exchange is None:
            return
        if exchange.answered:
            self._exchange = None
        else:
            self._service.complete(exchange)

    # Answers.

    def answer(self, exchange: Exchange, status: int, body: bytes, headers: Headers) -> None:
        fields = [*headers, ("Content-Length", str(len(body)))]
        if exchange.last:
            fields.append(("Connection", "close"))
        head = "".join(f"{name}: {_line(value)}\r\n" for name, value in fields)
        text = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{head}\r\n"
        if self._transport is not None:
            self._transport.writelines((text.encode("latin-1", "replace"), body))
        if status >= 400:
            self._service.refused()
        if self._whole:
            self._exchange = None
        if exchange.last and self._transport is not None:
            self._transport.close()

    def _refuse(self) -> None:
        """This was no HTTP, or far too much of it."""
        self._service.refused()
        self._write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        if self._transport is not None:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _count_head(self, size: int) -> None:
        self._silent_bytes = 0
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES:
            raise BadRequest

    def _watch_head(self) -> None:
        """A head that has begun comes to its end within a time."""
        waits = self._in_head and self._transport is not None
        if waits and self._timer is None:
            self._timer = self._loop.call_later(HEAD_S, self.abort)
        elif not waits and self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _line(value: str) -> str:
    """A header's value, which ends no line."""
    return value.replace("\r", " ").replace("\n", " ")
