"""Event patterns: EventBridge's language, in which a mapping says which records its function wants."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

Test = Callable[[Any], bool]
Match = Callable[[Any], bool]  # of a value, or of `_MISSING`

OR = "$or"
DEPTH = 100
_MISSING = object()
_SCALARS = (str, int, float, bool, type(None))
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}


class BadPattern(ValueError):
    """A text that is no event pattern."""


class Pattern:
    """A parsed pattern. `told` is the pattern itself: what it says of a member decides how that is read."""

    def __init__(self, text: str) -> None:
        """Raises `BadPattern`."""
        try:
            self.told: Any = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise BadPattern("it is no JSON") from None
        self._match = _object(self.told, 0)

    def matches(self, event: Any) -> bool:
        return self._match(event)


def _object(told: Any, depth: int) -> Match:
    if not isinstance(told, dict) or not told or depth > DEPTH:
        raise BadPattern("an object with at least one member is wanted")
    members = [(name, _member(name, wanted, depth)) for name, wanted in told.items()]

    def match(value: Any) -> bool:
        if isinstance(value, list):  # of several things one is enough
            return any(match(item) for item in value)
        inside = value if isinstance(value, dict) else {}
        return all(test(value if name == OR else inside.get(name, _MISSING)) for name, test in members)

    return match


def _member(name: str, wanted: Any, depth: int) -> Match:
    if name == OR and isinstance(wanted, list) and all(isinstance(one, dict) for one in wanted):
        if len(wanted) < 2:
            raise BadPattern("$or wants at least two patterns")
        choices = [_object(one, depth + 1) for one in wanted]
        return lambda value: any(choice(value) for choice in choices)
    if isinstance(wanted, dict):
        return _object(wanted, depth + 1)
    if not isinstance(wanted, list) or not wanted:
        raise BadPattern(f"{name} wants a list of what it may be")
    return _leaf([_rule(one) for one in wanted])


def _leaf(tests: list[Test]) -> Match:
    def match(value: Any) -> bool:
        if isinstance(value, list):
            return any(match(item) for item in value) if value else any(test(_MISSING) for test in tests)
        if isinstance(value, dict):  # a pattern names leaves; an object is none
            return False
        return any(test(value) for test in tests)

    return match


def _rule(told: Any) -> Test:
    if isinstance(told, _SCALARS):
        return lambda value: _same(value, told)
    if not isinstance(told, dict) or len(told) != 1:
        raise BadPattern("a rule has one name")
    ((name, wanted),) = told.items()
    if name not in _RULES:
        raise BadPattern(f"{name} is no rule")
    return _RULES[name](wanted)


def _same(value: Any, wanted: Any) -> bool:
    """1 is 1.0, but it is neither true nor "1"."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return value is not _MISSING and value == wanted


def _text(wanted: Any) -> str:
    if not isinstance(wanted, str):
        raise BadPattern("a text is wanted")
    return wanted


def _of_text(test: Callable[[str], bool]) -> Test:
    return lambda value: isinstance(value, str) and test(value)


def _affix(wanted: Any, ends: Callable[[str, str], bool]) -> Test:
    if isinstance(wanted, dict) and set(wanted) == {"equals-ignore-case"}:
        folded = _text(wanted["equals-ignore-case"]).casefold()
        return _of_text(lambda value: ends(value.casefold(), folded))
    text = _text(wanted)
    return _of_text(lambda value: ends(value, text))


def _ignoring_case(wanted: Any) -> Test:
    folded = _text(wanted).casefold()
    return _of_text(lambda value: value.casefold() == folded)


def _wildcard(wanted: Any) -> Test:
    text = _text(wanted)
    if "**" in text:
        raise BadPattern("consecutive wildcards")
    parts = re.split(r"(\\.|\*)", text)
    pattern = "".join(
        ".*" if part == "*" else re.escape(part[1:] if part.startswith("\\") else part) for part in parts
    )
    return _of_text(lambda value: re.fullmatch(pattern, value, re.DOTALL) is not None)


def _exists(wanted: Any) -> Test:
    if not isinstance(wanted, bool):
        raise BadPattern("exists is true or false")
    return lambda value: (value is not _MISSING) is wanted


def _numeric(wanted: Any) -> Test:
    if not isinstance(wanted, list) or not wanted or len(wanted) % 2 or len(wanted) > 4:
        raise BadPattern("numeric wants comparisons and their bounds")
    bounds = list(zip(wanted[::2], wanted[1::2], strict=True))
    for name, bound in bounds:
        if name not in _COMPARISONS or not _is_number(bound):
            raise BadPattern(f"{name} {bound} is no comparison")
    return lambda value: _is_number(value) and all(_COMPARISONS[name](value, bound) for name, bound in bounds)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cidr(wanted: Any) -> Test:
    try:
        network = ipaddress.ip_network(_text(wanted), strict=False)
    except ValueError:
        raise BadPattern(f"{wanted} is no network") from None

    def inside(value: str) -> bool:
        try:
            return ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return _of_text(inside)


def _anything_but(wanted: Any) -> Test:
    if isinstance(wanted, dict):
        if len(wanted) != 1 or not set(wanted) <= {"prefix", "suffix", "equals-ignore-case", "wildcard"}:
            raise BadPattern("anything-but wants one rule on texts")
        ((name, told),) = wanted.items()
        tests = [_RULES[name](one) for one in (told if isinstance(told, list) else [told])]
    else:
        values = wanted if isinstance(wanted, list) else [wanted]
        if not values or not all(isinstance(one, _SCALARS) for one in values):
            raise BadPattern("anything-but wants values")
        tests = [_rule(one) for one in values]
    return lambda value: value is not _MISSING and not any(test(value) for test in tests)


_RULES: Mapping[str, Callable[[Any], Test]] = {
    "prefix": lambda wanted: _affix(wanted, str.startswith),
    "suffix": lambda wanted: _affix(wanted, str.endswith),
    "equals-ignore-case": _ignoring_case,
    "wildcard": _wildcard,
    "exists": _exists,
    "numeric": _numeric,
    "cidr": _cidr,
    "anything-but": _anything_but,
}
