"""An alarm: when a trigger is fired by the clock, and with what."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lambent.whisk.cron import BadCron
from lambent.whisk.cron import parse as parse_cron
from lambent.whisk.names import Name

LONGEST_MINUTES = 10 * 366 * 24 * 60
DATES = ("date", "startDate", "stopDate")
DELETES = ("false", "true", "rules")  # the trigger; and its rules
FEEDS = ("alarm", "interval", "once")


class BadAlarm(ValueError):
    """Parameters of which no alarm can be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """`due_at` is in seconds since the epoch, None when it will not fire again."""

    trigger: Name
    subject: str
    feed: str
    parameters: Mapping[str, Any]
    due_at: float | None = None

    @property
    def payload(self) -> Mapping[str, Any]:
        given = self.parameters.get("trigger_payload", {})
        return given if isinstance(given, dict) else {"payload": given}

    @property
    def deletes(self) -> str:
        """What goes with its last fire."""
        return _deletes(self.parameters) if self.feed == "once" else "false"

    @property
    def config(self) -> Mapping[str, Any]:
        """As READ shows it."""
        hidden = ("trigger_payload", "dateChanged")
        shown = {key: value for key, value in self.parameters.items() if key not in hidden}
        return {
            "name": self.trigger.name,
            "namespace": self.trigger.namespace,
            "payload": self.payload,
            **shown,
        }

    def next_after(self, moment: float) -> float | None:
        """When it is due the next time. Raises `BadAlarm`."""
        after = datetime.fromtimestamp(moment, UTC)
        start, stop = _date(self.parameters, "startDate"), _date(self.parameters, "stopDate")
        due = _NEXT[self.feed](self.parameters, after, start)
        return None if due is None or (stop and due > stop) else due.timestamp()


def check(given: Mapping[str, Any], moment: float) -> None:
    """What a client gives anew, refused in the words of OpenWhisk's package. Raises `BadAlarm`."""
    dates = {name: date for name in DATES if (date := _date(given, name))}
    for name, date in dates.items():
        if date.timestamp() <= moment:
            raise BadAlarm(f"{name} parameter '{given[name]}' must be in the future")
    if "startDate" in dates and dates.get("stopDate", datetime.max.replace(tzinfo=UTC)) <= dates["startDate"]:
        raise BadAlarm(
            f"stopDate parameter '{given['stopDate']}' must be greater than the startDate parameter "
            f"'{given['startDate']}'"
        )
    if _deletes(given) not in DELETES:
        raise BadAlarm("deleteAfterFire parameter must be one of [false, true, rules].")


def _deletes(given: Mapping[str, Any]) -> str:
    return str(given.get("deleteAfterFire", "false")).strip().lower()


def _alarm(given: Mapping[str, Any], after: datetime, start: datetime | None) -> datetime | None:
    try:
        cron = parse_cron(str(given["cron"]))
        zone = ZoneInfo(given.get("timezone") or "UTC")
    except KeyError:
        raise BadAlarm("alarms trigger feed is missing the cron parameter") from None
    except BadCron as error:
        raise BadAlarm(f"cron pattern '{given['cron']}' is not valid: {error}") from None
    except (ZoneInfoNotFoundError, ValueError, TypeError) as error:
        raise BadAlarm(str(error)) from None
    return cron.after(max(after, start - timedelta(seconds=1)) if start else after, zone)


def _interval(given: Mapping[str, Any], after: datetime, start: datetime | None) -> datetime | None:
    try:
        minutes = int(given["minutes"])
    except KeyError:
        raise BadAlarm("interval trigger feed is missing the minutes parameter") from None
    except (TypeError, ValueError):
        raise BadAlarm("the minutes parameter must be an integer") from None
    if minutes < 1:
        raise BadAlarm("the minutes parameter must be an integer greater than zero")
    if minutes > LONGEST_MINUTES:
        raise BadAlarm(f"the minutes parameter must not be over {LONGEST_MINUTES}, ten years")
    return start if start and start > after else after + timedelta(minutes=minutes)


def _once(given: Mapping[str, Any], after: datetime, _: datetime | None) -> datetime | None:
    date = _date(given, "date")
    if date is None:
        raise BadAlarm("alarms once trigger feed is missing the date parameter")
    return date if date > after else None


_NEXT = {"alarm": _alarm, "interval": _interval, "once": _once}


def _date(given: Mapping[str, Any], name: str) -> datetime | None:
    """Milliseconds since the epoch, or as ISO 8601 writes it."""
    value = given.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, int | float) or str(value).isdigit():
            return datetime.fromtimestamp(float(value) / 1000, UTC)
        date = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        raise BadAlarm(f"{name} parameter '{value}' is not a valid Date") from None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
