"""What a rival needs to be measured beside us: an environment of its own, and its processor time."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.node import wait_for_port
from benchmarks.processes import cpu_s
from benchmarks.stats import say

STOP_S = 20


@dataclass(frozen=True, slots=True)
class Rival:
    """A running rival."""

    process: "subprocess.Popen[bytes]"
    port: int

    def cpu_s(self) -> float:
        return cpu_s(self.process.pid)


@contextmanager
def running(
    command: Sequence[str | Path], port: int, folder: str, environment: Mapping[str, str]
) -> Iterator[Rival]:
    """A program that serves on `port`, until the end of the block."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    try:
        if not wait_for_port(process, port):
            raise RuntimeError(f"{command[0]} did not start")
        yield Rival(process, port)
    finally:
        process.terminate()
        process.wait(STOP_S)


def installed(package: str, version: str) -> Path:
    """The programs of a virtual environment, which is made once and kept in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lambent-benchmarks"
    folder = cache / f"{package}-{version}-{sys.implementation.cache_tag}"
    if not (folder / "complete").exists():
        say(f"installing {package} {version}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, f"{package}=={version}"], check=True)
        (folder / "complete").touch()
    return folder / "bin"
