"""Launchers and sandboxes for the tests of isolation."""

import json
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.caller import Caller
from tests.sandbox.internet import Internet
from tests.sandbox.launched import Config, Launched, launch, this_interpreter

from lambent.sandbox.base import Sandbox, SandboxSpec

# Runs what it is sent: the value of `got`, or what was raised.
RUN = """
import os, socket, subprocess, sys

def handler(event, context):
    scope = dict(globals())
    try:
        exec(event, scope)
    except BaseException as error:
        return {"refused": type(error).__name__, "text": str(error)}
    return {"got": scope.get("got")}
"""
VARIABLES = {"LAMBDA_TASK_ROOT": "/var/task", "_HANDLER": "handler.handler"}

TIMEOUT_S = 60

Up = Callable[..., Awaitable[Launched]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def up(data: Path) -> AsyncIterator[Up]:
    """Start launchers; they end with the test."""
    started: list[Launched] = []

    async def start(config: Config | None = None) -> Launched:
        started.append(await launch(data, config))
        return started[-1]

    yield start
    for launched in started:
        for caller in launched.callers:
            await caller.close()
        if launched.process.returncode is None:
            await launched.end()
        launched.node.close()
        await launched.host.close()


def write_code(data: Path, name: str = "attempts", text: str = RUN) -> Path:
    folder = data / "code" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "handler.py").write_text(text)
    return folder


async def sandbox_on(launched: Launched, code: Path, **more: object) -> Sandbox:
    spec = SandboxSpec(**{"interpreter": this_interpreter(), "code": code, **more})  # type: ignore[arg-type]
    return await launched.host.create(spec)


async def process_on(launched: Launched, code: Path, **more: object) -> Caller:
    sandbox = await sandbox_on(launched, code, **more)
    return await start_in(launched, sandbox)


async def start_in(launched: Launched, sandbox: Sandbox) -> Caller:
    """A process that is ready, and closed when the test ends."""
    caller = Caller(await sandbox.start(VARIABLES))
    launched.callers.append(caller)
    return await caller.ready()


def in_a_child(code: str, *arguments: str) -> Any:
    """Run code in a process whose mounts are its own; its last line is JSON."""
    begin = (
        "import json, os, sys\nfrom pathlib import Path\nfrom lambent.sandbox import namespaces, syscalls\n"
    )
    begin += "view = namespaces.private_mounts()\n"
    command = [sys.executable, "-c", begin + textwrap.dedent(code), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def world() -> Iterator[Internet]:
    """A machine and an internet of the test's own."""
    made = Internet()
    yield made
    made.close()
