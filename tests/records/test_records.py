"""How records reach the disk."""

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.records.conftest import FOR_EVER
from tests.records.test_meter import row

from lambent.records.chunks import GroupKey, StreamKey
from lambent.records.meter import Query
from lambent.records.pages import Window
from lambent.records.records import Records

GROUP = GroupKey("000000000000", "us-east-1", "/aws/lambda/f")
STREAM = StreamKey(GROUP, "s")
ALL = Query(account="000000000000")


def write(records: Records, *lines: tuple[int, str]) -> None:
    records.logs.write(*GROUP, "s", list(lines))


async def read(records: Records) -> list[str]:
    return [event.message for event in await records.logs.head(STREAM, Window())]


@contextmanager
def full_disk(records: Records) -> Iterator[None]:
    """SQLite's own refusal: the database may not grow by a page."""
    writer = records._database._writer
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages}")
    yield
    writer.execute("PRAGMA max_page_count = 1000000")


async def test_records_reach_the_disk_by_themselves(records: Records) -> None:
    write(records, (1, "x"))
    records.meter.add(row())
    async with asyncio.timeout(10):
        while not records._database.query("SELECT 1 FROM log_chunks"):
            await asyncio.sleep(0.01)
    assert records._database.query("SELECT COUNT(*) FROM meter_chunks")[0][0] == 1


async def test_one_commit_takes_what_came_within_the_interval(records: Records) -> None:
    for number in range(100):
        write(records, (number, str(number)))
        await asyncio.sleep(0)
    assert len(await read(records)) == 100
    assert records._database.query("SELECT COUNT(*) FROM log_chunks")[0][0] == 1


async def test_a_flush_with_nothing_to_write_returns_at_once(records: Records) -> None:
    await records.flush()
    write(records, (1, "x"))
    await records.flush()
    await records.flush()
    assert await read(records) == ["x"]


async def test_a_reader_that_goes_away_does_not_stop_the_others(records: Records) -> None:
    write(records, (1, "x"))
    leaving, staying = asyncio.create_task(records.flush()), asyncio.create_task(records.flush())
    await asyncio.sleep(0)
    leaving.cancel()
    async with asyncio.timeout(10):
        await staying
    assert await read(records) == ["x"]


async def test_readers_and_writers_at_once(records: Records) -> None:
    async def one(number: int) -> int:
        write(records, (number, str(number)))
        return len(await read(records))

    async with asyncio.timeout(20):
        counts = await asyncio.gather(*(one(n) for n in range(50)))
    assert all(count >= 1 for count in counts)
    assert len(await read(records)) == 50


async def test_closing_writes_what_waits(tmp_path: Path) -> None:
    records = await Records.open(tmp_path / "records.db", FOR_EVER)
    write(records, (1, "x"))
    records.meter.add(row())
    await records.close()
    again = await Records.open(tmp_path / "records.db", FOR_EVER)
    assert await read(again) == ["x"]
    assert await again.meter.rows(ALL) == [row()]
    await again.close()


async def test_what_does_not_fit_the_buffer_is_counted_in_the_log(tmp_path: Path) -> None:
    records = await Records.open(tmp_path / "records.db", FOR_EVER, log_buffer_bytes=10_000)
    for number in range(100):
        write(records, (number, f"{number:03d}" + "x" * 1000))
    lines = await read(records)
    await records.close()
    kept = [line for line in lines if not line.startswith("[LAMBENT]")]
    assert [line[:3] for line in kept] == [f"{n:03d}" for n in range(100 - len(kept), 100)]
    dropped = 100 - len(kept)
    assert lines[-1] == f"[LAMBENT] {dropped} log lines dropped: the node's buffer for logs was full\n"


async def test_a_full_disk_delays_records_and_loses_none(
    records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    write(records, (1, "before"))
    await records.flush()
    with full_disk(records), caplog.at_level(logging.ERROR):
        for number in range(50):
            write(records, (2 + number, os.urandom(2500).hex()))  # which cannot be compressed
            records.meter.add(row(number))
        assert await read(records) == ["before"], "a reader sees what is on disk"
        assert await records.meter.rows(ALL) == []
    assert caplog.text.count("stay in memory") == 1
    assert len(await read(records)) == 51
    assert len(await records.meter.rows(ALL)) == 50


async def test_a_killed_process_loses_nothing_that_was_flushed(tmp_path: Path) -> None:
    script = (
        "import asyncio, os, signal, sys, time\n"
        "from pathlib import Path\n"
        "from lambent.records.records import Records\n"
        "async def main():\n"
        "    records = await Records.open(Path(sys.argv[1]))\n"
        "    lines = [(int(time.time() * 1000), 'x')]\n"
        "    records.logs.write('000000000000', 'us-east-1', '/aws/lambda/f', 's', lines)\n"
        "    await records.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    path = tmp_path / "records.db"
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script, str(path)], capture_output=True, timeout=60
    )
    assert ended.returncode == -9, ended.stderr
    records = await Records.open(path, FOR_EVER)
    assert await read(records) == ["x"]
    await records.close()


async def test_a_defect_costs_one_batch(records: Records, caplog: pytest.LogCaptureFixture) -> None:
    write(records, ("not a time", "x"))  # type: ignore[arg-type]
    write(records, (1, "y"))
    await records.flush()
    assert "a batch of logs and meter is lost" in caplog.text
    write(records, (2, "z"))
    assert await read(records) == ["z"]
