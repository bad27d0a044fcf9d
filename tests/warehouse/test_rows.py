"""Rows keep their values however the file is cut, quoted and compressed."""

import csv
import gzip
import io
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambent.warehouse.copy_statement import CopyStatement
from lambent.warehouse.rows import BLANKS, BLOCK_BYTES, ROW_BYTES, BadRow, Column, Gunzip, Rows

COLUMNS = [Column("a", "integer", is_text=False), Column("b", "character varying(9)", is_text=True)]
CSV = CopyStatement(table="t", csv=True, null="NA")
TEXT = CopyStatement(table="t", null="NA")
VALUES = st.one_of(
    st.sampled_from(["", "NA", " ", "1", '"', "a,b", "x|y", "\\.", "\\N", "new\nline", "ü"]),
    st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=5),
)


def load(copy: CopyStatement, data: bytes, sizes: list[int]) -> bytes:
    """What PostgreSQL is sent for a file that comes in pieces of these sizes."""
    rows = Rows(copy, COLUMNS)
    rows.start("s3://b/k")
    sent = b""
    for size in [*sizes, len(data)]:
        piece, data = data[:size], data[size:]
        sent += rows.feed(piece)
    return sent + rows.finish()


def read(sent: bytes, separator: str, null: str) -> Iterator[list[str | None]]:
    """PostgreSQL's reading of CSV: NULL is what says so without quotes."""
    row: list[str | None] = []
    field = (
        rf'(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>[^{re.escape(separator)}\n"]*))(?P<end>[{separator}\n])'
    )
    at = 0
    while at < len(sent.decode()):
        found = re.compile(field).match(sent.decode(), at)
        assert found is not None, f"no CSV at {at}: {sent!r}"
        plain = found["plain"]
        row.append(found["quoted"].replace('""', '"') if plain is None else None if plain == null else plain)
        if found["end"] == "\n":
            yield row
            row = []
        at = found.end()


def expected(copy: CopyStatement, row: list[str]) -> list[str | None]:
    def value(text: str, column: Column) -> str | None:
        empty = not text and (copy.empty_as_null or not column.is_text)
        blank = copy.blanks_as_null and column.is_text and text != "" and not text.strip(BLANKS)
        return None if text == copy.null or empty or blank else text

    return [value(text, column) for text, column in zip(row, COLUMNS, strict=True)]


@given(
    st.lists(st.lists(VALUES, min_size=2, max_size=2)),
    st.lists(st.integers(0, 40)),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.booleans(),
    st.booleans(),
)
def test_csv_keeps_every_value(
    table: list[list[str]], sizes: list[int], quoting: int, empty: bool, blank: bool
) -> None:
    copy = CopyStatement(table="t", csv=True, null="NA", empty_as_null=empty, blanks_as_null=blank)
    file = io.StringIO()
    csv.writer(file, quoting=quoting, lineterminator="\n").writerows(table)  # type: ignore[arg-type]
    sent = load(copy, file.getvalue().encode(), sizes)
    assert list(read(sent, ",", "NA")) == [expected(copy, row) for row in table]


@given(st.lists(st.lists(VALUES, min_size=2, max_size=2)), st.lists(st.integers(0, 40)))
def test_delimited_text_knows_no_quotes(table: list[list[str]], sizes: list[int]) -> None:
    plain = [[value.replace("\n", "").replace("|", "") for value in row] for row in table]
    data = "".join(f"{a}|{b}\n" for a, b in plain)
    assert list(read(load(TEXT, data.encode(), sizes), "|", "NA")) == [expected(TEXT, row) for row in plain]


def test_what_postgresql_reads_the_same_is_not_parsed() -> None:
    data = b"1,x\n2,NA\n"
    assert load(CSV, data, [4]) == data


def test_the_header_is_skipped_wherever_it_is_cut() -> None:
    copy = CopyStatement(table="t", csv=True, header_lines=2)
    for size in range(12):
        assert load(copy, b"a,b\nunits\n1,x", [size]) == b"1,x\n"
    assert load(copy, b"a,b\nunits", []) == b""


def test_bytes_that_are_no_utf8_reach_postgresql() -> None:
    assert load(CSV, b'1,"\xff"\n', []) == b"1,\xff\n"


def test_a_row_over_the_limit() -> None:
    with pytest.raises(BadRow, match="exceeds"):
        load(CSV, b"1," + b"x" * ROW_BYTES, [])


def test_a_quote_that_is_never_closed() -> None:
    with pytest.raises(BadRow, match="quote"):
        load(CSV, b'1,"x\n2,y\n', [3])


def test_the_place_of_a_line() -> None:
    rows = Rows(CSV, COLUMNS)
    for number, header in enumerate(("one", "two")):
        rows.start(f"s3://b/{header}")
        for line in range(200):
            rows.feed(f"{line},{number}\n".encode())
    place = rows.place(398)
    assert (place.file, place.line, place.text) == ("s3://b/two", 198, "197,1")


@given(st.lists(st.binary(max_size=300), min_size=1), st.integers(1, 50))
def test_gzip_members_in_any_pieces(members: list[bytes], size: int) -> None:
    data = b"".join(map(gzip.compress, members))
    form = Gunzip()
    pieces = [piece for at in range(0, len(data), size) for piece in form.feed(data[at : at + size])]
    form.finish()
    assert b"".join(pieces) == b"".join(members)


def test_a_bomb_comes_in_bounded_pieces() -> None:
    pieces = list(Gunzip().feed(gzip.compress(b"\0" * 10_000_000)))
    assert max(map(len, pieces)) <= BLOCK_BYTES
    assert sum(map(len, pieces)) == 10_000_000


def test_a_cut_gzip_file() -> None:
    form = Gunzip()
    list(form.feed(gzip.compress(b"x" * 1000)[:-4]))
    with pytest.raises(BadRow, match="ends early"):
        form.finish()
    with pytest.raises(BadRow, match="Invalid gzip data"):
        list(Gunzip().feed(b"year,month\n"))
