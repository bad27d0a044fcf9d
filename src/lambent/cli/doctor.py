"""`lambent doctor`: what this machine allows, what is lost without the rest, and what to do."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lambent import settings
from lambent.cli.failure import REFUSED
from lambent.cli.node import data_option, json_option
from lambent.cli.output import print_json
from lambent.lazy import Lazy

if TYPE_CHECKING:
    from lambent.cli import examination
    from lambent.cli.examination import Finding
else:
    examination = Lazy("lambent.cli.examination")  # it asks the parts of the node

SIGNS = {"ok": ("✓", "green"), "less": ("!", "yellow"), "missing": ("✗", "red")}


@click.command()
@data_option
@json_option
def command(data: Path | None, as_json: bool) -> int:
    """Say what this machine allows, what is lost without the rest, and what to do about it.

    Exit code 3: a part of the platform cannot run here.
    """
    found = list(examination.examine(settings.load({"data": data})))
    if as_json:
        print_json([asdict(finding) for finding in found])
    else:
        for finding in found:
            _print(finding)
    return REFUSED if any(finding.state == "missing" for finding in found) else 0


def _print(finding: "Finding") -> None:
    sign, colour = SIGNS[finding.state]
    click.echo(f"{click.style(sign, fg=colour)} {finding.name:<16} {finding.found}")
    for what, text in (("lost", finding.lost), ("do", finding.remedy)):
        if text:
            click.echo(f"  {'':<16} {click.style(what + ':', dim=True)} {text}")
