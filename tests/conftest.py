"""A whole node for tests: `lambent up` on a scratch data folder, and real clients of it."""

import gc
import io
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config

from lambent.store import sqlite

# What collecting the tests makes stays to the end: looking for garbage among it takes a tenth of their time.
gc.disable()

START_S = 60
STOP_S = 60

# Each session would look for botocore's four hundred services on disk anew, and parse the model it needs.
botocore.session.create_loader = cache(botocore.session.create_loader)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@cache
def _empty(migrations: tuple[str, ...]) -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _migrate(database, migrations)
    return database


def _copy_or_migrate(connection: sqlite3.Connection, migrations: tuple[str, ...]) -> None:
    """A thousand tests begin with an empty database: each gets a copy, at a fifth of the time."""
    if connection.execute("PRAGMA user_version").fetchone() == (0,):
        _empty(migrations).backup(connection)
    else:
        _migrate(connection, migrations)


_migrate = sqlite.migrate
sqlite.migrate = _copy_or_migrate


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def zip_of(**files: str) -> bytes:
    """A package with these files; `handler="..."` becomes handler.py."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name if "." in name else f"{name}.py", text)
    return buffer.getvalue()


@dataclass
class RunningNode:
    """A `lambent up` of its own."""

    data: Path
    flags: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    warehouse_port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "RunningNode":
        # Without an uplink, so that no test can send anything beyond this machine.
        environment = {
            "LAMBENT_NETWORK": "none",
            **os.environ,
            "LAMBENT_WAREHOUSE_PORT": str(self.warehouse_port),
        }
        command = self.command()
        self.data.mkdir(parents=True, exist_ok=True)
        with (self.data.parent / f"{self.data.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment
            )
        deadline = time.monotonic() + START_S
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the node did not start:\n{self.log()}")
            time.sleep(0.05)
        return self

    def command(self) -> list[str]:
        command = [sys.executable, "-m", "lambent.cli.main", "up", "--data", str(self.data)]
        return [*command, "--port", str(self.port), *self.flags]

    def answers(self) -> bool:
        """Whether this process of ours serves: its run file names it and its port accepts."""
        try:
            run = json.loads((self.data / "node.json").read_text())
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return bool(run)
        except (OSError, ValueError):
            return False

    def listens(self) -> bool:
        """Whether anything is at the port."""
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def kill(self) -> None:
        """kill -9 of everything that is the node's own."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def log(self) -> str:
        return (self.data.parent / f"{self.data.name}.log").read_text(errors="replace")

    def keys(self) -> tuple[str, str]:
        line = (self.data / "credentials").read_text().strip().splitlines()[-1]
        key, secret, *_ = line.split(":")
        return key, secret

    def client(self, service: str, **settings: Any) -> Any:
        key, secret = self.keys()
        given: dict[str, Any] = {
            "endpoint_url": self.url,
            "region_name": "us-east-1",
            "aws_access_key_id": key,
            "aws_secret_access_key": secret,
            "config": Config(retries={"total_max_attempts": 1}, read_timeout=120),
        }
        return boto3.client(service, **(given | settings))

    def deploy(self, name: str, code: str, *, handler: str = "handler.handler", **more: Any) -> None:
        """Create a function from one file and wait until it is active."""
        client = self.client("lambda")
        given: dict[str, Any] = {
            "FunctionName": name,
            "Runtime": f"python3.{sys.version_info.minor}",
            "Role": "arn:aws:iam::000000000000:role/test",
            "Handler": handler,
            "Code": {"ZipFile": zip_of(handler=code)},
        }
        client.create_function(**(given | more))
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """One node for all tests of this worker; tests take names of their own."""
    node = RunningNode(tmp_path_factory.mktemp("node") / "data")
    node.start()
    yield node
    assert node.stop() == 0, node.log()


@pytest.fixture
def new_node(tmp_path: Path) -> Iterator[Callable[..., RunningNode]]:
    """Nodes that a test may kill."""
    nodes: list[RunningNode] = []

    def start(*flags: str) -> RunningNode:
        nodes.append(RunningNode(tmp_path / f"data{len(nodes)}", flags))
        return nodes[-1].start()

    yield start
    for node in nodes:
        if node.process is not None and node.process.poll() is None:
            node.stop()
