"""The rate of output, and the log of an instance whose process prints more than anybody reads."""

from lambent.invoke.flow import BURST_BYTES, LINE_BYTES, RATE_BYTES_S, Flow
from lambent.invoke.transcript import LINE_BYTES as KEPT_LINE_BYTES
from lambent.invoke.transcript import Events, Transcript
from lambent.model.limits import LOG_BYTES_PER_INVOCATION, LOG_EVENT_BYTES


def test_a_burst_is_free_and_the_rest_takes_its_time() -> None:
    flow = Flow()
    assert flow.pause_s(bytes(BURST_BYTES), 1.0) == 0
    assert flow.pause_s(bytes(RATE_BYTES_S), 1.0) == 1.0
    assert flow.pause_s(b"", 1.5) == 0.5
    assert flow.pause_s(b"", 2.0) == 0


def test_what_was_not_used_is_not_saved_beyond_a_burst() -> None:
    flow = Flow()
    assert flow.pause_s(bytes(BURST_BYTES + RATE_BYTES_S), 1000.0) == 1.0


def test_short_lines_cost_what_they_cost_to_keep() -> None:
    flow = Flow()
    lines = BURST_BYTES // (LINE_BYTES + 1)
    assert flow.pause_s(b"\n" * lines, 1.0) == 0
    assert flow.pause_s(b"\n" * lines, 1.0) > 0


def kept() -> tuple[Transcript, list[str]]:
    log: list[str] = []

    def write(events: Events) -> None:
        log.extend(message for _, message in events)

    return Transcript(write), log


def test_output_is_cut_into_lines_wherever_the_reads_end() -> None:
    transcript, log = kept()
    transcript.begin("START\n")
    for piece in (b"one\ntw", b"o\nth\xc3", b"\xa9\n\xff\nrest"):
        transcript.feed(piece)
    transcript.end()
    transcript.flush()
    assert log == ["START\n", "one\n", "two\n", "thé\n", "�\n", "rest\n"]
    assert transcript.tail() == "".join(log).encode()


def test_a_line_without_end_is_cut() -> None:
    transcript, log = kept()
    transcript.feed(b"x" * (2 * LOG_EVENT_BYTES + 5) + b"\n")
    transcript.feed(b"y" * (LOG_EVENT_BYTES + 1))
    transcript.end()
    transcript.flush()
    assert [len(line) - 1 for line in log] == [2 * LOG_EVENT_BYTES + 5, LOG_EVENT_BYTES, 1]


def test_what_is_too_much_is_dropped_and_counted() -> None:
    transcript, log = kept()
    transcript.begin("START\n")
    room = LOG_BYTES_PER_INVOCATION // (1000 + KEPT_LINE_BYTES)
    for _ in range(room + 7):
        transcript.feed(b"x" * 1000 + b"\n")
    transcript.end()
    transcript.flush()
    assert len(log) == 1 + room + 1
    assert "7" in log[-1]
    transcript.begin("START\n")
    transcript.feed(b"again\n")
    transcript.end()
    transcript.flush()
    assert log[-1] == "again\n"
