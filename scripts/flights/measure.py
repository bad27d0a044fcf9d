"""What the demo counts: in the warehouse over a connection of its own, and in the node's meter."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redshift_connector
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session
from redshift_connector.error import ProgrammingError
from scripts.flights.view import Month
from scripts.flights.year import Day

POLL_S = 0.05
UNDEFINED_TABLE = "42P01"


class Stuck(Exception):
    """Files did not arrive in time; the message says how many did."""


class Warehouse:
    """An observer: every look is a transaction of its own, so it sees what is committed and nothing else."""

    def __init__(self, place: Mapping[str, Any]) -> None:
        self._connection = redshift_connector.connect(**place)
        self._connection.autocommit = True

    def rows(self, sql: str, *parameters: Any) -> Sequence[Sequence[Any]]:
        cursor = self._connection.cursor()
        cursor.execute(sql, parameters)
        found: Sequence[Sequence[Any]] = cursor.fetchall()
        return found

    def one(self, sql: str, *parameters: Any) -> Any:
        return self.rows(sql, *parameters)[0][0]

    def counts(self, table: str, column: str) -> dict[str, int]:
        """How many rows each value of a column has."""
        return {
            key: int(n) for key, n in self.rows(f"SELECT {column}, count(*) FROM {table} GROUP BY {column}")
        }

    def size(self, table: str) -> int:
        """Rows of a table; 0 while it is not there. Not from the ledger, which the loads are locking."""
        try:
            return int(self.one(f"SELECT count(*) FROM {table}"))
        except ProgrammingError as error:
            if error.args[0]["C"] != UNDEFINED_TABLE:
                raise
            return 0

    def close(self) -> None:
        self._connection.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """The whole table, as the warehouse sums it up."""

    rows: int
    sum_distance: int
    sum_arr_delay: int
    ledger: int
    duplicates: int
    months: tuple[Month, ...]


def sum_up(warehouse: Warehouse, prefix: str, days: Sequence[Day]) -> Year:
    rows, distance, delay = warehouse.rows("SELECT count(*), sum(distance), sum(arr_delay) FROM flights")[0]
    months = warehouse.rows(
        "SELECT month, count(*), avg(arr_delay * 1.0) FROM flights GROUP BY month ORDER BY month"
    )
    ledger = int(warehouse.one("SELECT count(*) FROM flights_ledger"))
    return Year(
        rows=int(rows),
        sum_distance=int(distance),
        sum_arr_delay=int(delay),
        ledger=ledger,
        duplicates=_duplicates(warehouse, prefix, days),
        months=tuple(Month(int(number), int(count), float(mean)) for number, count, mean in months),
    )


def _duplicates(warehouse: Warehouse, prefix: str, days: Sequence[Day]) -> int:
    """Files whose rows in the table are not as many as in the file, and ledger rows beyond one a file."""
    expected = {f"{prefix}{day.name}": day.rows for day in days}
    found = warehouse.counts("flights", "source_key")
    entries = warehouse.counts("flights_ledger", "object_key")
    wrong = sum(1 for key in expected.keys() | found.keys() if found.get(key) != expected.get(key))
    surplus = sum(entries.values()) - len(entries.keys() & expected.keys())
    return wrong + surplus


class Meter:
    """The node's meter, over its signed page."""

    def __init__(self, exports: Mapping[str, str]) -> None:
        self._url = exports["AWS_ENDPOINT_URL"]
        keys = Credentials(exports["AWS_ACCESS_KEY_ID"], exports["AWS_SECRET_ACCESS_KEY"])
        self._sign = SigV4Auth(keys, "lambda", exports["AWS_DEFAULT_REGION"]).add_auth

    def read(self, **query: str | int) -> Any:
        request = AWSRequest("GET", f"{self._url}/_lambent/meter", params=query)
        self._sign(request)
        answer = URLLib3Session(proxies={}).send(request.prepare())
        if answer.status_code != 200:
            raise SystemExit(f"the meter answered {answer.status_code}: {answer.text}")
        return json.loads(answer.content)

    def of(self, function: str, runs: int, within_s: float) -> Any:
        """All that a function's events took, once `runs` are written: a run ends after its commit."""
        deadline = time.monotonic() + within_s
        while True:
            found = self.read(function=function, source="s3", rows=1, limit=10_000)
            if len(events(found)) >= runs or time.monotonic() > deadline:
                return found
            time.sleep(POLL_S)


def events(meter: Mapping[str, Any]) -> set[str]:
    """Events that were accepted: an event keeps its request id over all attempts to deliver it."""
    return {row["request_id"] for row in meter["rows"]}
