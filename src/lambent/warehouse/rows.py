"""Files as Redshift's COPY reads them, turned into the CSV that PostgreSQL's COPY reads, block by block."""

import csv
import io
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lambent.warehouse.copy_statement import CopyStatement

BLOCK_BYTES = 128 * 1024
BLANKS = " \t\n\r\v\f"
ROW_BYTES = 4 * 1024 * 1024  # Redshift's own limit for a row of input
KEPT_BLOCKS = 16  # more than fits between us and PostgreSQL's parser: an error is found in them

csv.field_size_limit(ROW_BYTES)


class BadRow(Exception):
    """A row that cannot be read at all. `code` is Redshift's load error code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table that is loaded, in the order of the file."""

    name: str
    type: str  # as PostgreSQL spells it: integer, character varying(10)
    is_text: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line of the stream comes from, and what it says."""

    file: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class _Block:
    file: str
    file_line: int  # of its first line
    stream_line: int  # the same, as PostgreSQL counts
    source: bytes


class Rows:
    """The rows of one file after the other. Each byte string given back holds whole rows."""

    def __init__(self, copy: CopyStatement, columns: Sequence[Column]) -> None:
        self._copy = copy
        self._separator = copy.separator.encode()
        self._quote = copy.quote.encode()
        # Rewritten rows are latin-1 inside, see `_rewritten`.
        self._null = copy.null.encode().decode("latin-1")
        self._is_null = [_null_test(copy, column) for column in columns]
        self._special = re.compile(f"[{re.escape(copy.quote)}\\r\\n\\\\]")
        self._blocks: deque[_Block] = deque(maxlen=KEPT_BLOCKS)
        self._stream_line = 1
        self._pending = b""
        self._header = 0
        self.file = ""
        self.line = 1

    @property
    def pending(self) -> bool:
        """Whether a part of a row is held back that its file may end with."""
        return bool(self._pending)

    def start(self, file: str) -> None:
        self.file, self.line, self._header, self._pending = file, 1, self._copy.header_lines, b""

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the file; gives back what its whole rows are for PostgreSQL."""
        self._pending += data
        self._skip_header()
        end = 0 if self._header else self._last_row_end(self._pending)
        if len(self._pending) - end > ROW_BYTES:
            raise BadRow(1216, f"Row exceeds {ROW_BYTES} bytes")
        return self._take(end)

    def finish(self) -> bytes:
        """The end of the file, which ends its last row too."""
        if self._pending and not self._pending.endswith(b"\n"):
            self._pending += b"\n"
        self._skip_header()
        if self._last_row_end(self._pending) != len(self._pending):
            raise BadRow(1200, "Invalid quote formatting for CSV")
        return self._take(len(self._pending))

    def place(self, stream_line: int) -> Place:
        """Where PostgreSQL's line `stream_line` was read."""
        for block in reversed(self._blocks):
            if block.stream_line <= stream_line:
                offset = stream_line - block.stream_line
                lines = block.source.split(b"\n")
                text = lines[offset] if offset < len(lines) else b""
                return Place(block.file, block.file_line + offset, text.decode("utf-8", "replace"))
        return Place(self.file, self.line, "")

    def _skip_header(self) -> None:
        while self._header and (end := self._pending.find(b"\n") + 1):
            self._pending = self._pending[end:]
            self._header -= 1
            self.line += 1

    def _last_row_end(self, data: bytes) -> int:
        """The end of the last whole row: a line end that is outside quotes."""
        if not self._copy.csv or self._quote not in data:
            return data.rfind(b"\n") + 1
        end = len(data)
        parts = data.split(self._quote)  # every second part lies inside quotes
        for number in range(len(parts) - 1, -1, -1):
            start = end - len(parts[number])
            if number % 2 == 0 and (found := parts[number].rfind(b"\n")) >= 0:
                return start + found + 1
            end = start - 1
        return 0

    def _take(self, end: int) -> bytes:
        if end == 0:
            return b""
        source, self._pending = self._pending[:end], self._pending[end:]
        sent = source if self._is_postgres_csv(source) else self._rewritten(source)
        self._blocks.append(_Block(self.file, self.line, self._stream_line, source))
        self.line += source.count(b"\n")
        self._stream_line += sent.count(b"\n")
        return sent

    def _is_postgres_csv(self, block: bytes) -> bool:
        """Whether PostgreSQL reads the block as Redshift would, which spares parsing it here.

        An empty field is NULL in Redshift unless its column is text, and PostgreSQL knows one NULL only;
        line ends must agree over the whole stream; a backslash and a point would end it.
        """
        separator = self._separator
        return not (
            self._copy.blanks_as_null
            or self._quote in block
            or b"\r" in block
            or b"\\." in block
            or separator * 2 in block
            or separator + b"\n" in block
            or b"\n" + separator in block
            or b"\n\n" in block
            or block[:1] in (separator, b"\n")
        )

    def _rewritten(self, block: bytes) -> bytes:
        # latin-1 maps every byte to one character and back: whether it is UTF-8, PostgreSQL checks.
        text = block.decode("latin-1")
        try:
            return "".join(map(self._row, self._parsed(text))).encode("latin-1")
        except csv.Error as error:
            raise BadRow(1200, str(error)) from None

    def _parsed(self, text: str) -> Iterator[list[str]]:
        """Fields by row; blank lines are empty rows, left out where the statement says so."""
        if self._copy.csv:
            rows: Iterator[list[str]] = csv.reader(
                io.StringIO(text, newline=""), delimiter=self._copy.separator, quotechar=self._copy.quote
            )
        else:
            lines = text.removesuffix("\n").split("\n")
            rows = (line.removesuffix("\r").split(self._copy.separator) for line in lines)
        if self._copy.ignore_blank_lines:
            return (row for row in rows if row not in ([], [""]))
        return rows

    def _row(self, row: list[str]) -> str:
        if "" in row or self._copy.blanks_as_null:
            row = self._with_nulls(row)
        separator = self._copy.separator
        line = separator.join(row)
        if line.count(separator) >= len(row) or self._special.search(line):
            line = separator.join(map(self._quoted, row))
        return line + "\n"

    def _with_nulls(self, row: list[str]) -> list[str]:
        """The row with the NULL text in place of what else means NULL."""
        surplus = len(row) - len(self._is_null)  # columns that the table has not: PostgreSQL says so
        tests = self._is_null + [_never] * surplus
        return [self._null if is_null(value) else value for value, is_null in zip(row, tests, strict=False)]

    def _quoted(self, value: str) -> str:
        quote = self._copy.quote
        return value if value == self._null else f"{quote}{value.replace(quote, quote + quote)}{quote}"


def _never(value: str) -> bool:
    return False


def _empty(value: str) -> bool:
    return not value


def _null_test(copy: CopyStatement, column: Column) -> Callable[[str], bool]:
    """What, beside the NULL text itself, is NULL in a column."""
    if not column.is_text:
        return _empty
    if copy.blanks_as_null:
        return _blank if copy.empty_as_null else _spaces
    return _empty if copy.empty_as_null else _never


def _blank(value: str) -> bool:
    return not value.strip(BLANKS)


def _spaces(value: str) -> bool:
    return value != "" and _blank(value)


class Gunzip:
    """Decompresses a gzip file, of one member or several, in bounded pieces."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            try:
                piece = self._member.decompress(data, BLOCK_BYTES)
            except zlib.error as error:
                raise BadRow(1200, f"Invalid gzip data: {error}") from None
            data = self._member.unused_data or self._member.unconsumed_tail
            if piece:
                yield piece

    def finish(self) -> None:
        if not self._member.eof:
            raise BadRow(1200, "Invalid gzip data: the file ends early")


class Plain:
    """What is not compressed."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        return (data[at : at + BLOCK_BYTES] for at in range(0, len(data), BLOCK_BYTES))

    def finish(self) -> None:
        pass
