"""Chunks of log events and their order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambent.model.invocation import Run
from lambent.records import chunks
from lambent.records.chunks import Chunk, Line, Position
from lambent.records.report import quiet_run

TIMES = st.integers(min_value=0, max_value=50)


def chunk(number: int, lines: list[Line]) -> Chunk:
    return Chunk(number, "stream", lines[0][0], lines[-1][0], 7, chunks.encode(lines))


def made(times: list[list[int]]) -> list[Chunk]:
    return [chunk(i, [(t, f"{i}.{t}") for t in sorted(part)]) for i, part in enumerate(times, 1)]


@given(st.lists(st.lists(TIMES, min_size=1, max_size=8), max_size=8))
def test_chunks_that_overlap_read_in_order_of_time(times: list[list[int]]) -> None:
    all_chunks = made(times)
    everything = sorted(event.position for c in all_chunks for event in c.events())
    oldest_first = sorted(all_chunks, key=lambda c: (c.first_at, c.chunk_id))
    assert [e.position for e in chunks.merged(oldest_first)] == everything
    newest_first = sorted(all_chunks, key=lambda c: (-c.last_at, -c.chunk_id))
    assert [e.position for e in chunks.merged(newest_first, newest_first=True)] == everything[::-1]


def test_reading_stops_where_the_reader_stops() -> None:
    def source() -> list[Chunk]:
        return made([[1, 2], [3], [4]])

    read: list[int] = []

    def watched() -> object:
        for c in source():
            read.append(c.chunk_id)
            yield c

    events = chunks.merged(watched())  # type: ignore[arg-type]
    assert next(events).timestamp == 1
    assert read == [1, 2], "the second chunk shows that the first event is safe; the third is not needed"


@given(st.integers(0, 10**19), st.integers(0, 10**19), st.integers(0, 10**15))
def test_a_position_survives_its_text(timestamp: int, chunk_id: int, ordinal: int) -> None:
    position = Position(timestamp, chunk_id, ordinal)
    assert len(str(position)) == 56
    assert Position.parse(str(position)) == position


def test_positions_sort_as_their_texts() -> None:
    assert str(Position(9, 1, 1)) < str(Position(10, 0, 0))


def test_nothing_lies_between_neighbours() -> None:
    for position in (Position(5, 3, 2), Position(5, 3, 0)):
        assert position.previous < position < position.next
        assert Position.parse(str(position.previous)) == position.previous
    assert Position(5, 2, 10_000_000) < Position(5, 3, 0).previous


@pytest.mark.parametrize("text", ["", "1" * 55, "x" * 56, "²" * 56])
def test_other_texts_are_no_positions(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Position.parse(text)


def test_split_sorts_by_time_and_keeps_the_order_of_equals() -> None:
    (part,) = chunks.split([(2, "cc"), (1, "a"), (1, "b")])
    assert part == (1, 2, 4, [(1, "a"), (1, "b"), (2, "cc")])


def test_split_bounds_bytes() -> None:
    half = "x" * (chunks.CHUNK_BYTES // 2)
    parts = list(chunks.split([(i, half) for i in range(5)]))
    assert [len(part.entries) for part in parts] == [2, 2, 1]


def test_split_bounds_events() -> None:
    parts = list(chunks.split([(1, "")] * (chunks.CHUNK_EVENTS + 1)))
    assert [len(part.entries) for part in parts] == [chunks.CHUNK_EVENTS, 1]


def test_split_bounds_time() -> None:
    late = chunks.CHUNK_SPAN_MS
    assert [len(part.entries) for part in chunks.split([(0, "a"), (late, "b"), (late + 1, "c")])] == [2, 1]


def test_one_larger_line_is_a_chunk_of_its_own() -> None:
    huge = "x" * (chunks.CHUNK_BYTES + 1)
    assert [len(part.entries) for part in chunks.split([(1, "a"), (2, huge), (3, "b")])] == [1, 1, 1]


def test_a_lone_surrogate_is_replaced() -> None:
    (event,) = chunk(1, [(1, "bad \ud800 text")]).events()
    assert event.message == "bad ? text"


RUN = Run("id-1", "7", 1.5, 2.5, 3.25, 4, 128, 40, 110.5, "error", "ValueError")


def test_a_quiet_run_reads_as_its_lines() -> None:
    body = chunks.encode([(1, "before"), RUN, (3000, "after \udcff")])
    events = Chunk(1, "stream", 1, 3000, 7, body).events()
    assert [(event.timestamp, event.message) for event in events] == [
        (1, "before"),
        *quiet_run(RUN),
        (3000, "after ?"),
    ]


def test_a_run_is_as_long_as_it_took() -> None:
    late = RUN._replace(
        started_at=0.5 + chunks.CHUNK_SPAN_MS / 1000, ended_at=1.5 + chunks.CHUNK_SPAN_MS / 1000
    )
    assert [part.entries for part in chunks.split([late, RUN])] == [[RUN, late]]
    longer = late._replace(ended_at=late.ended_at + 1)
    assert [part.entries for part in chunks.split([longer, RUN])] == [[RUN], [longer]]
