"""Live tails: who follows logs hears of lines when they are written."""

from collections.abc import Sequence
from typing import NamedTuple

from lambent.model.invocation import Run
from lambent.records import report
from lambent.records.chunks import GroupKey, Line
from lambent.records.pattern import EVERYTHING, Pattern

UPDATE_LINES = 500  # between two looks, as at AWS; of more there are samples


class TailLine(NamedTuple):
    """A line as a tail hears of it."""

    group: GroupKey
    stream: str
    at_ms: int
    message: str


class Tail:
    """Gathers the lines of some groups until somebody takes them; what does not fit is left out."""

    def __init__(
        self,
        groups: Sequence[GroupKey],
        pattern: Pattern = EVERYTHING,
        *,
        streams: Sequence[str] = (),
        prefixes: Sequence[str] = (),
    ) -> None:
        self.groups = frozenset(groups)
        self._pattern = pattern
        self._streams = frozenset(streams)
        self._prefixes = tuple(prefixes)
        self._lines: list[TailLine] = []
        self._sampled = False

    def hear(self, group: GroupKey, stream: str, events: Sequence[Line] | Run) -> None:
        if group not in self.groups or not self._follows(stream):
            return
        for at_ms, message in report.quiet_run(events) if isinstance(events, Run) else events:
            if len(self._lines) >= UPDATE_LINES:
                self._sampled = True
                return
            if self._pattern.matches(message):
                self._lines.append(TailLine(group, stream, at_ms, message))

    def take(self) -> tuple[list[TailLine], bool]:
        """What came since the last time, and whether there was more."""
        taken = self._lines, self._sampled
        self._lines, self._sampled = [], False
        return taken

    def _follows(self, stream: str) -> bool:
        if self._streams:
            return stream in self._streams
        return not self._prefixes or stream.startswith(self._prefixes)
