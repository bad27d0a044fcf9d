"""The first rival of `warm`: Google's functions-framework, serving the same handler."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.node import free_port
from benchmarks.rival import Rival, installed, running
from benchmarks.signing import raw

NAME, VERSION = "functions-framework", "3.10.2"

MAIN = """
import handler

def main(request):
    return handler.handler(request.get_json(), None)
"""


def request(rival: Rival, payload: bytes) -> bytes:
    headers = {"Host": f"127.0.0.1:{rival.port}", "Content-Type": "application/json"}
    return raw("POST", "/", headers, payload)


@contextmanager
def started(code: str, workers: int = 1) -> Iterator[Rival]:
    """With its defaults, of which one is a single worker."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "handler.py").write_text(code)
        Path(folder, "main.py").write_text(MAIN)
        program = installed(NAME, VERSION) / NAME
        command: list[str | Path] = [program, "--target=main", "--host=127.0.0.1", f"--port={port}"]
        with running(command, port, folder, {"WORKERS": str(workers)}) as rival:
            yield rival
