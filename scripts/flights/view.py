"""How the demo shows itself: a progress bar, a table, the year in bars."""

import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

EIGHTHS = " ▏▎▍▌▋▊▉█"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
BAR_COLUMNS = 24
REDRAW_S = 0.1
QUIET_REDRAW_S = 5.0  # where nobody watches a line being redrawn


@dataclass(frozen=True, slots=True)
class Month:
    number: int
    flights: int
    delay_min: float  # mean, at arrival; negative is early


def paint(text: str, code: str, out: TextIO = sys.stdout) -> str:
    return f"\033[{code}m{text}\033[0m" if out.isatty() else text


def dim(text: str) -> str:
    return paint(text, "2")


def bold(text: str) -> str:
    return paint(text, "1")


def bar(value: float, largest: float, columns: int) -> str:
    """A bar from zero whose length is in proportion, to an eighth of a column."""
    eighths = round(max(value, 0.0) / largest * columns * 8) if largest > 0 else 0
    full, rest = divmod(eighths, 8)
    return "█" * full + (EIGHTHS[rest] if rest else "")


def left_bar(value: float, largest: float, columns: int) -> str:
    """The same to the left of an axis; there are no such eighths, so it is to a half of a column."""
    halves = round(max(value, 0.0) / largest * columns * 2) if largest > 0 else 0
    full, rest = divmod(halves, 2)
    return (("▐" if rest else "") + "█" * full).rjust(columns)


def year(months: Sequence[Month]) -> list[str]:
    """A line a month: how many flights, and how late they were on the average. Both scales begin at zero."""
    most = max(month.flights for month in months)
    latest = max(max(month.delay_min for month in months), 0.0)
    earliest = max(-min(month.delay_min for month in months), 0.0)
    span = latest + earliest
    left = round(BAR_COLUMNS * earliest / span) if span and earliest else 0
    left = max(left, 1) if earliest > 0 else 0
    unit = max(earliest / left if left else 0.0, latest / (BAR_COLUMNS - left))  # minutes a column
    lines = [f"{'':5}{'flights':<{BAR_COLUMNS + 9}} mean delay at arrival, minutes"]
    for month in months:
        flights = bar(month.flights, most, BAR_COLUMNS)
        early = left_bar(-month.delay_min, unit * left, left) if left else ""
        late = bar(month.delay_min, unit * (BAR_COLUMNS - left), BAR_COLUMNS - left)
        count = f"{month.flights:>7,}"
        lines.append(
            f"{MONTHS[month.number - 1]:<4} {paint(flights.ljust(BAR_COLUMNS), '36')} {count} "
            f" {month.delay_min:>6.1f} {paint(early, '32')}{dim('│')}{paint(late, '33')}"
        )
    return lines


def table(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    """What, how much, and a remark."""
    wide = max(len(row[0]) for row in rows)
    numbers = max(len(row[1]) for row in rows)
    return [
        f"{what:<{wide}}  {bold(value.rjust(numbers))}  {dim(note)}".rstrip() for what, value, note in rows
    ]


class Progress:
    """A line that is redrawn where somebody watches, and now and then a new one where nobody does."""

    def __init__(self, what: str, total: int, out: TextIO = sys.stderr) -> None:
        self._what, self._total, self._out = what, total, out
        self._drawn_at = 0.0

    def show(self, value: int, note: str = "", *, last: bool = False) -> None:
        now = time.monotonic()
        every = REDRAW_S if self._out.isatty() else QUIET_REDRAW_S
        if not last and now - self._drawn_at < every:
            return
        self._drawn_at = now
        columns = max(min(shutil.get_terminal_size().columns - len(self._what) - len(note) - 24, 40), 8)
        drawn = bar(value, self._total, columns).ljust(columns, "·")
        line = f"{self._what} {paint(drawn, '36', self._out)} {value:>7,}/{self._total:,} {note}"
        if self._out.isatty():
            self._out.write(f"\r\033[K{line}" + ("\n" if last else ""))
        else:
            self._out.write(f"{line}\n")
        self._out.flush()
