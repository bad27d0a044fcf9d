"""The house keeps its plan: layers, budgets, no cycles, one sentence for every module."""

import ast
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "lambent"
MODULES = sorted(p for p in SOURCE.rglob("*.py"))

# A part may import from its own layer and from those below it.
LAYERS = [
    {"model", "settings", "folder", "lazy"},
    {"sandbox", "runtimes", "store", "images"},
    {"records"},
    {"invoke"},
    {"events", "warehouse", "objects", "whisk"},
    {"faces", "console"},
    {"launch"},
    {"app"},
    {"serving"},
    {"up"},
    {"cli"},
]
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
FILE_LINES = 400
FUNCTION_LINES = 50


def part_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    """The module and its statements, however deep; expressions would take ten times as long."""
    found: list[ast.AST] = [ast.parse(path.read_text())]
    for node in found:
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            found += getattr(node, name, ())
    return found


@cache
def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "lambent"}


def is_inside_the_sandbox(path: Path) -> bool:
    runtimes = SOURCE / "runtimes"
    return runtimes / "python" in path.parents or path == runtimes / "start.py"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_module_keeps_its_layer_and_budget(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= FILE_LINES, "find the second noun in this file"
    module, *nodes = nodes_of(path)
    assert isinstance(module, ast.Module)
    assert ast.get_docstring(module), "a module starts with one sentence about what it is"
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < FUNCTION_LINES, f"{node.name} is too long"
    part = part_of(path)
    imported = imports_of(path)
    if is_inside_the_sandbox(path):
        assert not imported, "what runs inside the sandbox imports nothing of ours"
    elif part in LEVEL:
        for name in imported:
            other = name.split(".")[1] if "." in name else ""
            if other in LEVEL:
                assert LEVEL[other] <= LEVEL[part], f"{part} may not import {other}: it is above it"


def test_every_part_has_a_layer() -> None:
    assert {part_of(p) for p in MODULES} - {"__init__", "__main__"} <= set(LEVEL)


def test_no_import_cycles() -> None:
    names = {".".join(("lambent", *p.relative_to(SOURCE).with_suffix("").parts)): p for p in MODULES}
    names = {name.removesuffix(".__init__"): path for name, path in names.items()}
    graph = {name: {i for i in imports_of(path) if i in names and i != name} for name, path in names.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"import cycle: {' > '.join((*trail, name))}"
        if name in done:
            return
        for other in sorted(graph[name]):
            visit(other, (*trail, name))
        done.add(name)

    for name in sorted(graph):
        visit(name, ())
