"""Times as AWS Lambda writes them: 2025-11-25T02:26:54.123+0000."""

from datetime import UTC, datetime, timedelta

_FORMAT = "%Y-%m-%dT%H:%M:%S.%f%z"
_MILLISECOND = timedelta(milliseconds=1)


def stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def later_stamp(before: str) -> str:
    """Now; a millisecond after `before` when the clock has not moved on, so that no two are the same."""
    now = datetime.now(UTC)
    if before and stamp(now) <= before:
        now = datetime.strptime(before, _FORMAT) + _MILLISECOND
    return stamp(now)
