"""What an action prints, as an activation's log lines."""

from collections.abc import Iterable
from datetime import UTC, datetime

MARK = "\x1e"  # begins a line of standard error: see runtimes/python/action.py
PLATFORM = ("INIT_START ", "INIT_REPORT ")  # lines of ours that come before the first call
TRUNCATED = "Logs were truncated because the total bytes size exceeds the limit of {} bytes."
MIB = 1024 * 1024


class Output:
    """Gathers the lines of one activation up to its action's limit."""

    def __init__(self, limit_mb: int) -> None:
        self._limit = self._room = limit_mb * MIB
        self._lines: list[str] = []

    def hear(self, events: Iterable[tuple[int, str]]) -> None:
        for at_ms, text in events:
            if self._room < 0 or text.startswith(PLATFORM):
                continue
            self._room -= len(text)
            if self._room < 0:
                if self._limit:
                    self._lines.append(_line(at_ms, "stderr", TRUNCATED.format(self._limit)))
                return
            stream = "stderr" if text.startswith(MARK) else "stdout"
            self._lines.append(_line(at_ms, stream, text.removeprefix(MARK).rstrip("\n")))

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(self._lines)


def _line(at_ms: int, stream: str, text: str) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}000Z {stream}: {text}"
