"""The log of an instance: what is printed, however it comes, between the platform's own lines."""

import pytest
from tests.lines import lines_of

from lambent.invoke.transcript import LINE_BYTES, Events, Transcript
from lambent.model.invocation import Invocation, Run
from lambent.model.limits import LOG_BYTES_PER_INVOCATION, LOG_EVENT_BYTES
from lambent.model.names import FunctionKey, Target
from lambent.records.report import quiet_run

CALL = Invocation("id-1", Target(FunctionKey("000000000000", "us-east-1", "f")), b"{}")
RUN = Run("id-1", "7", 1.5, 2.5, 3.25, 4, 128, 40)
START, END, REPORT = (line for _, line in quiet_run(RUN))


class Log:
    """What a transcript wrote, as it lies on the disk in the end."""

    def __init__(self) -> None:
        self.written: list[Events | Run] = []
        self.transcript = Transcript(self.written.append)

    def begin(self, *, wants_tail: bool = False) -> None:
        self.transcript.begin(CALL._replace(wants_tail=wants_tail), "7", 1.5)

    @property
    def events(self) -> Events:
        return [line for part in self.written for line in lines_of(part)]

    @property
    def lines(self) -> list[str]:
        return [line for _, line in self.events]


def test_a_run_that_prints_nothing_is_written_as_what_it_took() -> None:
    log = Log()
    log.begin()
    assert log.transcript.end(RUN) == b""
    assert log.written == [RUN]
    assert log.events == [(1500, START), (2500, END), (2500, REPORT)]


def test_output_is_cut_into_lines_wherever_the_reads_end() -> None:
    log = Log()
    log.begin(wants_tail=True)
    for piece in (b"one\ntw", b"o\nth\xc3", b"\xa9\n\xff\nrest"):
        log.transcript.feed(piece)
    tail = log.transcript.end(RUN)
    assert log.lines == [START, "one\n", "two\n", "thé\n", "\ufffd\n", "rest\n", END, REPORT]
    assert log.events[0] == (1500, START)
    assert tail == "".join(log.lines).encode()


@pytest.mark.parametrize("wants_tail", [False, True])
def test_how_a_run_ended_stands_before_its_end(wants_tail: bool) -> None:
    log = Log()
    log.begin(wants_tail=wants_tail)
    tail = log.transcript.end(RUN, ("timed out\n",))
    assert log.lines == [START, "timed out\n", END, REPORT]
    assert tail == ("".join(log.lines).encode() if wants_tail else b"")


def test_a_tail_has_only_its_own_invocation() -> None:
    log = Log()
    for text in (b"first\n", b"second\n"):
        log.begin(wants_tail=True)
        log.transcript.feed(text)
        tail = log.transcript.end(RUN)
    assert tail.decode() == START + "second\n" + END + REPORT


def test_what_is_printed_between_runs_comes_before_the_next() -> None:
    log = Log()
    log.transcript.add("INIT_START\n")
    log.begin()
    log.transcript.end(RUN)
    log.transcript.feed(b"late\n")
    log.begin()
    log.transcript.end(RUN)
    assert log.lines == ["INIT_START\n", START, END, REPORT, "late\n", START, END, REPORT]


def test_a_line_without_end_is_cut() -> None:
    log = Log()
    log.transcript.feed(b"x" * (2 * LOG_EVENT_BYTES + 5) + b"\n")
    log.transcript.feed(b"y" * (LOG_EVENT_BYTES + 1))
    log.transcript.close()
    log.transcript.flush()
    assert [len(line) - 1 for line in log.lines] == [2 * LOG_EVENT_BYTES + 5, LOG_EVENT_BYTES, 1]


def test_a_flood_is_counted_by_its_lines_however_they_come() -> None:
    log = Log()
    log.begin()
    log.transcript.feed((b"x" * 100_000 + b"\n") * (LOG_BYTES_PER_INVOCATION // 100_000 + 1))
    said = len(log.lines)
    log.transcript.feed(b"dropped\n")
    for piece in (b"on", b"e\ntwo\n", b"thr", b"ee\n", b"the last"):
        log.transcript.feed(piece)
    assert len(log.lines) == said
    log.transcript.end(RUN)
    assert "6 log lines dropped" in log.lines[-3]


def test_what_is_too_much_is_dropped_and_counted() -> None:
    log = Log()
    log.begin()
    room = LOG_BYTES_PER_INVOCATION // (1000 + LINE_BYTES)
    for _ in range(room + 7):
        log.transcript.feed(b"x" * 1000 + b"\n")
    log.transcript.end(RUN)
    assert len(log.lines) == 1 + room + 1 + 2
    assert "7 log lines dropped" in log.lines[-3]
    log.begin()
    log.transcript.feed(b"again\n")
    log.transcript.end(RUN)
    assert log.lines[-3] == "again\n"
