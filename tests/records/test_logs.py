"""Log groups, streams and events."""

import time

import pytest

from lambent.model.errors import Conflict, NotFound
from lambent.model.invocation import Run
from lambent.records import pages, pattern, report
from lambent.records.chunks import CHUNK_SPAN_MS, GroupKey, LogEvent, StreamKey
from lambent.records.pages import Window
from lambent.records.records import Records
from lambent.records.retention import DAY_MS, Retention, prune

GROUP = GroupKey("000000000000", "us-east-1", "/aws/lambda/f")
A = StreamKey(GROUP, "2025/11/25/[$LATEST]a")
B = StreamKey(GROUP, "2025/11/25/[$LATEST]b")


def write(records: Records, stream: StreamKey, *lines: tuple[int, str]) -> None:
    records.logs.write(*stream.group, stream.name, list(lines))


def messages(events: list[LogEvent]) -> list[str]:
    return [event.message for event in events]


async def test_lines_are_there_at_once(records: Records) -> None:
    write(records, A, (1, "START\n"), (2, "hello\n"))
    assert messages(await records.logs.head(A, Window())) == ["START\n", "hello\n"]


async def test_a_first_line_makes_group_and_stream(records: Records) -> None:
    write(records, A, (5, "x"), (9, "yz"))
    (group,) = await records.logs.groups("000000000000", "us-east-1")
    assert (group.name, group.stored_bytes, group.retention_days) == ("/aws/lambda/f", 3, None)
    (stream,) = await records.logs.streams(GROUP)
    assert (stream.name, stream.first_at, stream.last_at) == (A.name, 5, 9)
    assert stream.ingested_at is not None
    assert abs(stream.ingested_at - time.time() * 1000) < 60_000


async def test_a_stream_grows(records: Records) -> None:
    write(records, A, (5, "x"))
    await records.flush()
    write(records, A, (3, "y"))
    await records.flush()
    (stream,) = await records.logs.streams(GROUP)
    assert (stream.first_at, stream.last_at) == (3, 5)
    assert messages(await records.logs.head(A, Window())) == ["y", "x"]


async def test_accounts_and_regions_do_not_see_each_other(records: Records) -> None:
    write(records, A, (1, "x"))
    assert await records.logs.groups("111111111111", "us-east-1") == []
    assert await records.logs.groups("000000000000", "eu-west-1") == []
    with pytest.raises(NotFound, match="The specified log group does not exist"):
        await records.logs.streams(GROUP._replace(account="111111111111"))


async def test_pages_forward(records: Records) -> None:
    for number in range(10):
        write(records, A, (number, str(number)))
        if number % 3 == 0:
            await records.flush()
    seen: list[str] = []
    window = Window(limit=4)
    while page := await records.logs.head(A, window):
        seen += messages(page)
        window = Window(limit=4, after=page[-1].position)
    assert seen == [str(n) for n in range(10)]


async def test_pages_backward(records: Records) -> None:
    for number in range(10):
        write(records, A, (number, str(number)))
        if number % 3 == 0:
            await records.flush()
    seen: list[str] = []
    window = Window(limit=4)
    while page := await records.logs.tail(A, window):
        seen = messages(page) + seen
        window = Window(limit=4, before=page[0].position)
    assert seen == [str(n) for n in range(10)]


async def test_more_chunks_than_one_read_takes(records: Records) -> None:
    count = pages.CHUNKS_PER_READ * 2 + 5
    for number in range(count):
        write(records, A, (7, str(number)))  # all at one time: the chunk's number orders them
        await records.flush()
    assert messages(await records.logs.head(A, Window())) == [str(n) for n in range(count)]
    assert messages(await records.logs.tail(A, Window())) == [str(n) for n in range(count)]


async def test_a_window_of_time(records: Records) -> None:
    write(records, A, *((t, str(t)) for t in range(10)))
    assert messages(await records.logs.head(A, Window(since=3, until=6))) == ["3", "4", "5"]
    assert messages(await records.logs.tail(A, Window(since=3, until=6, limit=2))) == ["4", "5"]


async def test_a_chunk_that_reaches_into_the_window_is_found(records: Records) -> None:
    write(records, A, (0, "early"), (CHUNK_SPAN_MS, "late"))
    write(records, B, (10 * CHUNK_SPAN_MS, "much later"))
    late = Window(since=CHUNK_SPAN_MS, until=CHUNK_SPAN_MS + 1)
    assert messages(await records.logs.head(A, late)) == ["late"]
    assert messages(await records.logs.tail(A, Window(until=1))) == ["early"]


async def test_a_page_holds_a_megabyte(records: Records) -> None:
    line = "x" * 400_000
    write(records, A, *((t, line) for t in range(5)))
    assert len(await records.logs.head(A, Window())) == 2
    assert len(await records.logs.tail(A, Window())) == 2
    write(records, B, (1, "x" * 2_000_000))
    assert len(await records.logs.head(B, Window())) == 1, "one event is always given"


async def test_search_interleaves_streams(records: Records) -> None:
    write(records, A, (1, "a1"), (4, "a4"))
    write(records, B, (2, "b2"), (3, "b3"))
    page = await records.logs.search(GROUP, Window())
    assert messages(page.events) == ["a1", "b2", "b3", "a4"]
    assert [e.stream for e in page.events] == [A.name, B.name, B.name, A.name]
    assert page.resume is None


async def test_search_goes_on_where_it_stopped(records: Records) -> None:
    write(records, A, *((t, f"a{t}") for t in range(0, 20, 2)))
    write(records, B, *((t, f"b{t}") for t in range(1, 20, 2)))
    seen: list[str] = []
    page = await records.logs.search(GROUP, Window(limit=3))
    while True:
        seen += messages(page.events)
        if page.resume is None:
            break
        page = await records.logs.search(GROUP, Window(limit=3, after=page.resume))
    assert [int(m[1:]) for m in seen] == list(range(20))


async def test_search_by_pattern_prefix_and_names(records: Records) -> None:
    write(records, A, (1, "ERROR in a"), (2, "fine"))
    write(records, B, (3, "ERROR in b"))
    logs = records.logs
    assert messages((await logs.search(GROUP, Window(), pattern.parse("ERROR"))).events) == [
        "ERROR in a",
        "ERROR in b",
    ]
    assert messages((await logs.search(GROUP, Window(), streams=[B.name])).events) == ["ERROR in b"]
    assert messages((await logs.search(GROUP, Window(), prefix="2025/11/25/[$LATEST]a")).events) == [
        "ERROR in a",
        "fine",
    ]
    assert (await logs.search(GROUP, Window(), prefix="2026")).events == []


async def test_a_search_without_a_find_hands_back_a_position(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SCANNED_EVENTS", 5)
    write(records, A, *((t, str(t)) for t in range(8)))
    first = await records.logs.search(GROUP, Window(), pattern.parse("7"))
    assert first.events == []
    assert first.resume is not None
    second = await records.logs.search(GROUP, Window(after=first.resume), pattern.parse("7"))
    assert messages(second.events) == ["7"]
    assert second.resume is None


async def test_groups_and_streams_by_hand(records: Records) -> None:
    await records.logs.create_group(GROUP)
    with pytest.raises(Conflict):
        await records.logs.create_group(GROUP)
    with pytest.raises(NotFound, match="log stream"):
        await records.logs.require_stream(A)
    await records.logs.create_stream(A)
    await records.logs.require_stream(A)
    with pytest.raises(Conflict):
        await records.logs.create_stream(A)
    (stream,) = await records.logs.streams(GROUP)
    assert (stream.first_at, stream.ingested_at) == (None, None)
    write(records, A, (4, "x"))
    (stream,) = await records.logs.streams(GROUP)
    assert (stream.first_at, stream.last_at) == (4, 4)


async def test_a_deleted_group_takes_its_events(records: Records) -> None:
    write(records, A, (1, "x"))
    await records.logs.delete_group(GROUP)
    with pytest.raises(NotFound):
        await records.logs.head(A, Window())
    write(records, A, (2, "new"))
    assert messages(await records.logs.head(A, Window())) == ["new"]
    with pytest.raises(NotFound):
        await records.logs.delete_group(GROUP._replace(name="other"))


async def test_groups_by_prefix_and_page(records: Records) -> None:
    for name in ("/aws/lambda/a", "/aws/lambda/b", "/other"):
        await records.logs.create_group(GROUP._replace(name=name))
    found = await records.logs.groups("000000000000", "us-east-1", prefix="/aws/", limit=1)
    assert [g.name for g in found] == ["/aws/lambda/a"]
    found = await records.logs.groups("000000000000", "us-east-1", prefix="/aws/", after=found[-1].name)
    assert [g.name for g in found] == ["/aws/lambda/b"]


async def test_old_events_expire_by_the_nodes_limit_and_the_groups(records: Records) -> None:
    now = int(time.time() * 1000)
    other = GROUP._replace(name="/kept/shortly")
    for group in (GROUP, other):
        write(records, StreamKey(group, "old"), (now - 31 * DAY_MS, "old"))
        write(records, StreamKey(group, "mid"), (now - 5 * DAY_MS, "mid"))
        write(records, StreamKey(group, "new"), (now, "new"))
    await records.flush()
    await records.logs.retain(other, 1)
    await records._database.write(lambda tx: prune(tx, Retention(log_days=30)))
    assert messages((await records.logs.search(GROUP, Window())).events) == ["mid", "new"]
    assert [s.name for s in await records.logs.streams(GROUP)] == ["mid", "new"]
    assert messages((await records.logs.search(other, Window())).events) == ["new"]
    sizes = {g.name: g.stored_bytes for g in await records.logs.groups("000000000000", "us-east-1")}
    assert sizes == {GROUP.name: 6, other.name: 3}


async def test_the_oldest_events_go_when_there_are_too_many_bytes(records: Records) -> None:
    now = int(time.time() * 1000)
    for number in range(600):
        records.logs.write(*GROUP, f"stream-{number:03d}", [(now + number, "x" * 100)])
    await records.flush()
    assert await records._database.write(lambda tx: prune(tx, Retention(log_bytes=20_000)))
    assert not await records._database.write(lambda tx: prune(tx, Retention(log_bytes=20_000)))
    left = await records.logs.search(GROUP, Window())
    assert [e.stream for e in left.events] == [f"stream-{n:03d}" for n in range(500, 600)]


@pytest.mark.parametrize("took_s", [1.0, 900.0])
async def test_a_run_that_printed_nothing_is_three_lines(records: Records, took_s: float) -> None:
    now = int(time.time())
    run = Run("id-1", "7", now - took_s, float(now), took_s * 1000, 4, 128, 40)
    records.logs.write(*GROUP, "s", run)
    events = await records.logs.head(StreamKey(GROUP, "s"), Window())
    assert [(event.timestamp, event.message) for event in events] == report.quiet_run(run)
    (stream,) = await records.logs.streams(GROUP)
    assert (stream.first_at, stream.last_at) == (int((now - took_s) * 1000), now * 1000)
