"""The platform's own conversation with PostgreSQL in the middle of a client's session and transaction."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from lambent.warehouse import wire
from lambent.warehouse.upstream import ServerError
from lambent.warehouse.wire import Message

OWN = "lambent"  # names our statement and portal beside the client's
ANSWERS = 1024  # more than PostgreSQL ever says to one of our requests


class Exchange:
    """Requests without a Sync, so that all belongs to the client's transaction.

    The session hands over what PostgreSQL says meanwhile; notices and the like go on to the client.
    """

    def __init__(self, send: Callable[[bytes], None], drain: Callable[[], Awaitable[None]]) -> None:
        self._answers: asyncio.Queue[Message] = asyncio.Queue(ANSWERS)
        self.send = send
        self.drain = drain  # waits until PostgreSQL has taken most of what was sent

    def accept(self, message: Message) -> None:
        self._answers.put_nowait(message)

    @property
    def answered(self) -> bool:
        """Whether PostgreSQL has said something that was not read yet."""
        return not self._answers.empty()

    async def receive(self, kind: str) -> Message:
        """The next answer, which is of this kind; raises `ServerError` for a refusal.

        Waits as long as PostgreSQL does: for a lock, for a slow disk. Its own timeouts and the client end it.
        """
        message = await self._next()
        if message.kind != kind:
            raise wire.ProtocolViolation(f"PostgreSQL answers with {message.kind}, not with {kind}")
        return message

    async def _next(self) -> Message:
        message = await self._answers.get()
        if message.kind == "E":
            raise ServerError(message)
        return message

    async def give_up(self) -> None:
        """End a COPY that cannot go on; PostgreSQL then fails the transaction."""
        self.send(wire.build("f", wire.text("the platform gave up")) + wire.FLUSH)
        with contextlib.suppress(ServerError):
            await self.receive("E")

    async def rows(self, sql: str, *values: str | None) -> list[list[str | None]]:
        self.send(
            wire.parse(OWN, sql)
            + wire.bind(OWN, OWN, values)
            + wire.execute(OWN)
            + wire.close_portal(OWN)
            + wire.close_statement(OWN)
            + wire.FLUSH
        )
        rows: list[list[str | None]] = []
        for kind in "12":
            await self.receive(kind)
        while (message := await self._next()).kind == "D":
            rows.append(wire.row(message.body))
        for kind in "33":
            await self.receive(kind)
        return rows
