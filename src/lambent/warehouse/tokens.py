"""SQL cut into tokens that join to the same text again: strings, quoted names and comments stay whole."""

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple


class Kind(Enum):
    WORD = auto()  # a name or keyword
    NAME = auto()  # a quoted name
    STRING = auto()  # '…', E'…', $tag$…$tag$
    NUMBER = auto()
    SPACE = auto()  # white space and comments
    SIGN = auto()  # everything else, one character or a `::`


class Token(NamedTuple):
    kind: Kind
    text: str

    @property
    def word(self) -> str:
        """The keyword that this is, in capitals; empty for what cannot be one."""
        return self.text.upper() if self.kind is Kind.WORD else ""


_TOKEN = re.compile(
    r"""
      (?P<SPACE>   \s+ | --[^\n]* )
    | (?P<STRING>  [eE]'(?:[^'\\]++|\\.|'')*+'? | (?:[bBxXnN]|[uU]&)?'(?:[^']++|'')*+'? )
    | (?P<DOLLAR>  \$(?:[^\W\d]\w*)?\$ )
    | (?P<NAME>    (?:[uU]&)?"(?:[^"]++|"")*+"? )
    | (?P<WORD>    [^\W\d][\w$]* )
    | (?P<NUMBER>  \d+(?:\.\d*)?(?:[eE][+-]?\d+)? | \.\d+(?:[eE][+-]?\d+)? )
    | (?P<COMMENT> /\* )
    | (?P<SIGN>    :: | \$\d+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_KINDS = {kind.name: kind for kind in Kind} | {"DOLLAR": Kind.STRING, "COMMENT": Kind.SPACE}


def tokens(sql: str) -> Iterator[Token]:
    """All of `sql`. What is opened and never closed is one token to the end, for PostgreSQL to refuse."""
    at = 0
    while found := _TOKEN.match(sql, at):
        assert found.lastgroup is not None
        end = found.end()
        if found.lastgroup == "COMMENT":
            end = _comment_end(sql, end)
        elif found.lastgroup == "DOLLAR":
            close = sql.find(found[0], end)
            end = len(sql) if close < 0 else close + len(found[0])
        yield Token(_KINDS[found.lastgroup], sql[at:end])
        at = end


def _comment_end(sql: str, at: int) -> int:
    """Where the comment ends that was opened just before `at`; comments nest."""
    depth = 1
    while depth and (edge := _COMMENT_EDGE.search(sql, at)):
        depth += 1 if edge[0] == "/*" else -1
        at = edge.end()
    return len(sql) if depth else at


def statements(sql: str) -> Iterator[list[Token]]:
    """The statements of `sql` without their semicolons; empty ones are left out."""
    current: list[Token] = []
    for token in tokens(sql):
        if token.text != ";" or token.kind is not Kind.SIGN:
            current.append(token)
            continue
        if any(t.kind is not Kind.SPACE for t in current):
            yield current
        current = []
    if any(t.kind is not Kind.SPACE for t in current):
        yield current


def join(parts: list[Token]) -> str:
    return "".join(token.text for token in parts)


def string_value(token: Token) -> str:
    """What a string token says."""
    text = token.text
    if text.startswith("$"):
        tag = text[: text.index("$", 1) + 1]
        return text[len(tag) : -len(tag)]
    if text[0] in "eE":
        return re.sub(r"\\(.)|''", lambda m: _ESCAPES.get(m[1], m[1]) if m[1] else "'", text[2:-1])
    return text[text.index("'") + 1 : -1].replace("''", "'")


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
