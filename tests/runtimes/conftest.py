"""Processes of the Python runtime, run as the plain host runs them, on every Python of this machine."""

import json
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.runtimes.bench import CATALOG, Benches, Make

from lambent.model.interpreter import Interpreter
from lambent.runtimes.python import frames
from lambent.sandbox.process import ProcessHost

BOOTSTRAP = Path(frames.__file__).parent
WAIT_S = 30.0
ENVIRONMENT = {
    "AWS_LAMBDA_FUNCTION_NAME": "flights",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/flights",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2025/11/25/[$LATEST]0123",
    "TZ": ":UTC",
}


@dataclass
class Bootstrap:
    """One process and the node's end of its socket; its output goes to a file."""

    process: "subprocess.Popen[bytes]"
    control: socket.socket
    log: Path
    _rest: bytes = field(default=b"", repr=False)

    def frame(self) -> tuple[int, dict[str, Any], bytes]:
        kind, meta_bytes, payload_bytes = frames.HEADER.unpack(self._exactly(frames.HEADER.size))
        return kind, json.loads(self._exactly(meta_bytes) or b"{}"), self._exactly(payload_bytes)

    def _exactly(self, size: int) -> bytes:
        while len(self._rest) < size:
            data = self.control.recv(1 << 20)
            if not data:
                raise EOFError(self.output())
            self._rest += data
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def ready(self) -> "Bootstrap":
        kind, _, payload = self.frame()
        assert kind == frames.READY, payload
        return self

    def send(self, payload: bytes, **meta: Any) -> None:
        given = {
            "id": "r-1",
            "deadline_ms": int((time.time() + 3) * 1000),
            "arn": "arn:aws:lambda:us-east-1:000000000000:function:flights",
            "client_context": None,
            "tenant": None,
            "trace": "",
        }
        text = json.dumps({**given, **meta}).encode()
        self.control.sendall(frames.HEADER.pack(frames.INVOKE, len(text), len(payload)) + text + payload)

    def run(self, event: Any = None, **meta: Any) -> tuple[int, dict[str, Any], bytes]:
        self.send(json.dumps(event).encode(), **meta)
        return self.frame()

    def call(self, event: Any = None, **meta: Any) -> Any:
        kind, _, payload = self.run(event, **meta)
        assert kind == frames.ANSWER, payload
        return json.loads(payload)

    def fail(self, event: Any = None, **meta: Any) -> dict[str, Any]:
        kind, _, payload = self.run(event, **meta)
        assert kind == frames.ERROR, payload
        error: dict[str, Any] = json.loads(payload)
        return error

    def output(self) -> str:
        return self.log.read_text()

    def status(self) -> int:
        return self.process.wait(WAIT_S)


# The fast suite runs on the node's own Python.
EVERY = [
    pytest.param(name, marks=() if name == f"python3.{sys.version_info.minor}" else pytest.mark.slow)
    for name in CATALOG.interpreters
]


@pytest.fixture(params=EVERY)
def interpreter(request: pytest.FixtureRequest) -> Interpreter:
    return CATALOG.interpreters[request.param]


@pytest.fixture
def start(tmp_path: Path, interpreter: Interpreter) -> Iterator[Callable[..., Bootstrap]]:
    """Start a bootstrap for `code` as handler.py; more files by their paths."""
    running: list[Bootstrap] = []

    def begin(
        code: str = "",
        *,
        handler: str = "handler.handler",
        files: dict[str, str] | None = None,
        layers: tuple[Path, ...] = (),
        libraries: Path | None = None,
        **environment: str,
    ) -> Bootstrap:
        task = tmp_path / "task"
        for name, text in {"handler.py": code, **(files or {})}.items():
            (task / name).parent.mkdir(parents=True, exist_ok=True)
            (task / name).write_text(textwrap.dedent(text))
        control, inside = socket.socketpair()
        control.settimeout(WAIT_S)
        log = tmp_path / "log"
        command = [interpreter.executable, "-I", "-S", BOOTSTRAP, str(inside.fileno()), str(libraries or "")]
        with log.open("wb") as output:
            process = subprocess.Popen(
                list(map(str, (*command, *layers))),
                env={**ENVIRONMENT, "LAMBDA_TASK_ROOT": str(task), "_HANDLER": handler, **environment},
                pass_fds=[inside.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        inside.close()
        running.append(Bootstrap(process, control, log))
        return running[-1]

    yield begin
    for bootstrap in running:
        bootstrap.control.close()
        bootstrap.process.kill()
        bootstrap.process.wait()


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Instances of programs; closed when the test ends."""
    benches = Benches(ProcessHost(tmp_path / "data"), tmp_path / "code")
    yield benches.make
    await benches.close()
