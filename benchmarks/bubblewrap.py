"""The rival of `cold`: the same interpreter in `bwrap --unshare-all` imports the handler and runs it once.

It gets what it needs and no more: no limits, no log, no network setup, no /tmp of its own size.
"""

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from lambent.model.interpreter import Interpreter

PROGRAM = "import json, sys, handler; print(json.dumps(handler.handler(json.loads(sys.argv[1]), None)))"
TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Start:
    """One first answer."""

    ms: float
    answer: Any


def start(interpreter: Interpreter, code: Path, event: bytes) -> Start:
    """From nothing to the answer; the process's own end is waited for, but not counted."""
    command = _command(interpreter, code, event)
    began = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as output:
        line = output.readline()
        ms = (time.perf_counter() - began) * 1000
    if process.wait(TIMEOUT_S):
        raise RuntimeError(f"bwrap ended with {process.returncode}: {' '.join(command[:12])} …")
    return Start(ms, orjson.loads(line))


def _command(interpreter: Interpreter, code: Path, event: bytes) -> Sequence[str]:
    command = ["bwrap", "--unshare-all", "--clearenv", "--ro-bind", "/usr", "/usr"]
    for link in ("bin", "lib", "lib64"):
        command += ["--symlink", f"usr/{link}", f"/{link}"]
    if not interpreter.prefix.is_relative_to("/usr"):
        command += ["--ro-bind", str(interpreter.prefix), str(interpreter.prefix)]
    if interpreter.libraries is not None:
        command += ["--ro-bind", str(interpreter.libraries), "/opt/python"]
        command += ["--setenv", "PYTHONPATH", "/opt/python"]
    command += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    command += ["--setenv", "AWS_DEFAULT_REGION", "us-east-1"]
    command += ["--ro-bind", str(code), "/var/task", "--chdir", "/var/task"]
    return [*command, str(interpreter.executable), "-c", PROGRAM, event.decode()]
