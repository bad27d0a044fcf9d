"""A connection to PostgreSQL as its client: log in, and run the platform's own statements."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lambent.warehouse import wire
from lambent.warehouse.connection import Connection
from lambent.warehouse.wire import Message

QUERY_TIMEOUT_S = 60.0


class ServerError(Exception):
    """PostgreSQL's refusal; `message` is its ErrorResponse as it came."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.fields = wire.fields(message.body)
        super().__init__(self.fields.get("M", "the server gave no reason"))

    @property
    def code(self) -> str:
        return self.fields.get("C", "")


@dataclass(frozen=True, slots=True)
class Greeting:
    """What PostgreSQL says after a login: its parameters, and the key that cancels this session."""

    statuses: Mapping[str, str]
    key: bytes


async def log_in(connection: Connection, parameters: Mapping[str, str]) -> Greeting:
    """Start a session. The socket lies in a private folder, so PostgreSQL asks for no password."""
    connection.write(wire.startup(wire.VERSION, parameters))
    statuses: dict[str, str] = {}
    key = b""
    while (message := await connection.read()).kind != "Z":
        if message.kind == "E":
            raise ServerError(message)
        if message.kind == "S":
            (name, value), _ = wire.split_text(message.body, 2)
            statuses[name] = value
        elif message.kind == "K":
            key = message.body
        elif message.kind == "R" and message.body != b"\0\0\0\0":
            raise wire.ProtocolViolation("PostgreSQL asks for a password on its private socket")
    return Greeting(statuses, key)


class Client:
    """A logged-in connection of the platform's own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def run(self, script: str) -> None:
        """Run statements without parameters, as one transaction unless they say otherwise."""
        self._connection.write(wire.build("Q", wire.text(script)))
        await self._answer()

    async def rows(self, sql: str, *values: str | None) -> Sequence[list[str | None]]:
        """Run one statement with parameters `$1`, `$2`, …; raises `ServerError`."""
        self._connection.write(wire.parse("", sql) + wire.bind("", "", values) + wire.execute("") + wire.SYNC)
        return await self._answer()

    async def _answer(self) -> Sequence[list[str | None]]:
        rows: list[list[str | None]] = []
        failure: ServerError | None = None
        async with asyncio.timeout(QUERY_TIMEOUT_S):
            while (message := await self._connection.read()).kind != "Z":
                if message.kind == "D":
                    rows.append(wire.row(message.body))
                elif message.kind == "E":
                    failure = ServerError(message)
        if failure is not None:
            raise failure
        return rows

    async def close(self) -> None:
        self._connection.write(wire.TERMINATE)
        self._connection.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.shield(self._connection.lost)
