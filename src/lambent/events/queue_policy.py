"""Whether a queue's policy lets a service or another account do something to it."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from lambent.model.permission import arn_like
from lambent.model.queue import MessageQueue

Context = Mapping[str, str]  # condition keys in lower case


def allows_service(
    queue: MessageQueue, service: str, action: str, *, source_arn: str, source_account: str
) -> bool:
    """Whether a service may do `action` on behalf of that resource of that account."""
    context = {
        "aws:sourcearn": source_arn,
        "aws:sourceaccount": source_account,
        "aws:securetransport": "true",  # a service's delivery leaves the node nowhere
    }
    return _allows(queue, "Service", (service,), action, context)


def allows_account(queue: MessageQueue, account: str, principal_arn: str, action: str) -> bool:
    """Whether callers of another account may do `action`."""
    names = (account, f"arn:aws:iam::{account}:root", principal_arn)
    context = {"aws:principalaccount": account, "aws:principalarn": principal_arn}
    return _allows(queue, "AWS", names, action, context)


def _allows(queue: MessageQueue, kind: str, names: tuple[str, ...], action: str, context: Context) -> bool:
    matching = {
        statement.get("Effect")
        for statement in _statements(queue.policy)
        if _names_principal(statement.get("Principal"), kind, names)
        and any(_glob(pattern, action) for pattern in _list(statement.get("Action")))
        and any(_is_resource(pattern, queue.key.arn) for pattern in _list(statement.get("Resource")))
        and _meets(statement.get("Condition", {}), context, unknown=statement.get("Effect") == "Deny")
    }
    return "Allow" in matching and "Deny" not in matching


@lru_cache(maxsize=256)
def _statements(policy: str) -> list[dict[str, Any]]:
    told = orjson.loads(policy) if policy else {}
    return [one for one in _list(told.get("Statement")) if isinstance(one, dict)]


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _names_principal(told: Any, kind: str, names: tuple[str, ...]) -> bool:
    if told == "*":
        return True
    allowed = _list(told.get(kind)) if isinstance(told, dict) else []
    return any(name in ("*", *names) for name in allowed)


def _is_resource(pattern: Any, arn: str) -> bool:
    return pattern == "*" or arn_like(str(pattern), arn)


def _glob(pattern: Any, text: str) -> bool:
    escaped = re.escape(str(pattern)).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(escaped, text, re.IGNORECASE) is not None


def _meets(conditions: Any, context: Context, *, unknown: bool) -> bool:
    """Every condition; one that is not known here counts as `unknown`: in doubt nothing is allowed."""
    if not isinstance(conditions, dict):
        return unknown
    return all(
        _holds(str(operator), str(key).lower(), _list(wanted), context, unknown)
        for operator, pairs in conditions.items()
        for key, wanted in (pairs.items() if isinstance(pairs, dict) else [("", None)])
    )


def _holds(operator: str, key: str, wanted: list[Any], context: Context, unknown: bool) -> bool:
    value = context.get(key)
    if value is None:
        return operator.endswith("IfExists")
    match operator.removesuffix("IfExists"):
        case "StringEquals":
            return value in wanted
        case "StringLike":
            return any(_glob(pattern, value) for pattern in wanted)
        case "ArnLike" | "ArnEquals":
            return any(arn_like(str(pattern), value) for pattern in wanted)
        case "Bool":
            return any(str(flag).lower() == value for flag in wanted)
        case _:
            return unknown
