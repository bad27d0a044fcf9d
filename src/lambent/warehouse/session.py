"""One client's session: its messages go to PostgreSQL, rewritten where they are Redshift's own."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from lambent.warehouse import dialect, wire
from lambent.warehouse.accounts import Login
from lambent.warehouse.connection import Connection
from lambent.warehouse.copy import Loader
from lambent.warehouse.copy_statement import CopyStatement
from lambent.warehouse.dialect import Statement
from lambent.warehouse.errors import Refused, fatal
from lambent.warehouse.exchange import Exchange
from lambent.warehouse.upstream import ServerError
from lambent.warehouse.wire import Message

# What ends PostgreSQL's answer to each message of a client.
ANSWER_ENDS = {"P": "1", "B": "2", "C": "3", "D": "Tn", "E": "CIs", "S": "Z", "Q": "Z", "F": "Z"}
ASIDE = "NSA"  # notices, parameters and notifications come at any time
QUIET = "12nt"  # answers that a client of the simple protocol does not know


@dataclass(slots=True)
class Owed:
    """The answers that PostgreSQL still owes, in order."""

    ends: deque[str] = field(default_factory=deque)
    failed: bool = False  # an error came: nothing more is answered before the next Sync

    def sent(self, kind: str) -> None:
        end = ANSWER_ENDS.get(kind)
        if end is not None and (end == "Z" or not self.failed):
            self.ends.append(end)

    def came(self, kind: str) -> None:
        if kind == "E":
            while self.ends and self.ends[0] != "Z":
                self.ends.popleft()
            self.failed = not self.ends
        elif self.ends and kind in self.ends[0]:
            self.ends.popleft()
            self.failed = self.failed and kind != "Z"


class Session:
    """Two pumps between a client that has logged in and the PostgreSQL backend of its own."""

    def __init__(self, client: Connection, server: Connection, login: Login, loader: Loader) -> None:
        self._client = client
        self._server = server
        self._login = login
        self._loader = loader
        self._owed = Owed()
        self._settled = asyncio.Event()
        self._exchange: Exchange | None = None
        self._told_why = False  # PostgreSQL has said why it ends the session
        self._muted = ""  # kinds of answers that the client must not see
        self._statements: dict[str, CopyStatement] = {}
        self._portals: dict[str, CopyStatement] = {}
        self._handlers: dict[str, Callable[[Message], Awaitable[None]]] = {
            "Q": self._query,
            "P": self._parse,
            "B": self._bind,
            "E": self._execute,
            "C": self._close,
            "X": self._terminate,
        }

    async def run(self) -> None:
        """Serve until one side is gone; a client that vanishes ends what it had running."""
        pumps = [asyncio.create_task(self._from_client()), asyncio.create_task(self._from_server())]
        try:
            await asyncio.wait({*pumps, self._client.lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            results = await asyncio.gather(*pumps, return_exceptions=True)
        for result in results:
            if isinstance(result, wire.ProtocolViolation):
                self._client.write(fatal("08P01", f"protocol violation: {result}"))
            elif isinstance(result, Exception) and not isinstance(result, ConnectionResetError):
                raise result

    async def _from_client(self) -> None:
        while True:
            message = await self._client.read()
            handler = self._handlers.get(message.kind, self._pass)
            await handler(message)
            await self._server.drain()

    async def _from_server(self) -> None:
        try:
            while True:
                message = await self._server.read()
                self._owed.came(message.kind)
                self._deliver(message)
                if not self._owed.ends:
                    self._settled.set()
                await self._client.drain()
        except ConnectionResetError:
            if not self._told_why:
                self._client.write(
                    fatal("57P01", "terminating connection: the warehouse's server has stopped")
                )
            raise

    def _deliver(self, message: Message) -> None:
        if message.kind == "E" and b"\0VFATAL\0" in message.raw:
            self._told_why = True
        if self._exchange is not None and message.kind not in ASIDE:
            self._exchange.accept(message)
        elif message.kind not in self._muted:
            if message.kind == "Z" and message.body == b"I":
                self._portals.clear()  # PostgreSQL drops portals with their transaction
            self._client.write(message.raw)

    async def _pass(self, message: Message) -> None:
        self._send(message.kind, message.raw)

    def _send(self, kind: str, raw: bytes) -> None:
        self._owed.sent(kind)
        self._server.write(raw)

    async def _query(self, message: Message) -> None:
        """A text of statements. With a COPY among them each is sent for itself, within one transaction."""
        (sql,), _ = wire.split_text(message.body, 1)
        found = await _translate(sql)
        if found is None:
            await self._pass(message)
        elif not any(statement.copy for statement in found):
            self._send("Q", wire.build("Q", wire.text("; ".join(statement.sql for statement in found))))
        else:
            await self._one_by_one(found)

    async def _one_by_one(self, found: Iterable[Statement]) -> None:
        await self._settle()
        self._muted = QUIET
        for statement in found:
            self._send("P", wire.parse("", statement.sql))
            self._send("B", wire.bind("", ""))
            if statement.copy is not None:
                await self._copy(statement.copy, wire.execute(""))
            else:
                self._send("D", wire.describe_portal(""))
                self._send("E", wire.execute(""))
        self._send("S", wire.SYNC)
        await self._settle()
        self._muted = ""

    async def _parse(self, message: Message) -> None:
        (name, sql), rest = wire.split_text(message.body, 2)
        found = await _translate(sql)
        self._statements.pop(name, None)
        if found is None or len(found) != 1:  # several at once are PostgreSQL's to refuse
            await self._pass(message)
            return
        if found[0].copy is not None:
            self._statements[name] = found[0].copy
        self._send("P", wire.build("P", wire.text(name, found[0].sql) + rest))

    async def _bind(self, message: Message) -> None:
        (portal, name), _ = wire.split_text(message.body, 2)
        self._portals.pop(portal, None)
        if name in self._statements:
            self._portals[portal] = self._statements[name]
        await self._pass(message)

    async def _execute(self, message: Message) -> None:
        (portal,), _ = wire.split_text(message.body, 1)
        if portal in self._portals:
            await self._copy(self._portals[portal], message.raw)
        else:
            await self._pass(message)

    async def _close(self, message: Message) -> None:
        (name,), _ = wire.split_text(message.body[1:], 1)
        kept = self._statements if message.body[:1] == b"S" else self._portals
        kept.pop(name, None)
        await self._pass(message)

    async def _terminate(self, message: Message) -> None:
        raise ConnectionResetError("the client says goodbye")

    async def _settle(self) -> None:
        """Wait until PostgreSQL has answered all that it was sent, so that what comes next is ours."""
        self._server.write(wire.FLUSH)
        while self._owed.ends:
            self._settled.clear()
            await self._settled.wait()

    async def _copy(self, copy: CopyStatement, execute: bytes) -> None:
        await self._settle()
        if self._owed.failed:
            return  # PostgreSQL skips what comes before the next Sync, so do we
        self._exchange = Exchange(self._server.write, self._server.drain)
        try:
            answer = await self._loader.run(copy, self._exchange, execute, self._login)
        except Refused as refused:
            answer = refused.message
        except ServerError as error:
            answer = error.message.raw
        finally:
            self._exchange = None
        self._client.write(answer)
        await self._client.drain()


async def _translate(sql: str) -> list[Statement] | None:
    """The statements for PostgreSQL; None where the text is the same there. Long texts leave the loop."""
    if len(sql) > dialect.LONG_CHARACTERS:
        return await asyncio.to_thread(_translated, sql)
    return _translated(sql)


def _translated(sql: str) -> list[Statement] | None:
    return None if dialect.is_plain(sql) else dialect.translate(sql)
