"""Media types, as far as it matters whether their content is text."""

import re

JSON_TYPE = "application/json"
_TYPE = re.compile(r"\s*([\w!#$&^.+-]+/[\w!#$&^.+-]+)\s*(?:;.*)?")
_TEXT = re.compile(
    r"text/.*|multipart/.*|application/(json|xml|javascript|x-javascript|x-www-form-urlencoded|.*\+(json|xml))"
    r"|image/svg\+xml|message/.*"
)


def media_type(header: str) -> str | None:
    """Without its parameters; None for what is none."""
    found = _TYPE.fullmatch(header)
    return found[1].lower() if found else None


def is_binary(kind: str) -> bool:
    return _TEXT.fullmatch(kind) is None


def is_json(kind: str) -> bool:
    return kind == JSON_TYPE or kind.endswith("+json")
