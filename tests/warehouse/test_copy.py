"""COPY from S3 by real drivers: what is loaded, what is refused, and that a transaction holds it together."""

import gzip
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from redshift_connector.error import ProgrammingError
from tests.warehouse.conftest import Account, RunningWarehouse, new_account

pytestmark = pytest.mark.slow

FLIGHTS = """year,flight,carrier,arr_delay,time_hour
2013,1545,UA,11,2013-01-01T10:00:00Z
2013,1714,"U""A",NA,2013-01-01T11:00:00Z
2013,1141,AA,"NA",
2013,725,,-18,2013-01-01T10:00:00Z
"""
TABLE = """create table flights (year smallint encode az64, flight integer, carrier varchar(4),
    arr_delay integer, time_hour timestamp) distkey (flight) sortkey (year, flight)"""
OPTIONS = "iam_role default csv ignoreheader 1 gzip null as 'NA' timeformat 'auto'"
FAILED = r"Load into table 'flights' failed. Check 'stl_load_errors' system table for details"


def copy(account: Account, key: str = "flights/2013-01-01.csv.gz", options: str = OPTIONS) -> str:
    return f"copy flights from '{account.url(key)}' {options}"


@pytest.fixture
def flights(account: Account) -> Account:
    """An account with an empty table and one file."""
    account.put("flights/2013-01-01.csv.gz", gzip.compress(FLIGHTS.encode()))
    with account.psycopg() as connection:
        connection.execute(TABLE.encode())
        connection.execute("create table ledger (file varchar(100), rows int)")
    return account


def rows(account: Account, table: str = "flights") -> int:
    with account.psycopg() as connection:
        found = connection.execute(f"select count(*) from {table}".encode()).fetchone()
        assert found is not None
        return int(found[0])


def load_errors(account: Account) -> list[tuple[Any, ...]]:
    with account.psycopg() as connection:
        return connection.execute(
            """select trim(filename), line_number, trim(colname), trim(type), trim(raw_field_value),
               err_code, trim(err_reason), trim(raw_line) from stl_load_errors order by query"""
        ).fetchall()


def test_redshift_connector_copies_in_the_transaction_of_a_ledger_row(flights: Account) -> None:
    with flights.redshift() as connection, connection.cursor() as cursor:
        cursor.execute("lock ledger")
        cursor.execute(copy(flights))
        assert (
            connection.notices[-1][b"M"]
            == b"Load into table 'flights' completed, 4 record(s) loaded successfully."
        )
        cursor.execute("select pg_last_copy_count()")
        assert cursor.fetchall()[0][0] == 4
        cursor.execute("insert into ledger values (%s, %s)", ("2013-01-01", 4))
        assert rows(flights) == 0
        connection.commit()
    with flights.psycopg() as other:
        loaded = other.execute(
            "select flight, carrier, arr_delay, time_hour::text from flights order by flight"
        )
        assert loaded.fetchall() == [
            (725, "", -18, "2013-01-01 10:00:00"),
            (1141, "AA", None, None),
            (1545, "UA", 11, "2013-01-01 10:00:00"),
            (1714, 'U"A', None, "2013-01-01 11:00:00"),
        ]


def test_rollback_takes_the_rows_with_it(flights: Account) -> None:
    with flights.redshift() as connection, connection.cursor() as cursor:
        cursor.execute(copy(flights))
        connection.rollback()
        cursor.execute("select count(*) from flights")
        assert cursor.fetchall()[0][0] == 0


def test_psycopg_simple_extended_and_pipelined(flights: Account) -> None:
    with flights.psycopg() as connection:
        done = connection.execute(copy(flights).encode())
        assert done.statusmessage == "COPY 4"
        assert connection.execute(copy(flights).encode(), prepare=True).statusmessage == "COPY 4"
        with connection.pipeline():
            connection.execute("insert into ledger values ('a', 1)")
            connection.execute(copy(flights).encode())
            last = connection.execute("select count(*) from flights")
        assert last.fetchone() == (12,)


def test_a_copy_among_other_statements_of_one_text(flights: Account) -> None:
    with flights.psycopg(autocommit=True) as connection:
        load = copy(flights).replace("flights from", "stage from")
        text = f"begin; create temp table stage (like flights); {load};"
        text += "insert into flights select * from stage; select count(*) from stage; -- done"
        cursor = connection.execute(text.encode())
        answers = [cursor.statusmessage]
        while cursor.nextset():
            answers.append(cursor.statusmessage)
        assert answers == ["BEGIN", "CREATE TABLE", "COPY 4", "INSERT 0 4", "SELECT 1"]
        assert cursor.fetchone() == (4,)
        connection.execute("rollback")
    assert rows(flights) == 0


def test_a_text_without_begin_is_one_transaction(flights: Account) -> None:
    with flights.psycopg(autocommit=True) as connection, pytest.raises(psycopg.errors.DivisionByZero):
        connection.execute(f"{copy(flights)}; select 1 / 0; select 2".encode())
    assert rows(flights) == 0


def test_it_reads_as_the_warehouses_account(flights: Account) -> None:
    flights.running.objects.principals.clear()
    with flights.psycopg() as connection:
        connection.execute(copy(flights).encode())
    assert {p.arn for p in flights.running.objects.principals} == {
        f"arn:aws:sts::{flights.number}:assumed-role/redshift/redshift"
    }


def test_every_object_of_the_prefix_is_loaded(flights: Account) -> None:
    # No line end at the end of the first one: its last row is a row of its own all the same.
    flights.put("month/a.csv", FLIGHTS.rstrip("\n").encode())
    flights.put("month/b.csv", FLIGHTS.replace("\n", "\r\n").encode())
    flights.put("month/c.csv", b"")
    with flights.psycopg() as connection:
        done = connection.execute(copy(flights, "month/", OPTIONS.replace("gzip", "")).encode())
        assert done.statusmessage == "COPY 8"


def test_a_manifest_lists_what_is_loaded(flights: Account) -> None:
    files = [{"url": flights.url("flights/2013-01-01.csv.gz"), "mandatory": True}] * 2
    files.append({"url": flights.url("flights/none.csv.gz"), "mandatory": False})
    flights.put(
        "all.manifest", str({"entries": files}).replace("'", '"').replace("T", "t").replace("F", "f").encode()
    )
    with flights.psycopg() as connection:
        done = connection.execute(copy(flights, "all.manifest", OPTIONS + " manifest").encode())
        assert done.statusmessage == "COPY 8"


@pytest.mark.parametrize(
    ("line", "column", "value", "code", "reason"),
    [
        (b"2013,1,UA,NA,", "arr_delay", "NA", 1207, "Invalid digit, Value 'N', Pos 0, Type: Integer"),
        (b"2013,1x2,UA,1,", "flight", "1x2", 1207, "Invalid digit, Value 'x', Pos 1, Type: Integer"),
        (b"2013,1,UAUAUA,1,", "carrier", "UAUAUA", 1204, "String length exceeds DDL length"),
        (b"2013,1,UA,1,,9", "", "", 1202, "Extra column(s) found"),
        (b"2013,1,UA", "", "", 1201, "Delimiter not found"),
        (b"2013,1,UA,1,soon", "time_hour", "soon", 1206, "Invalid timestamp format"),
        (b"2013,1,\xff\xfe,1,", "", "", 1220, "String contains invalid"),
        (b"99999,1,UA,1,", "year", "99999", 1222, "Overflow, Value '99999', Type: Short"),
        (b'2013,1,"UA,1,', "", "", 1200, "Invalid quote formatting for CSV"),
    ],
)
def test_a_bad_row_is_in_stl_load_errors_after_the_rollback(
    flights: Account, line: bytes, column: str, value: str, code: int, reason: str
) -> None:
    flights.put("bad.csv", b"header\n2013,1,UA,1,\n" + line + b"\n2013,2,UA,1,\n")
    statement = copy(flights, "bad.csv", "iam_role default csv ignoreheader 1")
    with flights.redshift() as connection, connection.cursor() as cursor:
        cursor.execute("insert into ledger values ('bad', 0)")
        with pytest.raises(ProgrammingError, match=FAILED) as caught:
            cursor.execute(statement)
        assert caught.value.args[0]["C"] == "XX000"
        connection.rollback()
    assert (rows(flights), rows(flights, "ledger")) == (0, 0)
    (error,) = load_errors(flights)
    assert error[:3] == (flights.url("bad.csv"), 3 if code != 1200 else error[1], column)
    assert error[4:6] == (value, code)
    assert error[6].startswith(reason)


def test_the_line_is_counted_in_its_own_file(flights: Account) -> None:
    flights.put("many/1.csv", b"header\n" + b"2013,1,UA,1,\n" * 50_000)
    flights.put(
        "many/2.csv", b"header\n\n\n" + b"2013,1,,1,\n" * 20_000 + b"2013,,,x,\n" + b"2013,1,,1,\n" * 20_000
    )
    statement = copy(flights, "many/", "iam_role default csv ignoreheader 1 ignoreblanklines")
    with flights.psycopg() as connection, pytest.raises(psycopg.errors.InternalError_, match=FAILED):
        connection.execute(statement.encode())
    (error,) = load_errors(flights)
    assert error[:3] == (flights.url("many/2.csv"), 20_004, "arr_delay")
    assert error[7] == "2013,,,x,"


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "copy flights from 's3://nowhere/x' iam_role default",
            "The specified bucket does not exist,Status 404",
        ),
        ("copy flights from '{url}none' iam_role default", "The specified S3 prefix 'none' does not exist"),
        ("copy flights from '{url}flights/' csv", "needs an authorization"),
        ("copy flights from '{url}flights/' iam_role default json 'auto'", "JSON is not supported"),
        ("copy flights from '{url}flights/' iam_role default maxerror 10", "MAXERROR 10 is not supported"),
        ("copy flights from '{url}flights/' iam_role default turbo", "'TURBO': COPY has no such option"),
        (
            "copy flights from '{url}flights/' iam_role 'arn:aws:iam::111122223333:role/x'",
            "not authorized to assume",
        ),
        ("copy nothing from '{url}flights/' iam_role default", 'relation "nothing" does not exist'),
        ("copy flights (nope) from '{url}flights/' iam_role default", 'column "nope" of relation'),
        ("copy flights from 'ftp://x/y' iam_role default", "COPY reads from 's3://bucket/prefix'"),
    ],
)
def test_what_cannot_be_loaded_says_why(flights: Account, statement: str, message: str) -> None:
    with flights.redshift() as connection, connection.cursor() as cursor:
        with pytest.raises(ProgrammingError) as caught:
            cursor.execute(statement.format(url=flights.url("")))
        assert message in caught.value.args[0]["M"]
        connection.rollback()
        cursor.execute("select 1")
        assert load_errors(flights) == []


def test_another_accounts_bucket_is_denied(flights: Account) -> None:
    other = new_account(flights.running)
    with other.psycopg() as connection:
        connection.execute(TABLE.encode())
        with pytest.raises(psycopg.errors.InternalError_, match="Access Denied,Status 403"):
            connection.execute(copy(flights).encode())


def test_a_cut_gzip_file_loads_nothing(flights: Account) -> None:
    flights.put("cut.gz", gzip.compress(os.urandom(1000).hex().encode() + FLIGHTS.encode())[:-12])
    with flights.psycopg() as connection, pytest.raises(psycopg.errors.InternalError_, match=FAILED):
        connection.execute(copy(flights, "cut.gz").encode())
    assert load_errors(flights)[0][6].startswith("Invalid gzip data")


CLIENT = """
import os, sys, psycopg
host, port, password, statement = sys.argv[1:]
connection = psycopg.connect(host=host, port=port, user="awsuser", password=password, dbname="dev")
connection.execute("insert into ledger values ('killed', 1)")
connection.execute(statement)
connection.commit()
"""


def test_kill_9_of_the_client_in_the_middle_of_a_copy_loads_nothing(flights: Account) -> None:
    objects = flights.running.objects
    objects.gate, objects.chunk_bytes = threading.Event(), 100
    address = ["127.0.0.1", str(flights.running.port), flights.password]
    client = subprocess.Popen([sys.executable, "-c", CLIENT, *address, copy(flights)])
    try:
        assert objects.opened.wait(20)
        stream = objects.streams[-1]
        client.send_signal(signal.SIGKILL)
    finally:
        client.wait()
        with flights.psycopg(autocommit=True) as other:
            for _ in range(500):
                found = other.execute(
                    "select count(*), pg_sleep(0.02) from pg_stat_activity where datname = current_database()"
                ).fetchone()
                if found == (1, ""):
                    break
        objects.gate.set()
    assert found == (1, "")
    assert (rows(flights), rows(flights, "ledger")) == (0, 0)
    assert stream.closed


def test_two_loaders_of_the_same_file_load_it_once(flights: Account) -> None:
    start = threading.Barrier(2)

    def load() -> str:
        with flights.redshift() as connection, connection.cursor() as cursor:
            start.wait(10)
            cursor.execute("lock ledger")
            cursor.execute("select 1 from ledger where file = 'a'")
            if cursor.fetchall():
                connection.rollback()
                return "already loaded"
            cursor.execute(copy(flights))
            cursor.execute("insert into ledger values ('a', 4)")
            connection.commit()
            return "loaded"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(lambda _: load(), range(2))) == ["already loaded", "loaded"]
    assert (rows(flights), rows(flights, "ledger")) == (4, 1)


def test_kill_9_of_postgresql_in_the_middle_of_a_copy_loads_nothing(own_warehouse: RunningWarehouse) -> None:
    account = new_account(own_warehouse)
    account.put("flights/2013-01-01.csv.gz", gzip.compress(FLIGHTS.encode()))
    own_warehouse.objects.gate, own_warehouse.objects.chunk_bytes = threading.Event(), 100
    with account.psycopg(autocommit=True) as connection, ThreadPoolExecutor() as pool:
        connection.execute(TABLE.encode())
        call = pool.submit(connection.execute, copy(account).encode())
        assert own_warehouse.objects.opened.wait(10)
        own_warehouse.kill_postgres()
        with pytest.raises(psycopg.OperationalError):
            call.result(20)
        own_warehouse.objects.gate.set()
    assert rows(account) == 0
