"""What is not documented does not exist: commands, options, settings, dependencies."""

import itertools
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import click
import pytest

from lambent.cli.main import COMMANDS, cli
from lambent.settings import Settings

ROOT = Path(__file__).parent.parent.parent
DOCS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
REFERENCE = (ROOT / "docs" / "cli.md").read_text()
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


def section(command: str) -> str:
    found = re.search(rf"^## lambent {command}\b.*?(?=^## |\Z)", REFERENCE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no section on {command}"
    return found[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_in_the_reference_and_nothing_else(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    table = [line.split("|")[1] for line in section(name).replace(r"\|", "/").splitlines() if line[:1] == "|"]
    documented = {option for cell in table for option in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", cell)}
    declared = {text for p in command.params if isinstance(p, click.Option) for text in p.opts}
    assert documented == declared


def test_the_reference_knows_no_other_command() -> None:
    assert set(re.findall(r"^## lambent (\w+)", REFERENCE, re.MULTILINE)) == set(COMMANDS)


def test_every_setting_is_documented_with_its_default() -> None:
    table = dict(
        re.findall(r"^\| (`[^|]+) \| ([^|]+) \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
    )
    documented = {name: shown for cell, shown in table.items() for name in re.findall(r"`(\w+)`", cell)}
    for setting in fields(Settings):
        assert setting.name in documented
        if isinstance(setting.default, int | float):
            assert float(documented[setting.name]) == setting.default
    assert {name for name in documented if name.isidentifier()} >= {f.name for f in fields(Settings)}


def test_every_dependency_has_a_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = {k: lines for k, lines in project["optional-dependencies"].items() if k != "dev"}
    lines = [*project["dependencies"], *itertools.chain(*optional.values())]
    wanted = {re.split(r"[><=;\[ ]", line, maxsplit=1)[0] for line in lines}
    reasons = (ROOT / "docs/design/dependencies.md").read_text()
    assert wanted == set(re.findall(r"^\| `([\w-]+)`", reasons, re.MULTILINE))


@pytest.mark.parametrize("path", DOCS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(path.read_text()):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_architecture_is_short_and_its_files_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    assert len(text.splitlines()) <= 150
    for name in re.findall(r"`((?:src/lambent/)?[\w/]+\.(?:py|sql))`", text):
        assert (ROOT / name).exists() or (ROOT / "src" / "lambent" / name).exists(), name


def test_every_promise_names_a_command_that_exists() -> None:
    promises = (ROOT / "SPECIFICATION.md").read_text()
    commands = re.findall(r"`scripts/(\w+)(?: (\w+))?[^`]*`", promises)
    assert commands
    for script, benchmark in commands:
        assert (ROOT / "scripts" / script).exists()
        if script == "bench" and benchmark:
            assert (ROOT / "benchmarks" / f"{benchmark}.py").exists()
