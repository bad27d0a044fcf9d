"""What a function is written in, by what lies at the top of its package, and so which runtime it gets."""

import zipfile
from pathlib import Path

from lambent.cli.failure import Failure
from lambent.cli.node import Node

BOOTSTRAP = "bootstrap"
NODE_FILES = (".js", ".mjs", ".cjs")


def family(path: Path) -> str:
    """python, nodejs or provided."""
    names = _top(path)
    suffixes = {Path(name).suffix for name in names}
    if BOOTSTRAP in names:
        return "provided"
    if ".py" not in suffixes and ("package.json" in names or suffixes.intersection(NODE_FILES)):
        return "nodejs"
    return "python"


def runtime(family: str, node: Node) -> str:
    """The one that a new function gets."""
    if family == "provided":
        return "provided.al2023"
    if family == "python":
        return node.default_runtime()
    there = [name for name in node.runtimes() if name.startswith(family)]
    if not there:
        raise Failure("the node has no Node.js: install it on its machine and start the node again")
    return there[-1]


def _top(path: Path) -> set[str]:
    if path.is_dir():
        return {entry.name for entry in path.iterdir()}
    if not zipfile.is_zipfile(path):
        return {path.name}
    with zipfile.ZipFile(path) as archive:
        return {name for name in archive.namelist() if "/" not in name}
