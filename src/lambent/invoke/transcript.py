"""The log of one instance: its output cut into lines, the platform's own lines between them."""

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from itertools import accumulate

from lambent.model.limits import LOG_BYTES_PER_INVOCATION, LOG_EVENT_BYTES, LOG_TAIL_BYTES
from lambent.records.report import dropped_line

Events = list[tuple[int, str]]  # (milliseconds since the epoch, message)

LINE_BYTES = 26  # what each counts besides its text, as CloudWatch counts log events
FLUSH_EVENTS = 1000
TAIL_LINES = LOG_TAIL_BYTES // 2  # no shorter lines than one character and its end
FLUSH_MS = 500  # a long run's lines can be followed while it runs


class Transcript:
    """Gathers events and hands them to `write`; keeps the tail of the invocation that runs."""

    def __init__(self, write: Callable[[Events], None]) -> None:
        self._write = write
        self._events: Events = []
        self._partial = b""
        self._said: deque[str] = deque(maxlen=TAIL_LINES)
        self._room = LOG_BYTES_PER_INVOCATION
        self._dropped = 0

    def begin(self, line: str) -> None:
        """A new invocation starts with this line."""
        self._said.clear()
        self._room = LOG_BYTES_PER_INVOCATION
        self._dropped = 0
        self.add(line)

    def add(self, *lines: str) -> None:
        """Lines of the platform; each ends with a newline."""
        now_ms = int(time.time() * 1000)
        self._events += [(now_ms, line) for line in lines]
        self._said += lines

    def feed(self, data: bytes) -> None:
        """Output as it came from the pipe."""
        now_ms = int(time.time() * 1000)
        *lines, partial = (self._partial + data).split(b"\n")
        while len(partial) > LOG_EVENT_BYTES:
            lines.append(partial[:LOG_EVENT_BYTES])
            partial = partial[LOG_EVENT_BYTES:]
        self._partial = partial
        if lines:
            self._say(now_ms, lines)
        if self._events and (len(self._events) > FLUSH_EVENTS or now_ms - self._events[0][0] > FLUSH_MS):
            self.flush()

    def end(self) -> None:
        """What was printed without a newline is a line too, and what was dropped is said."""
        if self._partial:
            self._say(int(time.time() * 1000), [self._partial])
            self._partial = b""
        if self._dropped:
            self.add(dropped_line(self._dropped, f"over {LOG_BYTES_PER_INVOCATION} bytes in one invocation"))

    def flush(self) -> None:
        if self._events:
            self._write(self._events)
            self._events = []

    def tail(self) -> bytes:
        """The last 4 KiB of this invocation's log."""
        kept: deque[str] = deque()
        room = LOG_TAIL_BYTES
        while self._said and room > 0:
            kept.appendleft(self._said.pop())
            room -= len(kept[0])
        return "".join(kept).encode()[-LOG_TAIL_BYTES:]

    def _say(self, now_ms: int, lines: list[bytes]) -> None:
        """Lines of the process, as many as there is room for. Floods come by here: no step for each line."""
        sizes = [0, *accumulate(len(line) + LINE_BYTES for line in lines)]
        kept = bisect_right(sizes, self._room) - 1 if self._room > 0 else 0
        self._room -= sizes[-1]
        self._dropped += len(lines) - kept
        texts = [line.decode(errors="replace") + "\n" for line in lines[:kept]]
        self._events += [(now_ms, text) for text in texts]
        self._said += texts
