"""IAM's patterns: * and ? in texts and ARNs, and the variables that policies may hold."""

import re
from collections.abc import Mapping
from functools import lru_cache

ARN_PARTS = 6

_PIECES = re.compile(r"\$\{([^}]*)\}|\*|\?|[^*?$]+|\$", re.DOTALL)
_COLON = re.compile(r":(?![^${}]*\})")  # but not one inside of ${aws:username}
_LITERALS = {"*", "?", "$"}  # ${*} is a star that stands for itself

Values = Mapping[str, tuple[str, ...]]  # by key in lower case


def has_variables(pattern: str) -> bool:
    return "${" in pattern


def like(pattern: str, text: str, *, any_case: bool = False) -> bool:
    """Whether the whole text fits; a pattern without variables."""
    return _compiled(pattern, any_case).fullmatch(text) is not None


def like_with(pattern: str, text: str, values: Values) -> bool:
    """The same with variables; one that has no value fits nothing."""
    if not has_variables(pattern):
        return like(pattern, text)
    regex = _translate(pattern, values)
    return regex is not None and re.fullmatch(regex, text, re.DOTALL) is not None


def arn_like(pattern: str, arn: str, values: Values | None = None) -> bool:
    """IAM's ArnLike: each of the six parts by itself."""
    if pattern == "*":
        return True
    patterns, parts = split_arn(pattern), arn.split(":", ARN_PARTS - 1)
    known = values or {}
    return len(patterns) == len(parts) and all(
        like_with(p, text, known) for p, text in zip(patterns, parts, strict=True)
    )


@lru_cache(4096)
def split_arn(pattern: str) -> tuple[str, ...]:
    return tuple(_COLON.split(pattern, ARN_PARTS - 1))


@lru_cache(4096)
def completed(pattern: str) -> str:
    """A resource's pattern with all six parts: what is not named is all the same."""
    return pattern + ":*" * (ARN_PARTS - len(split_arn(pattern)))


def substitute(text: str, values: Values) -> str | None:
    """The text with its variables replaced; None when one has no value."""
    missing: list[str] = []

    def replace(found: re.Match[str]) -> str:
        value = _value(found[1], values)
        if value is None:
            missing.append(found[1])
        return value or ""

    replaced = re.sub(r"\$\{([^}]*)\}", replace, text)
    return None if missing else replaced


def _value(variable: str, values: Values) -> str | None:
    """`aws:username`, or `aws:PrincipalTag/team, 'none'` with what stands in for a value."""
    if variable in _LITERALS:
        return variable
    name, _, default = variable.partition(",")
    found = values.get(name.strip().lower(), ())
    if len(found) == 1:
        return found[0]
    default = default.strip()
    return default[1:-1] if len(default) > 1 and default[0] == default[-1] == "'" else None


@lru_cache(4096)
def _compiled(pattern: str, any_case: bool) -> re.Pattern[str]:
    regex = _translate(pattern, None)
    return re.compile(regex or "", re.DOTALL | (re.IGNORECASE if any_case else 0))


def _translate(pattern: str, values: Values | None) -> str | None:
    """Each text between two stars is an atomic group, so that no pattern takes more than n·m steps."""
    parts = [""]
    for piece in _PIECES.finditer(pattern):
        text, variable = piece[0], piece[1]
        if text == "*":
            parts.append("")
        elif text == "?":
            parts[-1] += "."
        elif variable is not None and values is not None:
            value = _value(variable, values)
            if value is None:
                return None
            parts[-1] += re.escape(value)
        else:
            parts[-1] += re.escape(text)
    if len(parts) == 1:
        return parts[0]
    first, *middle, last = parts
    return first + "".join(f"(?>.*?{part})" for part in middle if part) + ".*" + last
