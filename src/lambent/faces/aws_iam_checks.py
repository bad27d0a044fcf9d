"""What IAM's operations have in common: checked documents, tags, ids, pages, and limits in its words."""

import secrets
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from lambent.faces.errors import ServiceError
from lambent.model.policy import BadPolicy, parse

Members = dict[str, Any]

PAGE_ITEMS = 100
TAGS = 50
TRUST_CHARACTERS = 2048
NO_JSON = "This policy contains invalid Json"
SYNTAX = "Syntax errors in policy."

_ID_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class Named(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def path(self) -> str: ...


N = TypeVar("N", bound=Named)


def new_id(prefix: str, length: int = 17) -> str:
    """AROA…, AIDA…, AGPA…, ANPA…, AKIA…"""
    return prefix + "".join(secrets.choice(_ID_CHARACTERS) for _ in range(length))


def tags_of(given: list[Members]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in given}


def tagged(tags: dict[str, str], added: dict[str, str]) -> dict[str, str]:
    together = {**tags, **added}
    if len(together) > TAGS:
        raise limit_exceeded("The number of tags has reached the maximum limit.")
    return together


def check_policy(document: str) -> str:
    """An identity policy. Raises MalformedPolicyDocument."""
    try:
        parse(document)
    except BadPolicy as error:
        raise ServiceError("MalformedPolicyDocument", str(error)) from None
    return document


def check_trust(document: str) -> str:
    """A role's trust policy. Raises MalformedPolicyDocument, LimitExceeded."""
    try:
        parse(document, names_principals=True, has_resources=False)
    except BadPolicy as error:
        text = str(error)
        raise ServiceError("MalformedPolicyDocument", NO_JSON if text == SYNTAX else text) from None
    if characters(document) > TRUST_CHARACTERS:
        raise limit_exceeded(f"Cannot exceed quota for ACLSizePerRole: {TRUST_CHARACTERS}")
    return document


def characters(document: str) -> int:
    """A document's length as IAM counts it, without white space."""
    return len("".join(document.split()))


def limit_exceeded(message: str) -> ServiceError:
    return ServiceError("LimitExceeded", message, 409)


def delete_conflict(message: str) -> ServiceError:
    return ServiceError("DeleteConflict", message, 409)


def page(given: Members, member: str, found: Iterable[N], shape: Callable[[N], Any]) -> Members:
    """One page of what is asked for, by PathPrefix, MaxItems and Marker."""
    prefix, limit, after = (
        given.get("PathPrefix", "/"),
        given.get("MaxItems", PAGE_ITEMS),
        given.get("Marker", ""),
    )
    wanted = [one for one in found if one.path.startswith(prefix) and one.name > after]
    answer: Members = {member: [shape(one) for one in wanted[:limit]], "IsTruncated": len(wanted) > limit}
    if len(wanted) > limit:
        answer["Marker"] = wanted[limit - 1].name
    return answer
