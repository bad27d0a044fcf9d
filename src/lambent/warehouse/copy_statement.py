"""COPY … FROM 's3://…': its grammar, with options in any order."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from lambent.warehouse.edit import Edit
from lambent.warehouse.errors import SYNTAX, UNSUPPORTED, Refused, literal
from lambent.warehouse.tokens import Kind, string_value

DEFAULT_NULL = "\\N"
ROLE = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/([\w+=,.@/-]{1,512})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyStatement:
    """What is loaded, from where, on whose authority, and how it is written there."""

    table: str  # as written, quotes included
    columns: tuple[str, ...] = ()  # as written; empty: all
    bucket: str = ""
    prefix: str = ""
    role: str | None = None  # ARN; "default": the warehouse's own; None: none was given
    csv: bool = False
    quote: str = '"'
    delimiter: str = ""
    null: str = DEFAULT_NULL
    header_lines: int = 0
    gzip: bool = False
    manifest: bool = False
    empty_as_null: bool = False
    blanks_as_null: bool = False
    ignore_blank_lines: bool = False

    @property
    def name(self) -> str:
        """The table's own name, as messages show it."""
        return plain_name(self.table.rpartition(".")[2])

    @property
    def separator(self) -> str:
        return self.delimiter or ("," if self.csv else "|")

    @property
    def sql(self) -> str:
        """The statement that has PostgreSQL take the rows from the connection."""
        columns = f" ({', '.join(self.columns)})" if self.columns else ""
        return (
            f"COPY {self.table}{columns} FROM STDIN (FORMAT csv, DELIMITER {literal(self.separator)}, "
            f"QUOTE {literal(self.quote)}, NULL {literal(self.null)}, ENCODING 'UTF8')"
        )


def plain_name(written: str) -> str:
    """The name that an identifier stands for: folded unless quoted."""
    quoted = written.startswith('"')
    return written[1:-1].replace('""', '"') if quoted else written.lower()


def is_copy_from_s3(edit: Edit) -> bool:
    """Whether this is a COPY that reads an address and not the client's own connection."""
    if edit.word(0) != "COPY" or edit.sign(1) == "(":
        return False
    n = _after_target(edit)
    return edit.word(n) == "FROM" and edit.token(n + 1).kind is Kind.STRING


def parse_copy(edit: Edit) -> CopyStatement:
    """Raises `Refused` with the option's name for what is not known or not supported."""
    n = _after_target(edit)
    bucket, prefix = _address(string_value(edit.token(n + 1)))
    end = edit.after_name(1)
    columns = tuple(edit.text(*item) for item in edit.items(end)) if edit.sign(end) == "(" else ()
    copy = CopyStatement(table=edit.text(1, end), columns=columns, bucket=bucket, prefix=prefix)
    options = Options(edit, n + 2)
    while not options.done:
        name = options.keyword()
        if name not in OPTIONS:
            raise Refused(f"syntax error at or near {name!r}: COPY has no such option", SYNTAX)
        copy = OPTIONS[name](copy, options)
    return _checked(copy)


def _after_target(edit: Edit) -> int:
    n = edit.after_name(1)
    return edit.after_group(n) if edit.sign(n) == "(" else n


def _address(url: str) -> tuple[str, str]:
    scheme, found, rest = url.partition("://")
    if not found or scheme.lower() != "s3":
        raise Refused(f"COPY reads from 's3://bucket/prefix', not from {url!r}", UNSUPPORTED)
    bucket, _, prefix = rest.partition("/")
    if not bucket:
        raise Refused(f"the S3 path {url!r} names no bucket", SYNTAX)
    return bucket, prefix


class Options:
    """The words behind the address, taken one after the other."""

    def __init__(self, edit: Edit, n: int) -> None:
        self._edit = edit
        self._n = n

    @property
    def done(self) -> bool:
        return self._n >= len(self._edit)

    def keyword(self) -> str:
        """The next word; WITH and AS may stand before any and say nothing."""
        while self.take("WITH") or self.take("AS"):
            pass
        token = self._edit.token(self._n)
        if not token.word:
            raise Refused(f"syntax error at or near {token.text!r}: COPY expects an option here", SYNTAX)
        self._n += 1
        return token.word

    def take(self, *words: str) -> str:
        """The next word if it is one of `words`, else nothing."""
        word = self._edit.word(self._n)
        if word not in words:
            return ""
        self._n += 1
        return word

    def string(self, name: str) -> str:
        self.take("AS")
        token = self._edit.token(self._n)
        if token.kind is not Kind.STRING:
            raise Refused(f"COPY: {name} needs a string, not {token.text!r}", SYNTAX)
        self._n += 1
        return string_value(token)

    def number(self, name: str) -> int:
        self.take("AS")
        token = self._edit.token(self._n)
        if token.kind is not Kind.NUMBER or not token.text.isdigit():
            raise Refused(f"COPY: {name} needs a whole number, not {token.text!r}", SYNTAX)
        self._n += 1
        return int(token.text)

    def character(self, name: str) -> str:
        """One ASCII character, also written as `\\t` or in octal as `\\054`."""
        given = self.string(name)
        octal = re.fullmatch(r"\\([0-3]?[0-7]{1,2})", given)
        value = chr(int(octal[1], 8)) if octal else {"\\t": "\t", "\\\\": "\\"}.get(given, given)
        if len(value) != 1 or not value.isascii() or value in "\r\n\0":
            raise Refused(f"COPY {name} must be a single ASCII character, not {given!r}", SYNTAX)
        return value


Option = Callable[[CopyStatement, Options], CopyStatement]


def _flag(field: str) -> Option:
    change: dict[str, Any] = {field: True}
    return lambda copy, options: replace(copy, **change)


def _ignored(*values: str, number: bool = False, string: str = "") -> Option:
    """An option that is about Redshift's storage or place and changes nothing here."""

    def option(copy: CopyStatement, options: Options) -> CopyStatement:
        options.take(*values)
        if number:
            options.number("COMPROWS")
        if string:
            options.string(string)
        return copy

    return option


def _format(copy: CopyStatement, options: Options) -> CopyStatement:
    options.take("AS")
    name = options.keyword()
    if name not in ("CSV", *UNSUPPORTED_OPTIONS):
        raise Refused(f"COPY has no FORMAT {name}", SYNTAX)
    return OPTIONS[name](copy, options)


def _csv(copy: CopyStatement, options: Options) -> CopyStatement:
    return replace(copy, csv=True)


def _quote(copy: CopyStatement, options: Options) -> CopyStatement:
    return replace(copy, quote=options.character("QUOTE"))


def _delimiter(copy: CopyStatement, options: Options) -> CopyStatement:
    return replace(copy, delimiter=options.character("DELIMITER"))


def _null(copy: CopyStatement, options: Options) -> CopyStatement:
    value = options.string("NULL")
    return replace(copy, null=DEFAULT_NULL if value in ("\\N", "\\\\N") else value)


def _ignore_header(copy: CopyStatement, options: Options) -> CopyStatement:
    return replace(copy, header_lines=options.number("IGNOREHEADER"))


def _time_format(copy: CopyStatement, options: Options) -> CopyStatement:
    # PostgreSQL reads every form that 'auto' names, and the default one.
    return _known_format(copy, "TIMEFORMAT", options.string("TIMEFORMAT"), ("auto", "YYYY-MM-DD HH:MI:SS"))


def _date_format(copy: CopyStatement, options: Options) -> CopyStatement:
    return _known_format(copy, "DATEFORMAT", options.string("DATEFORMAT"), ("auto", "YYYY-MM-DD"))


def _known_format(copy: CopyStatement, name: str, given: str, known: tuple[str, ...]) -> CopyStatement:
    if given not in known:
        raise Refused(
            f"COPY: {name} {given!r} is not supported", UNSUPPORTED, hint=f"Supported: {', '.join(known)}."
        )
    return copy


def _max_error(copy: CopyStatement, options: Options) -> CopyStatement:
    given = options.number("MAXERROR")
    if given > 1:  # 0 and 1 both mean that the first bad row fails the load
        hint = "Leave it out: the first bad row fails the load."
        raise Refused(f"COPY: MAXERROR {given} is not supported", UNSUPPORTED, hint=hint)
    return copy


def _encoding(copy: CopyStatement, options: Options) -> CopyStatement:
    options.take("AS")
    given = options.keyword()
    if given != "UTF8":
        raise Refused(f"COPY: ENCODING {given} is not supported", UNSUPPORTED, hint="Supported: UTF8.")
    return copy


def _iam_role(copy: CopyStatement, options: Options) -> CopyStatement:
    options.take("AS")
    return _with_role(copy, "default" if options.take("DEFAULT") else options.string("IAM_ROLE"))


def _credentials(copy: CopyStatement, options: Options) -> CopyStatement:
    given = options.string("CREDENTIALS")
    name, _, value = given.partition("=")
    if name.strip() != "aws_iam_role":
        raise Refused("COPY with access keys is not supported", UNSUPPORTED, hint="Use IAM_ROLE default.")
    return _with_role(copy, value.strip())


def _with_role(copy: CopyStatement, role: str) -> CopyStatement:
    if copy.role is not None:
        raise Refused("COPY takes only one of IAM_ROLE and CREDENTIALS", SYNTAX)
    if role != "default" and not ROLE.fullmatch(role):
        raise Refused(f"Invalid IAM role ARN {role!r}", SYNTAX, hint="arn:aws:iam::<account>:role/<name>")
    return replace(copy, role=role)


def _unsupported(name: str) -> Option:
    def option(copy: CopyStatement, options: Options) -> CopyStatement:
        raise Refused(f"COPY: {name} is not supported", UNSUPPORTED, hint="Supported: CSV or delimited text.")

    return option


UNSUPPORTED_OPTIONS = (
    "ACCEPTANYDATE", "ACCEPTINVCHARS", "ACCESS_KEY_ID", "AVRO", "BZIP2", "ENCRYPTED", "ESCAPE",
    "EXPLICIT_IDS", "FILLRECORD", "FIXEDWIDTH", "IGNOREALLERRORS", "JSON", "LZOP", "MASTER_SYMMETRIC_KEY",
    "NOLOAD", "ORC", "PARQUET", "READRATIO", "REMOVEQUOTES", "ROUNDEC", "SECRET_ACCESS_KEY",
    "SESSION_TOKEN", "SHAPEFILE", "SSH", "TRIMBLANKS", "TRUNCATECOLUMNS", "ZSTD",
)  # fmt: skip

OPTIONS: dict[str, Option] = {
    "FORMAT": _format,
    "CSV": _csv,
    "QUOTE": _quote,
    "DELIMITER": _delimiter,
    "NULL": _null,
    "IGNOREHEADER": _ignore_header,
    "GZIP": _flag("gzip"),
    "MANIFEST": _flag("manifest"),
    "EMPTYASNULL": _flag("empty_as_null"),
    "BLANKSASNULL": _flag("blanks_as_null"),
    "IGNOREBLANKLINES": _flag("ignore_blank_lines"),
    "TIMEFORMAT": _time_format,
    "DATEFORMAT": _date_format,
    "MAXERROR": _max_error,
    "ENCODING": _encoding,
    "IAM_ROLE": _iam_role,
    "CREDENTIALS": _credentials,
    "REGION": _ignored(string="REGION"),
    "COMPUPDATE": _ignored("ON", "OFF", "TRUE", "FALSE", "PRESET"),
    "STATUPDATE": _ignored("ON", "OFF", "TRUE", "FALSE"),
    "COMPROWS": _ignored(number=True),
    **{name: _unsupported(name) for name in UNSUPPORTED_OPTIONS},
}


def _checked(copy: CopyStatement) -> CopyStatement:
    """What options must not say together. Sources: the COPY page of the Redshift guide, PostgreSQL's COPY."""
    if copy.role is None:
        raise Refused("COPY needs an authorization", SYNTAX, hint="Add IAM_ROLE default.")
    if copy.separator == copy.quote:
        raise Refused("COPY: DELIMITER and QUOTE must differ", SYNTAX)
    if set(copy.null) & {copy.separator, copy.quote, "\r", "\n"}:
        raise Refused(
            f"COPY: NULL AS {copy.null!r} must not hold the delimiter, the quote or a line end", SYNTAX
        )
    return copy
