"""The warehouse's port: clients come in, sessions run, none outlives its limits."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterable

from lambent.model.errors import PlatformError
from lambent.warehouse import wire
from lambent.warehouse.accounts import DATABASE, Accounts, Login
from lambent.warehouse.cluster import MAX_CONNECTIONS, Cluster
from lambent.warehouse.connection import Connection
from lambent.warehouse.copy import Loader
from lambent.warehouse.door import (
    WELCOME,
    Arrival,
    CheckPassword,
    Rejected,
    arrive,
    authenticate,
    kept_parameters,
    secure,
)
from lambent.warehouse.errors import fatal
from lambent.warehouse.session import Session
from lambent.warehouse.tls import Tls
from lambent.warehouse.upstream import Greeting, ServerError

LOGIN_TIMEOUT_S = 15.0
QUEUE_TIMEOUT_S = 60.0  # for a place among the sessions, and for the cluster to start
GOODBYE_TIMEOUT_S = 1.0  # a TLS client may never answer the farewell
MAX_SESSIONS = MAX_CONNECTIONS - 10  # the rest is the platform's own
MAX_CLIENTS = 2000  # sessions, and those that come in or wait; more are turned away
REDSHIFT_VERSION = "8.0.2"  # what drivers take for Redshift, and can parse

log = logging.getLogger(__name__)


class Server:
    """Accepts clients on the platform's addresses."""

    def __init__(
        self, cluster: Cluster, accounts: Accounts, loader: Loader, tls: Tls, check_password: CheckPassword
    ) -> None:
        self._cluster = cluster
        self._accounts = accounts
        self._loader = loader
        self._tls = tls
        self._check_password = check_password
        self._places = asyncio.Semaphore(MAX_SESSIONS)
        self._keys: set[bytes] = set()  # of the running sessions
        self._acceptors: list[asyncio.Task[None]] = []
        self._clients: set[asyncio.Task[None]] = set()

    def listen(self, listeners: Iterable[socket.socket]) -> None:
        """Serve on listening sockets, which belong to the server from now on."""
        self._acceptors += [asyncio.create_task(self._accept(listener)) for listener in listeners]

    async def close(self) -> None:
        """End every session; their clients are told."""
        tasks = [*self._acceptors, *self._clients]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        with listener:
            while True:
                try:
                    peer, _ = await loop.sock_accept(listener)
                except OSError as error:  # out of descriptors: those that are there go on
                    log.warning("the warehouse cannot accept a client: %s", error)
                    await asyncio.sleep(0.1)
                    continue
                if len(self._clients) >= MAX_CLIENTS:
                    peer.close()
                    continue
                task = asyncio.create_task(self._serve(peer))
                self._clients.add(task)
                task.add_done_callback(self._clients.discard)

    async def _serve(self, peer: socket.socket) -> None:
        peer.setblocking(False)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            async with asyncio.timeout(LOGIN_TIMEOUT_S):
                connection = await secure(peer, self._tls.context)
        except (OSError, TimeoutError) as error:
            log.debug("a client did not come in: %s", error)
            return
        try:
            await self._welcome(connection)
        except asyncio.CancelledError:
            connection.write(fatal("57P01", "terminating connection: the warehouse is stopping"))
        except ConnectionResetError as error:
            log.debug("a client left: %s", error)
        except Rejected as error:
            connection.write(fatal(error.code, str(error), error.hint))
        except wire.ProtocolViolation as error:
            connection.write(fatal("08P01", f"protocol violation: {error}"))
        except (PlatformError, OSError, TimeoutError) as error:
            log.warning("the warehouse cannot serve a client: %s", error)
            connection.write(fatal("57P03", f"the warehouse is not available: {error}"))
        except ServerError as error:
            connection.write(error.message.raw)
        finally:
            await _say_goodbye(connection)

    async def _welcome(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(LOGIN_TIMEOUT_S):
                arrival = await arrive(connection)
                if arrival.cancel_key:
                    return await self._cancel(arrival.cancel_key)
                principal = await authenticate(arrival, self._check_password)
        except TimeoutError:
            raise Rejected("57014", f"no login within {LOGIN_TIMEOUT_S:.0f} s") from None
        database = arrival.parameters.get("database", DATABASE)
        if database != DATABASE:
            raise Rejected("3D000", f'database "{database}" does not exist', f'The database is "{DATABASE}".')
        async with self._place():
            async with asyncio.timeout(QUEUE_TIMEOUT_S):
                login = await self._accounts.ensure(principal.account)
            await self._session(arrival, login)
        return None

    @contextlib.asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """One of the places among the sessions, for which a client waits a while."""
        try:
            async with asyncio.timeout(QUEUE_TIMEOUT_S):
                await self._places.acquire()
        except TimeoutError:
            raise Rejected("53300", f"too many connections: the limit is {MAX_SESSIONS}") from None
        try:
            yield
        finally:
            self._places.release()

    async def _session(self, arrival: Arrival, login: Login) -> None:
        parameters = kept_parameters(arrival.parameters)
        names = {"user": login.role, "database": login.database}
        async with asyncio.timeout(QUEUE_TIMEOUT_S):
            server, greeting = await self._cluster.session({**parameters, **names})
        self._keys.add(greeting.key)
        try:
            arrival.connection.write(_greeting(greeting))
            await Session(arrival.connection, server, login, self._loader).run()
        finally:
            self._keys.discard(greeting.key)
            server.write(wire.TERMINATE)
            server.close()

    async def _cancel(self, key: bytes) -> None:
        """PostgreSQL checks the key; here it is only that no stranger makes us start a cluster."""
        if key in self._keys:
            connection = await self._cluster.connect()
            connection.write(wire.cancel(key))
            connection.close()


def _greeting(greeting: Greeting) -> bytes:
    statuses = {**greeting.statuses, "server_version": REDSHIFT_VERSION}
    sent = [wire.build("S", wire.text(name, value)) for name, value in statuses.items()]
    return WELCOME + b"".join(sent) + wire.build("K", greeting.key) + wire.build("Z", b"I")


async def _say_goodbye(connection: Connection) -> None:
    """Close, and wait a moment for the client to take the last words."""
    connection.close()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GOODBYE_TIMEOUT_S):
            await asyncio.shield(connection.lost)
    connection.abort()
