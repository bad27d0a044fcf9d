"""One client's connection: requests in, answers out in the same order."""

import asyncio
import enum
import logging
from collections import deque
from math import inf
from typing import Protocol, cast

import httptools

from lambent.faces import answer
from lambent.faces.body import IncomingBody
from lambent.faces.exchange import (
    METHODS,
    NAMES,
    BadRequest,
    Exchange,
    Limits,
    body_length,
    head_too_large,
    lower_name,
    split_target,
)
from lambent.faces.http import (
    BodyTooLarge,
    Disconnected,
    Handler,
    Request,
    Response,
    Truncated,
    WholeBody,
    new_id,
)
from lambent.faces.outlet import Outlet

log = logging.getLogger(__name__)


class Owner(Protocol):
    """The server, as a connection sees it."""

    handler: Handler
    limits: Limits
    loop: asyncio.AbstractEventLoop

    def joined(self, connection: "Connection") -> bool: ...

    def left(self, connection: "Connection") -> None: ...


class Phase(enum.Enum):
    """What the connection reads next."""

    IDLE = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()
    DEAF = enum.auto()  # whatever comes is dropped


EMPTY = WholeBody(b"")  # until a short body is there
# Looked up on every request, and an attribute of an enumeration is slow to look up.
_IDLE, _HEAD, _BODY, _DEAF = Phase


class Connection(asyncio.Protocol):
    """Parses with httptools; one task answers while requests wait, so answers keep their order."""

    def __init__(self, server: Owner) -> None:
        self._server = server
        self._limits = server.limits
        self._loop = server.loop
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[Exchange] = deque()
        self._task: asyncio.Task[None] | None = None
        self._incoming: Exchange | None = None  # the request that is being read
        self._current: Exchange | None = None  # the one that is being answered
        self._phase = _IDLE
        self._paused = False
        self._shutting = False
        self._url = b""
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._fed = 0  # bytes that came since the head began and are not counted by its parts
        self.read_deadline = inf

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._outlet = Outlet(cast(asyncio.Transport, transport), self._loop, self._limits.body_idle_s)
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else ""
        self.read_deadline = self._loop.time() + self._limits.idle_s
        if not self._server.joined(self):
            self._refuse(answer.plain(503, "too many connections"))

    def data_received(self, data: bytes) -> None:
        if self._phase is _DEAF:
            return
        if self._phase is _BODY:
            self.read_deadline = self._loop.time() + self._limits.body_idle_s
        elif self._phase is _HEAD:
            self._fed += len(data)
        try:
            self._parser.feed_data(data)
            if self._phase is _HEAD and max(self._fed, self._head_bytes) > self._limits.head_bytes:
                raise head_too_large()
        except httptools.HttpParserUpgrade:
            # No other protocol is spoken here: the request is answered as it stands, then it ends.
            self._close_after_all()
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if not isinstance(cause, BadRequest):
                log.error("could not read a request", exc_info=error)
                cause = BadRequest(400, "bad request")
            self._refuse(cause.response)
        except httptools.HttpParserError as error:
            self._refuse(answer.plain(400, f"bad request: {error}"))
        except BadRequest as error:
            self._refuse(error.response)
        if self._paused or self._phase is _BODY or len(self._queue) > 1:
            self._flow()

    def eof_received(self) -> bool:
        """A client may close its half and still wait for answers."""
        self._lose_incoming()
        busy = self._task is not None
        self._phase = _DEAF
        self._close_after_all()
        return busy

    def connection_lost(self, error: Exception | None) -> None:
        """What runs goes on: an invocation is not cancelled because its caller hung up."""
        self._outlet.lose()
        self._phase = _DEAF
        self._queue.clear()
        self.read_deadline = inf
        self._lose_incoming()
        if self._task is None:
            self._server.left(self)

    def pause_writing(self) -> None:
        self._outlet.pause()

    def resume_writing(self) -> None:
        self._outlet.resume()

    # The parser's side.

    def on_message_begin(self) -> None:
        self._url, self._headers, self._head_bytes, self._fed = b"", {}, 0, 0
        self._phase = _HEAD
        self.read_deadline = self._loop.time() + self._limits.head_s

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._head_bytes += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + 4
        key = NAMES.get(name) or lower_name(name)
        text = value.decode("latin-1")
        headers = self._headers
        headers[key] = f"{headers[key]},{text}" if key in headers else text

    def on_headers_complete(self) -> None:
        parser, headers = self._parser, self._headers
        if self._head_bytes > self._limits.head_bytes:
            raise head_too_large()
        length = body_length(headers)
        path, query = split_target(self._url)
        expects = "expect" in headers and length != 0 and headers["expect"].lower() == "100-continue"
        # A short body is waited for, unless the client itself waits to be asked for it.
        short = length is not None and length <= self._limits.whole_body_bytes and not expects
        body = None if short else IncomingBody(self, length)
        method = METHODS.get(parser.get_method())
        if method is None:
            raise BadRequest(501, "the method is not known")
        request = Request(method, path, query, headers, body or EMPTY, self._peer, new_id())
        exchange = self._incoming = Exchange(request, body)
        exchange.close = not parser.should_keep_alive()
        exchange.chunks = parser.get_http_version() != "1.0"
        if "host" not in headers and exchange.chunks:
            raise BadRequest(400, "the Host header is missing")
        exchange.expects = expects
        self._phase = _BODY
        self.read_deadline = self._loop.time() + self._limits.body_idle_s
        if not short:
            self._dispatch(exchange)

    def on_body(self, data: bytes) -> None:
        exchange = self._incoming
        if exchange is None or exchange.answered:
            return
        if exchange.body is None:
            exchange.whole += data
        else:
            exchange.body.feed(data)

    def on_message_complete(self) -> None:
        exchange, self._incoming = self._incoming, None
        self._phase = _IDLE
        if exchange is not None:
            if exchange.body is None:
                exchange.request.body = WholeBody(exchange.whole)
                self._dispatch(exchange)
            else:
                exchange.body.finish()
        # Who waits for an answer is not idle, however long it takes.
        self.read_deadline = inf if self._task or self._queue else self._loop.time() + self._limits.idle_s

    # The body's side.

    def body_wanted(self) -> None:
        exchange = self._current
        if exchange is not None and exchange.expects:
            exchange.expects = False
            self._outlet.write(answer.CONTINUE)

    def body_taken(self) -> None:
        if self._paused:
            self._flow()

    def _flow(self) -> None:
        """Read on, unless requests pile up or enough of a body waits for its reader."""
        transport = self._outlet.transport
        if transport is None:
            return
        body = self._incoming.body if self._incoming is not None else None
        full = len(self._queue) > 1 or (body is not None and body.size > self._limits.buffered_bytes)
        if full == self._paused:
            return
        self._paused = full
        if full:
            self.read_deadline = inf
            transport.pause_reading()
        else:
            if self._phase is _BODY:
                self.read_deadline = self._loop.time() + self._limits.body_idle_s
            transport.resume_reading()

    # Answers.

    def _dispatch(self, exchange: Exchange) -> None:
        exchange.dispatched = True
        self._queue.append(exchange)
        if self._task is None:
            self._task = self._loop.create_task(self._work())

    def _refuse(self, response: Response) -> None:
        """Answer, in its turn, what cannot be read on, and end."""
        exchange, self._incoming = self._incoming, None
        self._phase = _DEAF
        self.read_deadline = inf
        if exchange is not None:
            exchange.close = True
            if exchange.body is not None:
                exchange.body.lose()
        if exchange is None or not exchange.dispatched:
            body = IncomingBody(self, None)
            body.lose()
            exchange = Exchange(Request("", "", "", {}, body), body)
            exchange.refusal, exchange.close = response, True
            self._dispatch(exchange)

    def _lose_incoming(self) -> None:
        if self._incoming is not None and self._incoming.body is not None:
            self._incoming.body.lose()

    def _close_after_all(self) -> None:
        self._phase = _DEAF
        self._shutting = True

    async def _work(self) -> None:
        try:
            while self._queue:
                exchange = self._current = self._queue.popleft()
                if self._paused:
                    self._flow()
                await self._answer(exchange)
        finally:
            self._task = self._current = None
            if self._outlet.transport is None:
                self._server.left(self)
            elif self._phase is _IDLE:
                self.read_deadline = self._loop.time() + self._limits.idle_s

    async def _answer(self, exchange: Exchange) -> None:
        response = exchange.refusal or await self._handle(exchange.request)
        if not exchange.is_read:
            self._settle_body(exchange)
        close = exchange.close or (self._shutting and not self._queue)
        try:
            if isinstance(response.body, bytes):
                self._outlet.send(response, exchange.request, close=close)
            else:
                close = await self._outlet.stream(
                    response, exchange.request, chunks=exchange.chunks, close=close
                )
        except Truncated:
            self.abort()
        except Exception:
            log.exception("%s: could not send the answer", exchange.request.id)
            self.abort()
        if close:
            self._end(exchange)

    async def _handle(self, request: Request) -> Response:
        try:
            return await self._server.handler(request)
        except BodyTooLarge:
            return answer.plain(413, "the body is too large")
        except Disconnected:
            return answer.plain(400, "the body is incomplete")
        except Exception:
            log.exception("%s failed: %s %s", request.id, request.method, request.path)
            return answer.plain(500, f"internal error; request id {request.id}")

    def _settle_body(self, exchange: Exchange) -> None:
        """What is left of a body that the handler did not want is drained when that is cheap."""
        body = exchange.body
        assert body is not None
        exchange.answered = True
        body.discard()
        if exchange.expects or body.length is None or body.length > self._limits.drained_bytes:
            exchange.close = True
        self._flow()

    # The end.

    def _end(self, exchange: Exchange) -> None:
        """Close once the answer is out; a client that still sends gets time to read it."""
        transport = self._outlet.transport
        self._phase = _DEAF
        self._queue.clear()
        if transport is None:
            return
        self.read_deadline = self._loop.time() + self._limits.linger_s
        if exchange.is_read or not transport.can_write_eof():
            self._outlet.close()
        else:
            # Closing with unread bytes would reset the connection and take the answer with it.
            self._paused = False
            transport.resume_reading()
            transport.write_eof()

    def expire(self, now: float) -> None:
        """End what took too long; the server calls this now and then."""
        if self._outlet.is_stalled(now):
            self.abort()
        elif now >= self.read_deadline and self._outlet.is_empty:
            if self._phase is _HEAD:
                self._refuse(answer.plain(408, "the head of the request took too long"))
            else:
                self.abort()

    def shut(self) -> None:
        """End after what runs, at once when nothing does."""
        self._shutting = True
        if self._task is None:
            self._outlet.close()

    def abort(self) -> None:
        if self._outlet.transport is not None:
            self._outlet.transport.abort()

    @property
    def task(self) -> asyncio.Task[None] | None:
        return self._task
