"""The log of one instance: its output cut into lines, the platform's own lines between them."""

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from itertools import accumulate

from lambent.model.invocation import Hear, Invocation, Run
from lambent.model.limits import LOG_BYTES_PER_INVOCATION, LOG_EVENT_BYTES, LOG_TAIL_BYTES
from lambent.records.report import dropped_line, end, report, start

Events = list[tuple[int, str]]  # (milliseconds since the epoch, message)

LINE_BYTES = 26  # what each counts besides its text, as CloudWatch counts log events
FLUSH_EVENTS = 1000
TAIL_LINES = LOG_TAIL_BYTES // 2  # no shorter lines than one character and its end
FLUSH_MS = 500  # a long run's lines can be followed while it runs


class Transcript:
    """Gathers events and hands them to `write`; keeps the tail of an invocation whose caller wants it.

    An invocation that printed nothing, as most do, is handed over as what it took and costs no text.
    """

    def __init__(self, write: Callable[[Events | Run], None]) -> None:
        self._write = write
        self._events: Events = []
        self._partial = b""
        self._begun: tuple[float, str, str] | None = None  # when, id, version: not in the log yet
        self._said: deque[str] = deque(maxlen=TAIL_LINES)
        self._wants_tail = False
        self._hear: Hear | None = None
        self._room = LOG_BYTES_PER_INVOCATION
        self._dropped = 0

    def begin(self, invocation: Invocation, version: str, started_at: float) -> None:
        """What comes now belongs to this invocation."""
        self._room = LOG_BYTES_PER_INVOCATION
        self._dropped = 0
        self._wants_tail = invocation.wants_tail
        self._hear = invocation.hear
        if self._hear and self._events:  # what the init printed belongs to the first invocation
            self._hear(self._events)
        self._said.clear()
        self._begun = started_at, invocation.request_id, version

    def end(self, run: Run, lines: tuple[str, ...] = ()) -> bytes:
        """The invocation is over; `lines` say how, if not as it should. Its tail, where it is wanted."""
        self.close()
        self._hear = None  # it may hold megabytes
        if self._begun and not lines and not self._wants_tail:
            self._begun = None
            self.flush()
            self._write(run)
            return b""
        self.add(*lines, end(run.request_id), report(run))
        self.flush()
        return self.tail() if self._wants_tail else b""

    def add(self, *lines: str) -> None:
        """Lines of the platform; each ends with a newline."""
        self._keep(int(time.time() * 1000), lines)

    def feed(self, data: bytes) -> None:
        """Output as it came from the pipe."""
        if self._room <= 0:  # a flood: what is dropped is only counted
            self._dropped += data.count(b"\n")
            self._partial = data.rpartition(b"\n")[2][:LOG_EVENT_BYTES]
            return
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

    def close(self) -> None:
        """What was printed without a newline is a line too, and what was dropped is said."""
        if self._partial:
            self._say(int(time.time() * 1000), [self._partial])
            self._partial = b""
        if self._dropped:
            self.add(dropped_line(self._dropped, f"over {LOG_BYTES_PER_INVOCATION} bytes in one invocation"))
            self._dropped = 0

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
        said = [line.decode(errors="replace") + "\n" for line in lines[:kept]]
        self._keep(now_ms, said)
        if self._hear:
            self._hear([(now_ms, line) for line in said])

    def _keep(self, now_ms: int, lines: Sequence[str]) -> None:
        if self._begun:
            started_at, request_id, version = self._begun
            self._begun = None
            self._keep(int(started_at * 1000), [start(request_id, version)])
        self._events += [(now_ms, line) for line in lines]
        if self._wants_tail:
            self._said += lines
