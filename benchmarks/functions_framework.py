"""The rival of `warm`: Google's functions-framework with its defaults, serving the same handler."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.node import free_port, wait_for_port
from benchmarks.processes import cpu_s
from benchmarks.signing import raw
from benchmarks.stats import say

VERSION = "3.10.2"
STOP_S = 20

MAIN = """
import handler

def main(request):
    return handler.handler(request.get_json(), None)
"""


@dataclass(frozen=True, slots=True)
class Rival:
    """A running functions-framework."""

    process: "subprocess.Popen[bytes]"
    port: int

    def request(self, payload: bytes) -> bytes:
        headers = {"Host": f"127.0.0.1:{self.port}", "Content-Type": "application/json"}
        return raw("POST", "/", headers, payload)

    def cpu_s(self) -> float:
        return cpu_s(self.process.pid)


@contextmanager
def started(code: str) -> Iterator[Rival]:
    program = _environment() / "bin" / "functions-framework"
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "handler.py").write_text(code)
        Path(folder, "main.py").write_text(MAIN)
        command = [str(program), "--target=main", "--host=127.0.0.1", f"--port={port}"]
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            if not wait_for_port(process, port):
                raise RuntimeError("functions-framework did not start")
            yield Rival(process, port)
        finally:
            process.terminate()
            process.wait(STOP_S)


def _environment() -> Path:
    """A virtual environment of its own, made once and kept in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lambent-benchmarks"
    folder = cache / f"functions-framework-{VERSION}-{sys.implementation.cache_tag}"
    if not (folder / "complete").exists():
        say(f"installing functions-framework {VERSION}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, f"functions-framework=={VERSION}"], check=True)
        (folder / "complete").touch()
    return folder
