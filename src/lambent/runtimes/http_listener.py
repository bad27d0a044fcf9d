"""Takes the connections that come to a socket in a sandbox, and answers on each with what is served there."""

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Protocol

from lambent.runtimes.http import Connection, Exchange

CONNECTIONS = 64  # at the same time
REFUSALS = 1000  # within one invocation: beyond it somebody floods
ACCEPTED_AT_ONCE = 16


class Part(Protocol):
    """What answers under a prefix of paths."""

    def opened(self, exchange: Exchange) -> None:
        """The head of a request is there; its body may follow."""

    def complete(self, exchange: Exchange) -> None:
        """The request is there to its end."""


class Listener:
    """`parts` by the beginning of their paths; `on_flood` is called for a sandbox that only makes work."""

    def __init__(
        self, listening: socket.socket, parts: Mapping[str, Part], on_flood: Callable[[], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = listening
        self._parts = parts
        self._on_flood = on_flood
        self._connections: set[Connection] = set()
        self._arriving: set[asyncio.Task[None]] = set()
        self._refusals = 0
        listening.setblocking(False)
        self._loop.add_reader(listening, self._accept)

    def forgive(self) -> None:
        """A new invocation: what was refused before is forgotten."""
        self._refusals = 0

    def close(self) -> None:
        """Let go of the socket and of all that came by it."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for task in self._arriving:
            task.cancel()
        for connection in tuple(self._connections):
            connection.abort()

    def opened(self, exchange: Exchange) -> None:
        part = self._part(exchange)
        if part is None:
            exchange.refuse(404, "NotFound", f"There is no {exchange.path[:100]}")
        else:
            part.opened(exchange)

    def complete(self, exchange: Exchange) -> None:
        if part := self._part(exchange):
            part.complete(exchange)

    def refused(self) -> None:
        self._refusals += 1
        if self._refusals == REFUSALS:
            self._on_flood()

    def left(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def _part(self, exchange: Exchange) -> Part | None:
        return next((part for prefix, part in self._parts.items() if exchange.path.startswith(prefix)), None)

    def _accept(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                accepted, _ = self._socket.accept()
            except OSError:
                return
            if len(self._connections) >= CONNECTIONS:
                accepted.close()
                self.refused()
                continue
            connection = Connection(self)
            self._connections.add(connection)
            task = self._loop.create_task(self._take(connection, accepted))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    async def _take(self, connection: Connection, accepted: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: connection, accepted)
        except OSError:
            self.left(connection)
            accepted.close()
