"""A real warehouse for each worker: PostgreSQL as a child under a uid of its own, objects from a dict."""

import asyncio
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
import redshift_connector
import uvloop
from tests.plain_child import PlainChild

from lambent.model.identity import Principal, PrincipalKind
from lambent.objects.errors import S3Error, access_denied
from lambent.sandbox.base import Program
from lambent.settings import Settings
from lambent.warehouse.cluster import POSTGRES, programs
from lambent.warehouse.warehouse import Warehouse

NOBODY = 65534
T = TypeVar("T")


class PlainHost:
    """Runs the platform's programs as plain children; the part of a `Host` that the warehouse needs."""

    def __init__(self, *given: Program) -> None:
        self.programs = {program.name: program for program in given}
        self.children: list[PlainChild] = []

    async def run(self, program: str) -> PlainChild:
        given = self.programs[program]
        if program == POSTGRES:
            # The tests kill processes, not the machine, and make a database each: the disk may be lazy.
            given = replace(given, argv=(*given.argv, "-c", "fsync=off"))
        child = PlainChild(
            given, given.folder.parent / f"{program}.log", NOBODY if os.geteuid() == 0 else None
        )
        self.children.append(child)
        return child


@dataclass(frozen=True)
class Object:
    key: str
    size: int


@dataclass
class Stream:
    """An object in chunks; `gate` holds back all but the first until it is set."""

    data: bytes
    chunk_bytes: int
    gate: threading.Event | None = None
    closed: bool = False

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def chunks(self) -> AsyncIterator[bytes]:
        return self._chunks()

    async def _chunks(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self.data), self.chunk_bytes):
            if at and self.gate is not None:
                await asyncio.to_thread(self.gate.wait)
            yield self.data[at : at + self.chunk_bytes]

    async def close(self) -> None:
        self.closed = True


@dataclass
class Objects:
    """A reader over a dict of (account, bucket, key); an account reads only what is its own."""

    held: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    chunk_bytes: int = 64 * 1024
    gate: threading.Event | None = None
    opened: threading.Event = field(default_factory=threading.Event)
    principals: list[Principal] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)

    def _check(self, principal: Principal, bucket: str) -> None:
        self.principals.append(principal)
        owners = {account for account, name, _ in self.held if name == bucket}
        if not owners:
            raise S3Error("NoSuchBucket", "The specified bucket does not exist", 404)
        if principal.account not in owners:
            raise access_denied()

    async def open(self, principal: Principal, bucket: str, key: str) -> Stream:
        self._check(principal, bucket)
        data = self.held.get((principal.account, bucket, key))
        if data is None:
            raise S3Error("NoSuchKey", "The specified key does not exist.", 404)
        self.streams.append(Stream(data, self.chunk_bytes, self.gate))
        self.opened.set()
        return self.streams[-1]

    async def list(self, principal: Principal, bucket: str, prefix: str = "") -> list[Object]:
        self._check(principal, bucket)
        mine = sorted(k for k in self.held if k[0] == principal.account and k[1] == bucket)
        return [Object(key, len(self.held[_, b, key])) for _, b, key in mine if key.startswith(prefix)]


def check_password(user: str, password: str) -> Principal | None:
    """Passwords of the tests say which account they are for."""
    secret, _, account = password.partition(":")
    return Principal(PrincipalKind.ROOT, account) if secret == "right" and user == "awsuser" else None


class RunningWarehouse:
    """A warehouse that serves on a loop of its own, so that blocking drivers can talk to it."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(data=folder / "data")
        self.objects = Objects()
        self.host = PlainHost(*programs(self.settings))
        self.loop = uvloop.new_event_loop()  # as the node does
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        self.warehouse = self.run(self._start(listener))

    async def _start(self, listener: socket.socket) -> Warehouse:
        host: Any = self.host
        warehouse = Warehouse(self.settings, host, self.objects, check_password)
        await warehouse.serve([listener])
        return warehouse

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def kill_postgres(self) -> None:
        os.kill(self.host.children[-1].pid, signal.SIGKILL)

    def close(self) -> None:
        self.run(self.warehouse.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()
        for child in self.host.children:
            assert not Path(f"/proc/{child.pid}").exists()


@dataclass
class Account:
    """An account with a database of its own in a running warehouse."""

    running: RunningWarehouse
    number: str

    @property
    def password(self) -> str:
        return f"right:{self.number}"

    def put(self, key: str, data: bytes, bucket: str = "lake") -> None:
        self.running.objects.held[self.number, f"{bucket}-{self.number}", key] = data

    def url(self, key: str, bucket: str = "lake") -> str:
        return f"s3://{bucket}-{self.number}/{key}"

    @property
    def address(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self.running.port, "user": "awsuser", "password": self.password}

    def redshift(self, **settings: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the driver makes its SSLContext the old way
            return redshift_connector.connect(database="dev", **(self.address | settings))

    def psycopg(self, **settings: Any) -> "psycopg.Connection[Any]":
        return psycopg.connect(dbname="dev", **(self.address | settings))


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Callable[[], Path]]:
    """Folders that another uid can enter, which pytest's own are not."""
    made: list[Path] = []

    def make() -> Path:
        made.append(Path(tempfile.mkdtemp(prefix="lambent-test-")))
        made[-1].chmod(0o755)
        return made[-1]

    yield make
    for folder in made:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def running(short_folder: Callable[[], Path]) -> Iterator[RunningWarehouse]:
    running = RunningWarehouse(short_folder())
    yield running
    running.close()


@pytest.fixture
def own_warehouse(short_folder: Callable[[], Path]) -> Iterator[RunningWarehouse]:
    """One that the test may break. Its folder is deep, as data folders may be."""
    folder = short_folder()
    deep = folder / ("deep" * 30)
    deep.mkdir(mode=0o755)
    running = RunningWarehouse(deep)
    yield running
    running.close()


def new_account(running: RunningWarehouse) -> Account:
    return Account(running, f"{secrets.randbelow(10**12):012}")


@pytest.fixture
def account(running: RunningWarehouse, monkeypatch: pytest.MonkeyPatch) -> Account:
    monkeypatch.setenv("SSL_CERT_FILE", str(running.warehouse.tls.bundle))
    running.objects.gate = None
    running.objects.chunk_bytes = 64 * 1024
    running.objects.opened.clear()
    return new_account(running)
