"""The embedded store keeps what it acknowledged and takes back only what failed."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from lambent.model.errors import Unavailable
from lambent.objects.buckets import rules_of
from lambent.objects.notifications import Rule
from lambent.store.base import Row, Transaction
from lambent.store.sqlite import MIGRATIONS, NewerSchema, Sqlite, migrate

INSERT = "INSERT INTO sequencers VALUES (?, ?)"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Sqlite]:
    store = await Sqlite.open(tmp_path / "state.db")
    yield store
    await store.close()


async def test_a_write_is_there_for_queries_once_it_returns(store: Sqlite) -> None:
    await store.write(lambda tx: tx.execute(INSERT, ("a", 1)))
    assert store.query("SELECT value FROM sequencers WHERE name = ?", ("a",)) == [(1,)]


async def test_writes_that_arrive_together_share_a_commit_and_fail_alone(store: Sqlite) -> None:
    def bad(tx: Transaction) -> None:
        tx.execute(INSERT, ("half", 1))
        raise LookupError("no")

    def insert(n: int) -> Callable[[Transaction], list[Row]]:
        return lambda tx: tx.execute(INSERT, (f"w{n}", n))

    works = [store.write(insert(n)) for n in range(50)]
    results = await asyncio.gather(*works, store.write(bad), return_exceptions=True)
    assert isinstance(results[-1], LookupError)
    assert store.query("SELECT count(*), sum(value) FROM sequencers") == [(50, sum(range(50)))]


async def test_a_constraint_violation_reaches_its_writer_only(store: Sqlite) -> None:
    first, second = await asyncio.gather(
        store.write(lambda tx: tx.execute(INSERT, ("same", 1))),
        store.write(lambda tx: tx.execute(INSERT, ("same", 2))),
        return_exceptions=True,
    )
    assert first == []
    assert isinstance(second, sqlite3.IntegrityError)


async def test_a_full_disk_is_an_answer_and_the_store_goes_on(store: Sqlite) -> None:
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(Unavailable, match="full"):
        await store.write(lambda tx: tx.execute(INSERT, ("x" * 100_000, 1)))
    store._writer.execute("PRAGMA max_page_count = 1000000")
    await store.write(lambda tx: tx.execute(INSERT, ("y", 1)))
    assert store.query("SELECT name FROM sequencers") == [("y",)]


async def test_a_newer_schema_is_refused_by_name(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "new.db", isolation_level=None)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(NewerSchema, match="install a newer one"):
        migrate(connection, MIGRATIONS)
    connection.close()


def test_a_bucket_of_the_first_schema_keeps_its_rules(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "old.db", isolation_level=None)
    migrate(connection, MIGRATIONS[:1])
    rules = '[{"id":"r","function":"arn:f","events":["s3:ObjectCreated:*"],"prefix":null,"suffix":".csv"}]'
    connection.execute("INSERT INTO buckets VALUES ('b', '0', 'us-east-1', 1.0, ?)", (rules,))
    migrate(connection, MIGRATIONS)
    ((kept,),) = connection.execute("SELECT notification FROM buckets")
    connection.close()
    assert rules_of(json.loads(kept)) == (Rule("r", "arn:f", ("s3:ObjectCreated:*",), None, ".csv"),)


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from lambent.store.sqlite import Sqlite

async def main():
    store = await Sqlite.open(Path(sys.argv[1]))
    async def writer(base):
        n = base
        while True:
            await store.write(lambda tx, n=n: tx.execute("INSERT INTO sequencers VALUES (?, ?)", (str(n), n)))
            print(n, flush=True)
            n += 10
    await asyncio.gather(*(writer(base) for base in range(10)))

asyncio.run(main())
"""


@pytest.mark.slow
async def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    acknowledged = {int(child.stdout.readline()) for _ in range(500)}
    child.kill()
    acknowledged |= {int(line) for line in child.stdout if line.endswith("\n")}
    child.stdout.close()
    child.wait()
    store = await Sqlite.open(path)
    kept = {row[0] for row in store.query("SELECT value FROM sequencers")}
    await store.close()
    assert acknowledged <= kept
