"""The HTTP server of every face: asyncio and httptools, with a limit on all that a client can do."""

import asyncio
import logging
import socket

from lambent.faces.connection import Connection
from lambent.faces.exchange import Limits
from lambent.faces.http import Handler
from lambent.folder import CannotStart

__all__ = ["Limits", "Server", "bind"]

log = logging.getLogger(__name__)

SWEEP_S = 1.0


class Server:
    """Listens on one or more addresses and gives each request to one handler."""

    def __init__(self, handler: Handler, *, limits: Limits | None = None) -> None:
        self.handler = handler
        self.limits = limits or Limits()
        self.loop = asyncio.get_running_loop()
        self._connections: set[Connection] = set()
        self._listeners: list[asyncio.Server] = []
        self._sweeping: asyncio.TimerHandle | None = None
        self._empty: asyncio.Event | None = None

    async def listen(self, address: socket.socket | tuple[str, int]) -> tuple[str, int]:
        """Serve a listening socket or an address; port 0 takes a free one. Returns host and port.

        asyncio sets TCP_NODELAY on what it accepts.
        """
        if isinstance(address, socket.socket):
            listener = await self.loop.create_server(self._connect, sock=address, backlog=1024)
        else:
            host, port = address
            listener = await self.loop.create_server(self._connect, host, port, backlog=1024)
        self._listeners.append(listener)
        bound = listener.sockets[0].getsockname()
        return bound[0], bound[1]

    async def close(self, grace_s: float) -> None:
        """Stop listening, let what runs end within `grace_s`, then cancel it."""
        for listener in self._listeners:
            listener.close()
        for connection in list(self._connections):
            connection.shut()
        if self._connections:
            self._empty = asyncio.Event()
            try:
                await asyncio.wait_for(self._empty.wait(), grace_s)
            except TimeoutError:
                await self._cut()
        if self._sweeping is not None:
            self._sweeping.cancel()

    async def _cut(self) -> None:
        tasks = [c.task for c in self._connections if c.task is not None]
        for connection in list(self._connections):
            connection.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if tasks:
            log.warning("%d requests were cut off", len(tasks))

    def joined(self, connection: Connection) -> bool:
        """Whether there is room for a new connection."""
        self._connections.add(connection)
        if self._sweeping is None:
            self._sweeping = self.loop.call_later(SWEEP_S, self._sweep)
        return len(self._connections) <= self.limits.connections

    def left(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if self._empty is not None and not self._connections:
            self._empty.set()

    def _connect(self) -> Connection:
        return Connection(self)

    def _sweep(self) -> None:
        """One timer for all deadlines: a timer for each request costs more than the request's parsing."""
        now = self.loop.time()
        for connection in list(self._connections):
            connection.expire(now)
        again = bool(self._connections)
        self._sweeping = self.loop.call_later(SWEEP_S, self._sweep) if again else None


def bind(host: str, port: int, flag: str) -> socket.socket:
    """A listening socket. Raises `CannotStart`, which names the flag to choose another port with."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise CannotStart(
            f"port {port} of {host} cannot be used: {error.strerror}; choose another with {flag}"
        ) from None
    listener.listen(1024)
    listener.setblocking(False)
    return listener
