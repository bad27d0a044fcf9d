"""Real drivers log in, run statements, and are told the truth when something breaks."""

import datetime
import decimal
import gc
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from redshift_connector.error import InterfaceError
from tests.warehouse.conftest import Account, RunningWarehouse, new_account

from lambent.warehouse import wire

pytestmark = pytest.mark.slow


def test_redshift_connector_with_its_default_tls(account: Account) -> None:
    with account.redshift() as connection, connection.cursor() as cursor:
        cursor.execute("select 1, current_database()")
        assert list(cursor.fetchall()[0]) == [1, f"dev_{account.number}"]


def test_psycopg_with_tls_and_without(account: Account) -> None:
    for mode in ("require", "disable"):
        with account.psycopg(sslmode=mode) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
            assert connection.pgconn.ssl_in_use == (mode == "require")


def test_psycopg_verifies_the_certificate_against_the_bundle(account: Account) -> None:
    bundle = str(account.running.warehouse.tls.bundle)
    with account.psycopg(sslmode="verify-full", sslrootcert=bundle) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the driver drops its socket
def test_a_wrong_password_is_refused(account: Account) -> None:
    with pytest.raises(InterfaceError, match="password authentication failed") as caught:
        account.redshift(password="wrong")
    del caught
    gc.collect()
    with pytest.raises(psycopg.OperationalError, match='failed for user "mallory"'):
        account.psycopg(user="mallory")


def test_a_database_that_is_not_there(account: Account) -> None:
    with pytest.raises(psycopg.OperationalError, match='database "prod" does not exist'):
        psycopg.connect(dbname="prod", **account.address)


def test_ddl_parameters_and_types(account: Account) -> None:
    values = [
        7,
        "Zürich 'x' \\ y",
        decimal.Decimal("12.34"),
        datetime.datetime(2013, 1, 1, 10, 30),
        datetime.date(2013, 1, 2),
        True,
        2.5,
        None,
    ]
    with account.redshift() as connection, connection.cursor() as cursor:
        cursor.execute(
            """create table if not exists t (id bigint identity(1, 1) distkey primary key,
               i integer encode az64, s varchar(max) encode zstd, n decimal(10, 2), ts timestamp sortkey,
               d date, b boolean, f float8, v varchar) diststyle key"""
        )
        cursor.execute("insert into t (i, s, n, ts, d, b, f, v) values (%s,%s,%s,%s,%s,%s,%s,%s)", values)
        cursor.execute("select i, s, n, ts, d, b, f, v from t where i = %s", (7,))
        assert list(cursor.fetchall()[0]) == values
        connection.commit()
    with account.psycopg() as other:
        assert other.execute("select i, s, n, ts, d, b, f, v from t").fetchone() == tuple(values)


def test_redshift_functions(account: Account) -> None:
    cases: dict[str, Any] = {
        "nvl(null, 3)": 3,
        "nvl2(null::int, 'a', 'b')": "b",
        "len('Zürich')": 6,
        "dateadd(month, 1, '2013-01-31'::timestamp)": datetime.datetime(2013, 2, 28),
        "datediff(day, '2013-01-01'::timestamp, '2013-02-01'::timestamp)": 31,
        "datediff(hour, '2013-01-01 10:59'::timestamp, '2013-01-01 11:01'::timestamp)": 1,
        "last_day('2013-02-03'::timestamp)": datetime.date(2013, 2, 28),
        "convert_timezone('Europe/Zurich', '2013-01-01 10:00'::timestamp)": datetime.datetime(2013, 1, 1, 11),
        "abs(extract(epoch from getdate() - sysdate)) < 5": True,
    }
    with account.psycopg() as connection:
        for expression, value in cases.items():
            assert connection.execute(f"select {expression}".encode()).fetchone() == (value,), expression


def test_functions_stay_in_reach_of_any_search_path(account: Account) -> None:
    with account.psycopg() as connection:
        connection.execute("create schema etl; set search_path to etl")
        assert connection.execute(
            "select count(*), getdate() > '2020-01-01' from stl_load_errors"
        ).fetchone() == (0, True)


def test_keys_are_not_enforced(account: Account) -> None:
    with account.psycopg() as connection:
        connection.execute("create table k (a int primary key, b int unique references k (a))")
        connection.execute("insert into k values (1, 1), (1, 1)")
        with pytest.raises(psycopg.errors.NotNullViolation):
            connection.execute("insert into k values (null, 1)")


def test_what_is_not_supported_says_so_and_fails_the_transaction(account: Account) -> None:
    with account.psycopg() as connection:
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="UNLOAD is not supported"):
            connection.execute("unload ('select 1') to 's3://b/k' iam_role default")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("select 1")


def test_accounts_see_nothing_of_each_other(account: Account) -> None:
    other = new_account(account.running)
    with account.psycopg() as mine, other.psycopg() as theirs:
        mine.execute("create table secret (a int)")
        mine.commit()
        assert theirs.execute("select to_regclass('secret')").fetchone() == (None,)
        superuser = "select rolsuper from pg_roles where rolname = current_user"
        assert theirs.execute(superuser).fetchone() == (False,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            theirs.execute("copy (select 1) to program 'id'")


def wait_until(connection: "psycopg.Connection[Any]", condition: str) -> None:
    """Ask PostgreSQL until a condition holds; it sleeps between, this process does not."""
    for _ in range(500):
        if connection.execute(f"select ({condition}), pg_sleep(0.02)".encode()).fetchone() == (True, ""):
            return
    raise AssertionError(f"never came true: {condition}")


def test_a_statement_can_be_cancelled(account: Account) -> None:
    with (
        account.psycopg() as connection,
        account.psycopg(autocommit=True) as other,
        ThreadPoolExecutor() as pool,
    ):
        call = pool.submit(connection.execute, "select pg_sleep(60)")
        pid = connection.info.backend_pid
        wait_until(other, f"select wait_event = 'PgSleep' from pg_stat_activity where pid = {pid}")
        connection.cancel_safe(timeout=10)
        with pytest.raises(psycopg.errors.QueryCanceled):
            call.result(10)


def test_a_client_that_vanishes_frees_its_backend(account: Account) -> None:
    with account.psycopg(autocommit=True) as other, ThreadPoolExecutor() as pool:
        connection = account.psycopg()
        pid = connection.info.backend_pid
        call = pool.submit(connection.execute, "select pg_sleep(60)")
        wait_until(other, f"select wait_event = 'PgSleep' from pg_stat_activity where pid = {pid}")
        with socket.socket(fileno=os.dup(connection.fileno())) as peer:
            peer.shutdown(socket.SHUT_RDWR)
        wait_until(other, f"select count(*) = 0 from pg_stat_activity where pid = {pid}")
        with pytest.raises(psycopg.OperationalError):
            call.result(10)
        connection.close()


def test_a_large_result_and_a_large_statement(account: Account) -> None:
    text = "x" * 3_000_000
    with account.redshift() as connection, connection.cursor() as cursor:
        cursor.execute(f"select len('{text}'), nvl(null, 1), repeat('y', 3000000)")
        length, one, answer = cursor.fetchall()[0]
        assert (length, one, len(answer)) == (3_000_000, 1, 3_000_000)
        cursor.execute("select generate_series(1, 50000)")
        assert len(cursor.fetchall()) == 50_000


def last_words(account: Account, sql: str) -> bytes:
    """What a client without a driver hears from sending a statement to the end of its connection."""
    with socket.create_connection(("127.0.0.1", account.running.port), timeout=30) as peer:
        peer.sendall(wire.startup(wire.VERSION, {"user": "awsuser", "database": "dev"}))
        peer.sendall(wire.build("p", wire.text(account.password)) + wire.build("Q", wire.text(sql)))
        return b"".join(iter(lambda: peer.recv(65536), b""))


@pytest.mark.parametrize("victim", ["server", "backend"])
def test_kill_9_of_postgresql_is_a_clean_error_and_the_next_login_works(
    own_warehouse: RunningWarehouse, victim: str
) -> None:
    account = new_account(own_warehouse)
    with account.psycopg(autocommit=True) as connection, ThreadPoolExecutor() as pool:
        connection.execute("create table kept (a int)")
        connection.execute("insert into kept values (1)")
        words = pool.submit(last_words, account, "select pg_sleep(60)")
        sleeping = "from pg_stat_activity where wait_event = 'PgSleep' and pid <> pg_backend_pid()"
        wait_until(connection, f"select count(*) = 1 {sleeping}")
        row = connection.execute(f"select pid {sleeping}".encode()).fetchone()
        assert row is not None
        os.kill(own_warehouse.host.children[-1].pid if victim == "server" else row[0], signal.SIGKILL)
        assert b"VFATAL" in words.result(30)
        assert b"terminating connection" in words.result()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select pg_sleep(60)")
    with account.psycopg() as connection:
        assert connection.execute("select a from kept").fetchall() == [(1,)]
