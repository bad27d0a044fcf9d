"""The runtimes that are programs of their own: the Nodes of this machine, and a function's own bootstrap."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from lambent.model.interpreter import Interpreter

PROBE_TIMEOUT_S = 10.0
OLDEST_NODE = 18
_VERSION = re.compile(r"v(?P<version>(?P<major>\d+)\.\d+\.\d+)\n")
BOOTSTRAP = Path("bootstrap")  # wherever the function's package or its layers have it
SYSTEM = Path("/usr")


def find() -> Mapping[str, Interpreter]:
    """By runtime; of each major version of Node the newest that is where they usually are."""
    nodes = sorted(_nodes(), key=lambda node: [int(part) for part in node.version.split(".")])
    return {node.runtime: node for node in (*nodes, *_provided())}


def _provided() -> Iterator[Interpreter]:
    """The system's own libraries are all that there is, so they differ from Amazon's."""
    for system in ("al2", "al2023"):
        yield Interpreter(f"provided.{system}", BOOTSTRAP, SYSTEM, f"{system}.0", None, "provided")


def _nodes() -> Iterator[Interpreter]:
    for path in dict.fromkeys(_candidates()):
        try:
            told = subprocess.run(
                [path, "--version"], env={}, capture_output=True, text=True, timeout=PROBE_TIMEOUT_S
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        found = _VERSION.fullmatch(told.stdout)
        if found and int(found["major"]) >= OLDEST_NODE:
            runtime = f"nodejs{found['major']}.x"
            yield Interpreter(runtime, path, path.parent.parent, found["version"], None, "nodejs")


def _candidates() -> Iterator[Path]:
    """Real paths of what is called node in a folder called bin."""
    folders = [Path(folder) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    folders += [Path("/usr/local/bin"), Path("/usr/bin")]
    for root in (os.environ.get("NVM_DIR"), Path.home() / ".nvm"):
        if root:
            folders += sorted(Path(root, "versions", "node").glob("*/bin"))
    for folder in folders:
        path = (folder / "node").resolve()
        if (path.parent.name, path.name) == ("bin", "node") and os.access(path, os.X_OK):
            yield path
