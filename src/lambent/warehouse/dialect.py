"""Redshift's SQL turned into PostgreSQL's: what only Redshift has is rewritten, the rest passes as it is."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from lambent.warehouse import ddl
from lambent.warehouse.copy_statement import CopyStatement, is_copy_from_s3, parse_copy
from lambent.warehouse.edit import Edit
from lambent.warehouse.errors import UNSUPPORTED, Refused
from lambent.warehouse.tokens import Kind, statements

LONG_CHARACTERS = 64 * 1024  # a statement of this length takes a millisecond or more to cut

# Words without which a text holds nothing of Redshift's; finding none is much cheaper than cutting it.
_TRIGGER = re.compile(r"\b(?:copy|unload|create|alter|sysdate|nvl|dateadd|datediff|max\s*\))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement for PostgreSQL; `copy` says what it loads where it is a COPY from S3."""

    sql: str
    copy: CopyStatement | None = None


def is_plain(sql: str) -> bool:
    """Whether the text certainly needs no rewriting."""
    return _TRIGGER.search(sql) is None


def translate(sql: str) -> list[Statement]:
    """The statements of a text, each for itself. A refused one becomes a statement that fails so."""
    return [_translate(Edit(parts)) for parts in statements(sql)]


def _translate(edit: Edit) -> Statement:
    try:
        if is_copy_from_s3(edit):
            copy = parse_copy(edit)
            return Statement(copy.sql, copy)
        if rule := _RULES.get(edit.word(0)):
            rule(edit)
        _expressions(edit)
    except Refused as refused:
        return Statement(refused.sql)
    return Statement(edit.sql)


def _alter(edit: Edit) -> None:
    if edit.says(0, "ALTER", "TABLE"):
        ddl.alter_table(edit)


def _unload(edit: Edit) -> None:
    raise Refused("UNLOAD is not supported", UNSUPPORTED, hint="Select the rows and write them with boto3.")


_RULES: dict[str, Callable[[Edit], None]] = {
    "CREATE": ddl.create_table,
    "ALTER": _alter,
    "UNLOAD": _unload,
}

_LONGEST = {"VARCHAR": "65535", "NVARCHAR": "65535", "VARYING": "65535", "CHAR": "4096"}
_WITH_UNIT = ("DATEADD", "DATEDIFF")


def _expressions(edit: Edit) -> None:
    """Words that may stand anywhere in a statement."""
    for n in range(len(edit)):
        word, follows = edit.word(n), edit.sign(n + 1)
        if not word or edit.sign(n - 1) == ".":
            continue
        if word == "SYSDATE" and follows not in ("(", ".") and edit.word(n - 1) != "AS":
            edit.replace(n, n + 1, "sysdate()")
        elif word == "NVL" and follows == "(":
            edit.replace(n, n + 1, "coalesce")
        elif word in _LONGEST and follows == "(" and edit.says(n + 2, "MAX"):
            edit.replace(n + 2, n + 3, _LONGEST[word])
        elif word in _WITH_UNIT and follows == "(" and edit.token(n + 2).kind is Kind.WORD:
            edit.replace(n + 2, n + 3, f"'{edit.word(n + 2).lower()}'")
