"""The conditions of a policy's statement: IAM's operators as a table, and how values meet them."""

import base64
import binascii
import ipaddress
import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from lambent.model.patterns import Values, arn_like, has_variables, like_with, substitute

Compare = Callable[[str, str, Values], bool]  # what the policy says, what the request says

ANY, ALL = "foranyvalue", "forallvalues"


def _literal(compare: Callable[[str, str], bool]) -> Compare:
    def test(wanted: str, value: str, values: Values) -> bool:
        plain = substitute(wanted, values) if has_variables(wanted) else wanted
        return plain is not None and compare(plain, value)

    return test


def _parsed(parse: Callable[[str], float], compare: Callable[[float, float], bool]) -> Compare:
    def test(wanted: str, value: str, values: Values) -> bool:
        try:
            return compare(parse(value), parse(wanted))
        except (ValueError, OverflowError):
            return False

    return test


def _seconds(text: str) -> float:
    """An ISO 8601 date, or seconds since the epoch."""
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _is_within(wanted: str, value: str, values: Values) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False


def _same_bytes(wanted: str, value: str) -> bool:
    try:
        return base64.b64decode(wanted, validate=True) == base64.b64decode(value, validate=True)
    except binascii.Error:
        return False


def _same_arn(wanted: str, value: str, values: Values) -> bool:
    return arn_like(wanted, value, values)


_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "equals": operator.eq,
    "lessthan": operator.lt,
    "lessthanequals": operator.le,
    "greaterthan": operator.gt,
    "greaterthanequals": operator.ge,
}
_POSITIVE: dict[str, Compare] = {
    "stringequals": _literal(operator.eq),
    "stringequalsignorecase": _literal(lambda wanted, value: wanted.casefold() == value.casefold()),
    "stringlike": like_with,
    "arnequals": _same_arn,
    "arnlike": _same_arn,
    "bool": _literal(lambda wanted, value: wanted.lower() == value.lower()),
    "binaryequals": _literal(_same_bytes),
    "ipaddress": _is_within,
    **{f"numeric{name}": _parsed(float, compare) for name, compare in _ORDERS.items()},
    **{f"date{name}": _parsed(_seconds, compare) for name, compare in _ORDERS.items()},
}
_NEGATIVE = {
    "stringnotequals": "stringequals",
    "stringnotequalsignorecase": "stringequalsignorecase",
    "stringnotlike": "stringlike",
    "arnnotequals": "arnequals",
    "arnnotlike": "arnlike",
    "notipaddress": "ipaddress",
    "numericnotequals": "numericequals",
    "datenotequals": "dateequals",
}


class UnknownOperator(ValueError):
    """A condition operator that IAM does not have."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One key of one operator: `wanted` are alternatives. `compare` is None for the operator Null."""

    key: str  # in lower case
    wanted: tuple[str, ...]
    compare: Compare | None
    negated: bool = False
    if_exists: bool = False
    over: str = ""  # ANY or ALL of a request's values; "" where it can have only one

    def holds(self, values: Values) -> bool:
        found = values.get(self.key, ())
        if self.compare is None:
            return any((want.lower() == "true") == (not found) for want in self.wanted)
        if not found:
            return self.over == ALL or (not self.over and (self.negated or self.if_exists))
        verdicts = (self._meets(value, values) for value in found)
        return any(verdicts) if self.over == ANY else all(verdicts)

    def _meets(self, value: str, values: Values) -> bool:
        compare = self.compare
        assert compare is not None
        return any(compare(want, value, values) for want in self.wanted) != self.negated


def condition(name: str, key: str, wanted: tuple[str, ...]) -> Condition:
    """A condition from its operator's name (`ForAnyValue:StringLikeIfExists`). Raises `UnknownOperator`."""
    text = name.lower()
    over, _, rest = text.rpartition(":")
    bare = rest.removesuffix("ifexists")
    if bare == "null" and not over and bare == rest:
        return Condition(key.lower(), wanted, None)
    compare = _POSITIVE.get(_NEGATIVE.get(bare, bare))
    if compare is None or over not in ("", ANY, ALL):
        raise UnknownOperator(name)
    return Condition(key.lower(), wanted, compare, bare in _NEGATIVE, bare != rest, over)
