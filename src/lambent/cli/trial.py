"""A trial of the walls: a sandbox of its own, made as a node makes them, in which the attempts are made."""

import asyncio
import json
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import lambent
from lambent.cli.attempts import HANDLER, QUICK, REFUSALS
from lambent.invoke.connection import Connection
from lambent.invoke.frames import Frame, Kind
from lambent.model.interpreter import Interpreter
from lambent.sandbox.base import SandboxError, SandboxSpec
from lambent.sandbox.client import LauncherHost
from lambent.sandbox.launcher import NODE_CONTROL, NODE_INPUT, LauncherConfig

TIMEOUT_S = 60
ATTEMPT_TIMEOUT_S = 10.0
CHILD = "from lambent.cli.trial import child; child()"
VARIABLES = {"LAMBDA_TASK_ROOT": "/var/task", "_HANDLER": "handler.handler"}


def failures(interpreter: Interpreter) -> list[str]:
    """The attempts that were not refused. Raises SandboxError when no sandbox could be made."""
    with tempfile.TemporaryDirectory(prefix="lambent-trial-") as folder:
        config = LauncherConfig(
            data=Path(folder) / "data",
            argv=(sys.executable, "-c", CHILD),
            input=_passed(pickle.dumps(interpreter)),
            paths=(Path(sys.prefix), Path(sys.base_prefix), Path(lambent.__file__).parent.parent),
            interpreters=(interpreter,),
            max_sandboxes=1,
            rootless=os.geteuid() != 0,
        )
        given = _passed(pickle.dumps(config))
        command = [sys.executable, "-m", "lambent.sandbox", str(given)]
        done = subprocess.run(
            command, pass_fds=(given, config.input), capture_output=True, timeout=TIMEOUT_S, check=False
        )
        os.close(given)
        os.close(config.input)
    try:
        found: list[str] = json.loads(done.stdout)
    except ValueError:
        raise SandboxError(done.stderr.decode(errors="replace").strip() or "the trial said nothing") from None
    return found


def child() -> None:
    """The trial's node: prints the list."""
    with os.fdopen(NODE_INPUT, "rb") as given:
        interpreter = pickle.load(given)  # written by the doctor
    print(json.dumps(asyncio.run(_attempt_all(interpreter))))


async def _attempt_all(interpreter: Interpreter) -> list[str]:
    host = await LauncherHost.connect(NODE_CONTROL)
    code = host.code / "trial"
    code.mkdir()
    (code / "handler.py").write_text(HANDLER)
    sandbox = await host.create(SandboxSpec(interpreter=interpreter, code=code))
    process = await sandbox.start(VARIABLES)
    connection = Connection(process, lambda output: None)
    ready = await connection.receive(ATTEMPT_TIMEOUT_S)
    if not isinstance(ready, Frame) or ready.kind != Kind.READY:
        raise SandboxError(f"the trial's process did not start: {ready}")
    failed = [what for what, attempt in QUICK.items() if not await _refused(connection, attempt)]
    await host.close()
    return failed


async def _refused(connection: Connection, attempt: str) -> bool:
    meta = json.dumps({"id": "trial", "deadline_ms": 0, "arn": ""}).encode()
    connection.send(meta, json.dumps(attempt).encode())
    answer = await connection.receive(ATTEMPT_TIMEOUT_S)
    return isinstance(answer, Frame) and json.loads(answer.payload).get("refused") in REFUSALS


def _passed(data: bytes) -> int:
    """A descriptor from which `data` can be read."""
    descriptor = os.memfd_create("lambent", 0)
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
