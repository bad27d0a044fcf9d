"""A service model's constraints, and AWS's words for what breaks them."""

import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from lambent.faces.errors import ServiceError

_NUMBERS = frozenset({"integer", "long", "float", "double"})
_SCALARS = frozenset({"string", "blob", "boolean", "timestamp", "character"}) | _NUMBERS
_PATTERN_BYTES = 16 * 1024  # a longer value is refused by its length; no pattern needs to see it

# Java's classes of characters, and a range that Python refuses.
_JAVA = {r"\p{L}": r"\w", r"\p{Z}": r"\s", r"\p{N}": r"\d", r"\w-": r"\w\-"}


class Checker:
    """Finds every constraint that an input breaks."""

    def __init__(self, service: str, code: str, unchecked: frozenset[str] = frozenset()) -> None:
        self._code = code
        self._unchecked = unchecked  # members that the face checks itself, with words of its own
        # Lambda alone names this in the constraints of members.
        self._suffix = ["Member must not be null"] if service == "lambda" else []

    def check(self, shape: StructureShape, value: dict[str, Any]) -> None:
        """Raises `ServiceError` with all of them."""
        found = list(self._structure(shape, value, ""))
        if found:
            head = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected: "
            raise ServiceError(self._code, head + "; ".join(found), 400)

    def _structure(self, shape: StructureShape, value: dict[str, Any], path: str) -> Iterator[str]:
        if shape.is_document_type:
            return
        required = shape.required_members
        for name, member in shape.members.items():
            if name not in value and name not in required:
                continue
            where = f"{path}{name[0].lower()}{name[1:]}"
            if name in value:
                yield from self._value(member, value[name], where)
            else:
                yield f"Value null at '{where}' failed to satisfy constraint: Member must not be null"

    def _value(self, shape: Shape, value: Any, path: str) -> Iterator[str]:
        if path in self._unchecked:
            return
        for text in broken(shape, value):
            yield _violation(shape, value, path, text)
        if isinstance(shape, StructureShape):
            yield from self._structure(shape, value, f"{path}.")
        elif isinstance(shape, ListShape):
            items = [(str(number), item) for number, item in enumerate(value, 1)]
            yield from self._members(shape, shape.member, items, value, path, "Member")
        elif isinstance(shape, MapShape):
            if shape.key.name not in self._unchecked and any(broken(shape.key, key) for key in value):
                yield _violation(shape, value, path, self._wrapped(shape.key, "Map keys"))
            yield from self._members(shape, shape.value, list(value.items()), value, path, "Map value")

    def _members(
        self, shape: Shape, member: Shape, items: list[tuple[str, Any]], value: Any, path: str, word: str
    ) -> Iterator[str]:
        if member.type_name in _SCALARS:
            if any(broken(member, item) for _, item in items):
                yield _violation(shape, value, path, self._wrapped(member, word))
            return
        for key, item in items:
            yield from self._value(member, item, f"{path}.{key}.member")

    def _wrapped(self, shape: Shape, word: str) -> str:
        return f"{word} must satisfy constraint: [{', '.join(constraints(shape) + self._suffix)}]"


def constraints(shape: Shape) -> list[str]:
    """All that a shape demands, in AWS's words and order."""
    facts = shape.metadata
    what = "value" if shape.type_name in _NUMBERS else "length"
    texts = []
    if "max" in facts:
        texts.append(f"Member must have {what} less than or equal to {facts['max']}")
    if "min" in facts:
        texts.append(f"Member must have {what} greater than or equal to {facts['min']}")
    if "pattern" in facts:
        texts.append(f"Member must satisfy regular expression pattern: {facts['pattern']}")
    if isinstance(shape, StringShape) and shape.enum:
        texts.append(f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
    return texts


def broken(shape: Shape, value: Any) -> list[str]:
    """Those of a shape's constraints that a value does not keep."""
    if not _demands(shape):
        return []
    facts = shape.metadata
    measured = value if shape.type_name in _NUMBERS else _length(value)
    verdicts = []
    if "max" in facts:
        verdicts.append(measured is None or measured <= facts["max"])
    if "min" in facts:
        verdicts.append(measured is None or measured >= facts["min"])
    if "pattern" in facts:
        verdicts.append(_keeps_pattern(facts["pattern"], value))
    if isinstance(shape, StringShape) and shape.enum:
        verdicts.append(value in shape.enum)
    if all(verdicts):
        return []
    return [text for text, kept in zip(constraints(shape), verdicts, strict=True) if not kept]


@cache
def _demands(shape: Shape) -> bool:
    """Whether there is any constraint; a model's shapes are for ever."""
    return bool(constraints(shape))


def _length(value: Any) -> int | None:
    return len(value) if hasattr(value, "__len__") else None


def _keeps_pattern(pattern: str, value: Any) -> bool:
    if not isinstance(value, str) or len(value) > _PATTERN_BYTES:
        return True
    return compiled(pattern).fullmatch(value) is not None


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """A Java pattern for Python; the keys are those of the models."""
    flags = 0 if r"\p" in pattern else re.ASCII
    for java, ours in _JAVA.items():
        pattern = pattern.replace(java, ours)
    return re.compile(pattern, flags)


def _violation(shape: Shape, value: Any, path: str, text: str) -> str:
    shown = "Value" if shape.metadata.get("sensitive") else f"Value '{show(shape, value)}'"
    return f"{shown} at '{path}' failed to satisfy constraint: {text}"


def show(shape: Shape, value: Any) -> str:
    """A value as Java prints it."""
    if isinstance(shape, StructureShape):
        members = (f"{name}={show(shape.members[name], item)}" for name, item in value.items())
        return f"{shape.name}({', '.join(members)})"
    if isinstance(shape, ListShape):
        return f"[{', '.join(show(shape.member, item) for item in value)}]"
    if isinstance(shape, MapShape):
        return f"{{{', '.join(f'{key}={show(shape.value, item)}' for key, item in value.items())}}}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    if isinstance(value, datetime):
        return value.strftime("%a %b %d %H:%M:%S UTC %Y")
    return str(value)
