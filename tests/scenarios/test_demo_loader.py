"""The example's loader against a real warehouse: exactly once, however its events come."""

import gzip
import importlib.util
import shutil
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import quote_plus

import pytest
from redshift_connector.error import ProgrammingError
from tests.warehouse.conftest import Account, RunningWarehouse, new_account

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the driver makes its SSLContext the old way
]

HANDLER = Path(__file__).parent.parent.parent / "examples" / "flights" / "handler.py"
HEAD = (
    "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,"
    "tailnum,origin,dest,air_time,distance,hour,minute,time_hour\n"
)
ROW = "2013,1,1,517,515,2,830,819,{delay},UA,1545,N14228,EWR,IAH,227,{distance},5,15,2013-01-01T10:00:00Z\n"
CONTEXT = SimpleNamespace(aws_request_id="11111111-2222-3333-4444-555555555555")

Start = Callable[[], ModuleType]


@pytest.fixture(scope="module")
def warehouse() -> Iterator[RunningWarehouse]:
    folder = Path(tempfile.mkdtemp(prefix="lambent-test-"))
    folder.chmod(0o755)  # PostgreSQL runs under a uid of its own
    running = RunningWarehouse(folder)
    yield running
    running.close()
    shutil.rmtree(folder)


@pytest.fixture
def account(warehouse: RunningWarehouse) -> Account:
    return new_account(warehouse)


@pytest.fixture
def start(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts an instance: the module, imported anew."""
    address = {**account.address, "database": "dev"}
    for name, value in address.items():
        monkeypatch.setenv(f"REDSHIFT_{name.upper()}", str(value))
    monkeypatch.setenv("SSL_CERT_FILE", str(account.running.warehouse.tls.bundle))
    started: list[ModuleType] = []

    def instance() -> ModuleType:
        spec = importlib.util.spec_from_file_location("flights_handler", HANDLER)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        started.append(module)
        return module

    yield instance
    for module in started:
        module.forget()


@pytest.fixture
def see(account: Account) -> Iterator[Callable[[str], Any]]:
    """What another session sees: the rows of a query."""
    with account.psycopg(autocommit=True) as connection:
        yield lambda sql: connection.execute(sql.encode()).fetchall()


def csv(rows: int, *, delay: str = "11", distance: int = 1400) -> bytes:
    return gzip.compress((HEAD + ROW.format(delay=delay, distance=distance) * rows).encode())


def event(account: Account, key: str, sequencer: str, etag: str = "e") -> dict[str, Any]:
    thing = {"key": quote_plus(key), "eTag": etag, "sequencer": sequencer}
    return {"Records": [{"s3": {"bucket": {"name": f"lake-{account.number}"}, "object": thing}}]}


def test_a_file_is_loaded_with_its_missing_values(account: Account, start: Start, see: Any) -> None:
    account.put("in/a b+c'd.csv.gz", csv(3) + b"")
    account.put("in/na.csv.gz", csv(2, delay="NA"))
    loader = start()
    done = loader.handler(event(account, "in/a b+c'd.csv.gz", "01"), CONTEXT)
    assert done == [{"key": "in/a b+c'd.csv.gz", "rows": 3, "status": "loaded"}]
    loader.handler(event(account, "in/na.csv.gz", "02"), CONTEXT)
    assert see("SELECT count(*), count(arr_delay), sum(distance) FROM flights") == [(5, 3, 7000)]
    assert see("SELECT time_hour AT TIME ZONE 'UTC' = '2013-01-01 10:00' FROM flights LIMIT 1") == [(True,)]
    assert see("SELECT sum(row_count), min(request_id) FROM flights_ledger") == [(5, CONTEXT.aws_request_id)]


def test_an_event_that_comes_again_loads_nothing(account: Account, start: Start, see: Any) -> None:
    account.put("a", csv(3))
    for instance in (start(), start()):
        for _ in range(2):
            instance.handler(event(account, "a", "0A"), CONTEXT)
    assert see("SELECT count(*) FROM flights") == [(3,)]
    assert see("SELECT count(*) FROM flights_ledger") == [(1,)]
    assert start().handler(event(account, "a", "0A"), CONTEXT)[0]["status"] == "already loaded"


def test_a_corrected_file_replaces_its_rows_and_no_others(account: Account, start: Start, see: Any) -> None:
    loader = start()
    account.put("a", csv(3))
    account.put("b", csv(5))
    loader.handler(event(account, "a", "01"), CONTEXT)
    loader.handler(event(account, "b", "02"), CONTEXT)
    account.put("a", csv(4, distance=7))
    loader.handler(event(account, "a", "03", "e2"), CONTEXT)
    rows = see("SELECT source_key, count(*), sum(distance) FROM flights GROUP BY 1 ORDER BY 1")
    assert rows == [("a", 4, 28), ("b", 5, 7000)]
    assert see("SELECT object_key, row_count, etag FROM flights_ledger ORDER BY 1") == [
        ("a", 4, "e2"),
        ("b", 5, "e"),
    ]


def test_a_late_event_of_an_older_version_is_passed_over(account: Account, start: Start, see: Any) -> None:
    account.put("a", csv(4))
    loader = start()
    loader.handler(event(account, "a", "0B", "new"), CONTEXT)
    late = loader.handler(event(account, "a", "0A", "old"), CONTEXT)
    assert late[0]["status"] == "already loaded"
    assert see("SELECT etag, row_count FROM flights_ledger") == [("new", 4)]


@pytest.mark.parametrize(
    ("known", "sequencer", "loaded"),
    [
        (None, "0A", False),
        ("0A", "0A", True),
        ("0B", "0A", True),
        ("0A", "0B", False),
        ("0A", "0A1", False),
        ("0A1", "0A", True),
    ],
)
def test_sequencers_compare_as_s3_says(start: Start, known: str | None, sequencer: str, loaded: bool) -> None:
    assert start().is_loaded(known, sequencer) is loaded


def test_instances_that_start_together_load_each_file_once(account: Account, start: Start, see: Any) -> None:
    files = [f"day-{number}" for number in range(6)]
    for file in files:
        account.put(file, csv(10))
    instances = [start() for _ in range(4)]
    together = threading.Barrier(len(instances))

    def work(loader: ModuleType) -> list[str]:
        together.wait(30)
        return [loader.handler(event(account, file, "01"), CONTEXT)[0]["status"] for file in files]

    with ThreadPoolExecutor(len(instances)) as pool:
        told = [status for statuses in pool.map(work, instances) for status in statuses]
    assert told.count("loaded") == len(files)
    assert see("SELECT count(*), count(DISTINCT source_key) FROM flights") == [(60, 6)]
    assert see("SELECT count(*) FROM flights_ledger") == [(6,)]


def test_a_bad_row_leaves_nothing_and_the_next_file_loads(account: Account, start: Start, see: Any) -> None:
    account.put("bad", gzip.compress((HEAD + ROW.format(delay="soon", distance=1)).encode()))
    account.put("good", csv(2))
    loader = start()
    with pytest.raises(ProgrammingError, match="Load into table 'stage' failed"):
        loader.handler(event(account, "bad", "01"), CONTEXT)
    assert loader.handler(event(account, "good", "01"), CONTEXT)[0]["rows"] == 2
    assert see("SELECT object_key FROM flights_ledger") == [("good",)]


def test_a_session_that_was_cut_is_made_again(account: Account, start: Start, see: Any) -> None:
    account.put("a", csv(1))
    account.put("b", csv(1))
    loader = start()
    loader.handler(event(account, "a", "01"), CONTEXT)
    loader._connection._usock.shutdown(2)
    assert loader.handler(event(account, "b", "01"), CONTEXT)[0]["rows"] == 1


def test_a_record_without_a_sequencer_is_an_error_and_does_no_harm(
    account: Account, start: Start, see: Any
) -> None:
    account.put("a", csv(1))
    loader = start()
    broken = event(account, "a", "01")
    del broken["Records"][0]["s3"]["object"]["eTag"]
    with pytest.raises(KeyError):
        loader.handler(broken, CONTEXT)
    assert loader.handler(event(account, "a", "01"), CONTEXT)[0]["rows"] == 1


def test_the_table_can_be_named(account: Account, start: Start, see: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("FLIGHTS_TABLE", "elsewhere")
    account.put("a", csv(2))
    start().handler(event(account, "a", "01"), CONTEXT)
    assert see("SELECT count(*) FROM elsewhere") == [(2,)]
    assert see("SELECT count(*) FROM elsewhere_ledger") == [(1,)]


def test_the_driver_warns_of_nothing_else(account: Account, start: Start) -> None:
    account.put("a", csv(1))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start().handler(event(account, "a", "01"), CONTEXT)
    assert {w.category for w in caught} <= {DeprecationWarning}
