"""Cron expressions of five or six fields, the first of six being seconds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTHS = {name: number for number, name in enumerate(_MONTHS, 1)}
DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
FIELDS: tuple[tuple[str, int, int, Mapping[str, int]], ...] = (
    ("second", 0, 59, {}),
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, MONTHS),
    ("day of the week", 0, 7, DAYS),
)
HORIZON_YEARS = 8  # 29 February comes again within
_PART = re.compile(r"(?P<first>\*|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\d+))?")


class BadCron(ValueError):
    """An expression that means nothing."""


@dataclass(frozen=True, slots=True)
class Cron:
    """When something is due. Of day of the month and day of the week one suffices when both are given."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    def after(self, moment: datetime, zone: tzinfo = UTC) -> datetime | None:
        """The first time behind `moment`; None when there is none."""
        at = moment.astimezone(zone).replace(microsecond=0, tzinfo=None) + timedelta(seconds=1)
        end = at.year + HORIZON_YEARS
        while at.year < end:
            if at.month not in self.months:
                at = (at.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0)
            elif not self._on_day(at):
                at = at.replace(hour=0, minute=0, second=0) + timedelta(days=1)
            elif at.hour not in self.hours:
                at = at.replace(minute=0, second=0) + timedelta(hours=1)
            elif at.minute not in self.minutes:
                at = at.replace(second=0) + timedelta(minutes=1)
            elif at.second not in self.seconds:
                at += timedelta(seconds=1)
            else:
                return at.replace(tzinfo=zone).astimezone(UTC)
        return None

    def _on_day(self, at: datetime) -> bool:
        by_month, by_week = at.day in self.days, at.isoweekday() % 7 in self.weekdays
        return by_month or by_week if self.either_day else by_month and by_week


def parse(text: str) -> Cron:
    """Raises `BadCron`."""
    parts = text.split()
    if len(parts) == 5:
        parts = ["0", *parts]
    if len(parts) != 6:
        raise BadCron(f"cron {text!r} has {len(parts)} fields and not 5 or 6")
    values = [_field(part, *field) for part, field in zip(parts, FIELDS, strict=True)]
    either = not parts[3].startswith("*") and not parts[5].startswith("*")
    seconds, minutes, hours, days, months, weekdays = values
    return Cron(seconds, minutes, hours, days, months, frozenset(day % 7 for day in weekdays), either)


def _field(text: str, name: str, least: int, most: int, words: Mapping[str, int]) -> frozenset[int]:
    values: set[int] = set()
    for part in text.lower().split(","):
        found = _PART.fullmatch(part)
        if found is None or found["step"] == "0":
            raise BadCron(f"{part!r} is no {name}")
        if found["first"] == "*":
            first, last = least, most
        else:
            first = _number(found["first"], name, words)
            last = _number(found["last"], name, words) if found["last"] else most if found["step"] else first
        if not least <= first <= last <= most:
            raise BadCron(f"{part!r} is no {name}: it lies between {least} and {most}")
        values.update(range(first, last + 1, int(found["step"] or 1)))
    return frozenset(values)


def _number(text: str, name: str, words: Mapping[str, int]) -> int:
    if text in words:
        return words[text]
    if not text.isdigit():
        raise BadCron(f"{text!r} is no {name}")
    return int(text)
