"""A node for a benchmark: the real `lambent up` on a scratch data folder, functions deployed with boto3."""

import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from benchmarks.processes import cpu_s
from benchmarks.signing import Signer

START_S = 60
STOP_S = 60
RUNTIME = f"python3.{sys.version_info.minor}"
ROLE = "arn:aws:iam::000000000000:role/benchmark"


@dataclass(frozen=True, slots=True)
class Node:
    """A running node."""

    process: "subprocess.Popen[bytes]"
    data: Path
    port: int
    access_key: str
    secret_key: str

    @property
    def signer(self) -> Signer:
        return Signer(f"127.0.0.1:{self.port}", self.access_key, self.secret_key)

    @property
    def isolation(self) -> str:
        return str(json.loads((self.data / "node.json").read_text())["isolation"])

    def client(self) -> Any:
        return boto3.client(
            "lambda",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def deploy(self, client: Any, name: str, code: str, memory_mb: int, timeout_s: int = 30) -> None:
        client.create_function(
            FunctionName=name,
            Runtime=RUNTIME,
            Role=ROLE,
            Handler="handler.handler",
            MemorySize=memory_mb,
            Timeout=timeout_s,
            Code={"ZipFile": zip_of(code)},
        )
        deadline = time.monotonic() + START_S
        while client.get_function_configuration(FunctionName=name)["State"] == "Pending":
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} is still Pending")
            time.sleep(0.02)

    def meter(self) -> dict[str, Any]:
        """What the node itself counted."""
        return self._page("meter")

    def status(self) -> dict[str, Any]:
        """What there is now."""
        return self._page("status")

    def _page(self, name: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.port}/_lambent/{name}"
        request = AWSRequest("GET", url)
        SigV4Auth(Credentials(self.access_key, self.secret_key), "lambda", "us-east-1").add_auth(request)
        answer = urllib3.request("GET", url, headers=dict(request.headers.items()), timeout=30.0)
        if answer.status != 200:
            raise RuntimeError(f"{url}: {answer.status} {answer.data!r}")
        return dict(answer.json())

    def cpu_s(self) -> float:
        """Of node, launcher and all instances."""
        return cpu_s(self.process.pid)


@contextmanager
def started(settings: Mapping[str, str] | None = None) -> Iterator[Node]:
    """A node that is gone, with its data, at the end; `settings` by their environment variables."""
    with tempfile.TemporaryDirectory(prefix="lambent-bench-") as folder:
        data, port = Path(folder) / "data", free_port()
        log = Path(folder) / "node.log"
        os.chmod(folder, 0o755)  # the node runs under a uid of its own
        command = [sys.executable, "-m", "lambent.cli.main", "up", "--data", str(data), "--port", str(port)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "LAMBENT_WAREHOUSE_PORT": "0", **(settings or {})},
            )
        try:
            _wait(process, data, port, log)
            key, secret, *_ = (data / "credentials").read_text().strip().splitlines()[-1].split(":")
            yield Node(process, data, port, key, secret)
        finally:
            process.terminate()
            process.wait(STOP_S)


def zip_of(code: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("handler.py", code)
    return buffer.getvalue()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for_port(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """Whether the port accepts before the process ends or the time is up."""
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            time.sleep(0.05)
    return False


def _wait(process: "subprocess.Popen[bytes]", data: Path, port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    if wait_for_port(process, port):
        run_file = data / "node.json"  # empty until the node is ready
        while time.monotonic() < deadline:
            if run_file.exists() and run_file.stat().st_size:
                return
            time.sleep(0.05)
    raise RuntimeError(f"the node did not start:\n{log.read_text(errors='replace')}")
