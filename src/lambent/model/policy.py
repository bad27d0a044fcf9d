"""A policy document: who may do what with which resource, parsed once and asked often."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import orjson

from lambent.model.conditions import Condition, UnknownOperator, condition
from lambent.model.patterns import Values, arn_like, completed, has_variables, like, like_with

CURRENT = "2012-10-17"
SYNTAX = "Syntax errors in policy."
VERSIONS = (CURRENT, "2008-10-17")
_STATEMENT_KEYS = frozenset(
    (
        "Sid",
        "Effect",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Principal",
        "NotPrincipal",
        "Condition",
    )
)
_ACTION = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9*?]+")
_ROOT = re.compile(r"arn:aws[a-zA-Z-]*:iam::(\d{12}):root")
_ACCOUNT = re.compile(r"\d{12}")


class BadPolicy(Exception):
    """A document that is none; the words are IAM's."""


class Effect(IntEnum):
    """What policies say to a request; of several statements the highest one counts."""

    SILENT = 0
    DELEGATED = 1  # to the account of the caller, whose own policies decide
    ALLOW = 2
    DENY = 3


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a resource's policy may name. `names` are the ARNs of the caller and of its role."""

    account: str = ""
    names: frozenset[str] = frozenset()
    service: str = ""  # s3.amazonaws.com

    @property
    def is_root(self) -> bool:
        return f"arn:aws:iam::{self.account}:root" in self.names


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants to do. `context` has the condition keys, in lower case, with their values."""

    caller: Caller
    action: str  # lambda:InvokeFunction
    resource: str  # an ARN, or * where the action has no resource
    context: Values


@dataclass(frozen=True, slots=True)
class Patterns:
    """What a statement says of actions, or of resources; `inverse` for NotAction and NotResource."""

    texts: tuple[str, ...]
    inverse: bool = False

    def name_action(self, action: str) -> bool:
        return any(like(text, action, any_case=True) for text in self.texts) != self.inverse

    def name_resource(self, resource: str, values: Values) -> bool:
        return any(_names_resource(text, resource, values) for text in self.texts) != self.inverse


def _names_resource(pattern: str, resource: str, values: Values) -> bool:
    if pattern == "*":
        return True
    if resource == "*" or not pattern.startswith("arn:"):
        return like_with(pattern, resource, values)
    return arn_like(completed(pattern), resource, values)


@dataclass(frozen=True, slots=True)
class Principals:
    """Whom a statement names."""

    everybody: bool = False
    arns: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    inverse: bool = False

    def effect(self, caller: Caller) -> Effect:
        """How far a statement that allows something allows it to this caller."""
        named = self._named(caller)
        if not self.inverse:
            return named
        return Effect.SILENT if named else Effect.ALLOW

    def _named(self, caller: Caller) -> Effect:
        if self.everybody or caller.names & self.arns or caller.service in self.services:
            return Effect.ALLOW
        if caller.account in self.accounts:
            return Effect.ALLOW if caller.is_root else Effect.DELEGATED
        return Effect.SILENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement; `principals` is None in a policy that belongs to whom it speaks of."""

    allows: bool
    actions: Patterns
    resources: Patterns | None = None  # None in a trust policy: the role itself
    principals: Principals | None = None
    conditions: tuple[Condition, ...] = ()

    @property
    def is_conditional(self) -> bool:
        """Whether more than caller, action and resource decides."""
        patterns = self.resources.texts if self.resources else ()
        return bool(self.conditions) or any(has_variables(text) for text in patterns)

    def concerns(self, caller: Caller, action: str) -> bool:
        """Whether it could say something to a request of this caller, depending on all else."""
        named = self.principals is None or self.principals.effect(caller) > Effect.SILENT
        return named and self.actions.name_action(action)

    def effect(self, request: Request) -> Effect:
        if not self.actions.name_action(request.action):
            return Effect.SILENT
        if self.resources and not self.resources.name_resource(request.resource, request.context):
            return Effect.SILENT
        named = self.principals.effect(request.caller) if self.principals else Effect.ALLOW
        if not named or not all(one.holds(request.context) for one in self.conditions):
            return Effect.SILENT
        return named if self.allows else Effect.DENY


@dataclass(frozen=True, slots=True)
class Policy:
    """A parsed document."""

    statements: tuple[Statement, ...]

    def depends(self, caller: Caller, action: str) -> bool:
        """Whether what it says may differ from one such request to the next."""
        return any(one.is_conditional and one.concerns(caller, action) for one in self.statements)

    @property
    def is_public(self) -> bool:
        """Whether it lets everybody do something without any condition."""
        return any(
            one.allows and not one.conditions and one.principals is not None and one.principals.everybody
            for one in self.statements
        )


NOTHING = Policy(())


def decide(policies: Iterable[Policy], request: Request) -> Effect:
    """What all of them together say."""
    return max(
        (statement.effect(request) for policy in policies for statement in policy.statements),
        default=Effect.SILENT,
    )


def parse(document: str, *, names_principals: bool = False, has_resources: bool = True) -> Policy:
    """A document as IAM takes it. Raises `BadPolicy` with IAM's words."""
    try:
        told = orjson.loads(document)
    except ValueError:
        raise BadPolicy(SYNTAX) from None
    if not isinstance(told, dict) or told.get("Version", CURRENT) not in VERSIONS:
        raise BadPolicy(SYNTAX)
    given = told.get("Statement")
    statements = [given] if isinstance(given, dict) else given
    if not statements:
        raise BadPolicy("Missing required field Statement")
    if not isinstance(statements, list) or not all(isinstance(one, dict) for one in statements):
        raise BadPolicy(SYNTAX)
    sids = [one["Sid"] for one in statements if one.get("Sid")]
    if len(set(map(str, sids))) < len(sids):
        raise BadPolicy("Statement IDs (SID) in a single policy must be unique.")
    return Policy(tuple(_statement(one, names_principals, has_resources) for one in statements))


def _statement(told: Mapping[str, Any], names_principals: bool, has_resources: bool) -> Statement:
    if told.keys() - _STATEMENT_KEYS:
        raise BadPolicy(SYNTAX)
    if "Effect" not in told:
        raise BadPolicy("Missing required field Effect")
    if told["Effect"] not in ("Allow", "Deny"):
        raise BadPolicy(SYNTAX)
    principals = None
    if names_principals:
        principals = _principals(told)
    elif "Principal" in told or "NotPrincipal" in told:
        raise BadPolicy("Policy document should not specify a principal.")
    return Statement(
        allows=told["Effect"] == "Allow",
        actions=_actions(told),
        resources=_resources(told, has_resources),
        principals=principals,
        conditions=tuple(_conditions(told.get("Condition", {}))),
    )


def _actions(told: Mapping[str, Any]) -> Patterns:
    inverse = "NotAction" in told
    if inverse and "Action" in told:
        raise BadPolicy(SYNTAX)
    texts = _texts(told.get("NotAction" if inverse else "Action", []))
    if not texts:
        raise BadPolicy("Policy statement must contain actions.")
    for text in texts:
        if text != "*" and not _ACTION.fullmatch(text):
            raise BadPolicy("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
    return Patterns(texts, inverse)


def _resources(told: Mapping[str, Any], wanted: bool) -> Patterns | None:
    inverse = "NotResource" in told
    given = told.get("NotResource" if inverse else "Resource")
    if not wanted:
        if given is not None:
            raise BadPolicy("Has prohibited field Resource")
        return None
    texts = _texts(given if given is not None else [])
    if not texts or (inverse and "Resource" in told):
        raise BadPolicy("Policy statement must contain resources.")
    for text in texts:
        if text != "*" and not text.startswith("arn:"):
            raise BadPolicy(f'Resource {text} must be in ARN format or "*".')
    return Patterns(texts, inverse)


def _principals(told: Mapping[str, Any]) -> Principals:
    inverse = "NotPrincipal" in told
    given = told.get("NotPrincipal" if inverse else "Principal")
    if given == "*":
        return Principals(everybody=True, inverse=inverse)
    if not isinstance(given, dict) or not given:
        raise BadPolicy("Missing required field Principal")
    names = _texts(given.get("AWS", []))
    accounts = {found[1] for name in names if (found := _ROOT.fullmatch(name))}
    accounts |= {name for name in names if _ACCOUNT.fullmatch(name)}
    return Principals(
        everybody="*" in names,
        arns=frozenset(name for name in names if name.startswith("arn:")),
        accounts=frozenset(accounts),
        services=frozenset(_texts(given.get("Service", []))),
        inverse=inverse,
    )


def _conditions(told: Any) -> Iterable[Condition]:
    if not isinstance(told, dict):
        raise BadPolicy(SYNTAX)
    for name, keys in told.items():
        if not isinstance(keys, dict):
            raise BadPolicy(SYNTAX)
        for key, wanted in keys.items():
            try:
                yield condition(name, key, _texts(wanted))
            except UnknownOperator:
                raise BadPolicy(f"Invalid Condition type : {name}.") from None


def _texts(given: Any) -> tuple[str, ...]:
    """One value or several, as texts. Raises `BadPolicy` for what is neither text, number nor flag."""
    values = given if isinstance(given, list) else [given]
    if not all(isinstance(value, str | int | float | bool) for value in values):
        raise BadPolicy(SYNTAX)
    return tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in values)
