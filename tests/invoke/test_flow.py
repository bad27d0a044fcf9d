"""The rate of output."""

from lambent.invoke.flow import BURST_BYTES, LINE_BYTES, RATE_BYTES_S, READ_BYTES, Flow


def test_a_burst_is_free_and_the_rest_takes_its_time() -> None:
    flow = Flow()
    assert flow.pause_s(bytes(BURST_BYTES - READ_BYTES), 1.0) == 0
    assert flow.pause_s(bytes(RATE_BYTES_S - READ_BYTES), 1.0) == 1.0
    assert flow.pause_s(bytes(RATE_BYTES_S // 2 - READ_BYTES), 2.0) == 0.5
    assert flow.pause_s(b"", 3.0) == 0


def test_what_was_not_used_is_not_saved_beyond_a_burst() -> None:
    flow = Flow()
    assert flow.pause_s(bytes(BURST_BYTES + RATE_BYTES_S - READ_BYTES), 1000.0) == 1.0


def test_short_lines_cost_what_they_cost_to_keep() -> None:
    flow = Flow()
    lines = (BURST_BYTES - READ_BYTES) // (LINE_BYTES + 1)
    assert flow.pause_s(b"\n" * lines, 1.0) == 0
    assert flow.pause_s(b"\n" * lines, 1.0) > 0


def test_many_small_writes_are_left_to_gather_in_the_pipe() -> None:
    flow = Flow()
    reads = BURST_BYTES // (READ_BYTES + 1)
    assert [flow.pause_s(b"x", 1.0) for _ in range(reads)] == [0] * reads
    assert flow.pause_s(b"x", 1.0) > 0
