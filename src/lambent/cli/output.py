"""How the command line says things: short steps, tables, JSON."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import click


class Steps:
    """Says what was done, one short line a step; silent when a script asked for JSON."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent

    def done(self, what: str, detail: str) -> None:
        if not self._silent:
            click.echo(f"{click.style('✓', fg='green')} {what:<9} {detail}")


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2 if sys.stdout.isatty() else None, ensure_ascii=False, default=str))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell; the last one runs free."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for number, row in enumerate([head, *rows]):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        line = "  ".join(cells).rstrip()
        click.echo(click.style(line, bold=True) if number == 0 else line)


def size(bytes_: float) -> str:
    for unit in ("B", "KB"):
        if bytes_ < 1024:
            return f"{bytes_:.0f} {unit}" if unit == "B" else f"{bytes_:.1f} {unit}"
        bytes_ /= 1024
    return f"{bytes_:.1f} MB"
