"""Why a row could not be loaded: PostgreSQL's words turned into Redshift's, kept in stl_load_errors."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lambent.warehouse.rows import Column, Place
from lambent.warehouse.upstream import Client

# `COPY t, line 3, column arr_delay: "NA"` or `COPY t, line 3: "1,2"`
_CONTEXT = re.compile(
    r'COPY .*?, line (?P<line>\d+)(?:, column (?P<column>.*?))?(?:: "(?P<value>.*)"|: null input|$)',
    re.DOTALL,
)
_FIRST_ODD = re.compile(r"\s*[+-]?\d*")

INTEGERS = {"smallint": "Short", "integer": "Integer", "bigint": "Long"}
DECIMALS = ("numeric", "real", "double precision")


@dataclass(frozen=True, slots=True)
class LoadError:
    """A row of stl_load_errors."""

    place: Place
    code: int
    reason: str
    column: Column | None = None
    value: str = ""
    position: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """What PostgreSQL said about a row: where it stood in the stream, and in which column."""

    sqlstate: str
    words: str
    line: int
    column: Column | None
    value: str


def read_failure(fields: Mapping[str, str], columns: Sequence[Column]) -> Failure | None:
    """The failure that an ErrorResponse is about; None if it is about something else than a row."""
    code = fields.get("C", "")
    found = _CONTEXT.match(fields.get("W", ""))
    if found is None or not (code.startswith(("22", "23"))):
        return None
    name = found["column"] or fields.get("c")
    column = next((c for c in columns if c.name == name), None)
    value = (found["value"] or "") if found["column"] else ""
    return Failure(code, fields.get("M", ""), int(found["line"]), column, value)


def explain(failure: Failure, place: Place) -> LoadError:
    code, reason, position = _reason(failure)
    return LoadError(place, code, reason, failure.column, failure.value, position)


def _reason(failure: Failure) -> tuple[int, str, int]:
    """Redshift's error code, its text, and the position in the value."""
    kind = failure.column.type.partition("(")[0] if failure.column else ""
    if failure.sqlstate == "22P02":
        return _invalid_text(kind, failure.value)
    if failure.sqlstate == "22003" and kind in INTEGERS:
        return 1222, f"Overflow, Value '{failure.value}', Type: {INTEGERS[kind]}", 0
    if failure.sqlstate in ("22007", "22008"):
        if kind == "date":
            return 1205, "Invalid Date Format - length must be 10 or more", 0
        return 1206, "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]", 0
    if failure.sqlstate == "22P04":
        return (*_ROW_SHAPES.get(failure.words.partition(" ")[0], (1200, failure.words)), 0)
    return (*_BY_STATE.get(failure.sqlstate, (1200, failure.words)), 0)


def _invalid_text(kind: str, value: str) -> tuple[int, str, int]:
    if kind in INTEGERS or kind in DECIMALS:
        odd = _FIRST_ODD.match(value)
        at = min(odd.end() if odd else 0, max(len(value) - 1, 0))
        name = INTEGERS.get(kind, "Decimal")
        return 1207, f"Invalid digit, Value '{value[at : at + 1]}', Pos {at}, Type: {name}", at
    if kind == "boolean":
        return 1210, f"Invalid boolean, Value '{value}'", 0
    return 1223, f"Invalid value for type {kind}", 0


_ROW_SHAPES = {
    "extra": (1202, "Extra column(s) found"),
    "missing": (1201, "Delimiter not found"),
    "unterminated": (1200, "Invalid quote formatting for CSV"),
}
_BY_STATE = {
    "22001": (1204, "String length exceeds DDL length"),
    "22003": (1204, "Value out of range"),
    "22021": (1220, "String contains invalid or unsupported UTF8 codepoints"),
    "23502": (1213, "Missing data for not-null field"),
}

_INSERT = """
INSERT INTO lambent.load_errors (userid, tbl, session, query, filename, line_number, colname, type,
  col_length, position, raw_line, raw_field_value, err_code, err_reason)
SELECT coalesce((SELECT oid FROM pg_roles WHERE rolname = $1), 0)::bigint::integer, $2::bigint::integer,
  $3::integer, nextval('lambent.load_query'), $4, $5::bigint, $6, $7, $8, $9::integer, $10, $11,
  $12::integer, $13
"""


async def record(client: Client, role: str, table: int, session: int, error: LoadError) -> None:
    """Write the row on a connection of its own, so that it survives the client's ROLLBACK."""
    kind, _, length = (error.column.type if error.column else "").partition("(")
    await client.rows(
        _INSERT,
        role,
        str(table),
        str(session),
        _cut(error.place.file, 256),
        str(error.place.line),
        _cut(error.column.name if error.column else "", 127),
        _cut(kind, 10),
        _cut(length.rstrip(")"), 10),
        str(error.position),
        _cut(error.place.text, 1024),
        _cut(error.value, 1024),
        str(error.code),
        _cut(error.reason, 100),
    )


def _cut(text: str, limit: int) -> str:
    return text.replace("\0", "")[:limit]
