"""Installs a folder's requirements.txt beside its code, for the Python that the function will run on."""

import re
import subprocess
import sys
from pathlib import Path

from lambent.cli.failure import Failure

INSTALL_S = 600


def install(requirements: Path, target: Path, runtime: str) -> None:
    """Fill `target` with the wheels that `requirements` asks for. Raises `Failure` with pip's own reason."""
    version = runtime.removeprefix("python")
    if not re.fullmatch(r"3\.\d+", version):
        raise Failure(f"{requirements} can be installed for Python runtimes only, not for {runtime}")
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"),
        *("--target", str(target), "--requirement", str(requirements)),
        *("--only-binary=:all:", "--implementation=cp", f"--python-version={version}"),
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_S, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise Failure(f"pip did not finish {requirements} within {INSTALL_S} s") from None
    if done.returncode:
        raise Failure(f"{requirements} cannot be installed for {runtime}: {_reason(done.stderr)}")


def _reason(errors: str) -> str:
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    told = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    if "No module named pip" in errors:
        return "this Python has no pip; run `python -m ensurepip`, or install it into the folder yourself"
    return (told or lines or ["pip gave no reason"])[-1]
