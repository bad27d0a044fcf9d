"""The authority: whether a principal may do something, by its own policies and those of the resource."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from lambent.model.errors import Forbidden
from lambent.model.identity import Principal, PrincipalKind
from lambent.model.names import role_arn
from lambent.model.patterns import Values
from lambent.model.policy import NOTHING, BadPolicy, Caller, Effect, Policy, Request, decide, parse
from lambent.model.user import ManagedPolicy
from lambent.store.directory import Directory
from lambent.store.managed_policies import aws_policies

DECISIONS_KEPT = 8192
NO_VALUES: Values = {}

IDENTITY, RESOURCE = "identity-based policy", "resource-based policy"
BOUNDARY, SESSION = "permissions boundary", "session policy"


@dataclass(frozen=True, slots=True)
class Standing:
    """A principal and all that its account says about it."""

    caller: Caller
    policies: tuple[Policy, ...] = ()
    limits: Mapping[str, Policy] = field(default_factory=dict)  # each must allow, too; by kind
    unlimited: bool = False  # what the account may, it may
    values: Values = field(default_factory=dict)  # condition keys

    def depends(self, action: str) -> bool:
        return any(one.depends(self.caller, action) for one in (*self.policies, *self.limits.values()))


class Authority:
    """Asked at every call of everybody but an account's root. Answers are kept until a policy changes."""

    def __init__(self, directory: Directory, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._clock = clock
        self._standings: dict[Principal, Standing] = {}
        # With the resource's policy, so that no other one gets its id while the decision is kept.
        self._decisions: dict[tuple[Principal, str, str, str, int], tuple[Policy, str]] = {}
        directory.on_change(self.forget)

    def forget(self) -> None:
        self._standings.clear()
        self._decisions.clear()

    def check(
        self,
        principal: Principal,
        action: str,
        resource: str,
        *,
        owner: str = "",
        policy: Policy = NOTHING,
        context: Values = NO_VALUES,
    ) -> None:
        """Raises `Forbidden` with AWS's words.

        `owner` is the account of the resource when it is not the caller's, `policy` the resource's own.
        """
        if reason := self.refusal(principal, action, resource, owner, policy, context):
            what = f"User: {principal.arn} is not authorized to perform: {action} on resource: {resource}"
            raise Forbidden(f"{what} {reason}")

    def refusal(
        self,
        principal: Principal,
        action: str,
        resource: str,
        owner: str = "",
        policy: Policy = NOTHING,
        context: Values = NO_VALUES,
    ) -> str:
        """Why not, in AWS's words; empty when it may."""
        key = (principal, action, resource, owner, id(policy))
        _, known = self._decisions.get(key, (policy, None))
        if known is not None:
            return known
        standing = self.standing(principal)
        varies = standing.depends(action) or policy.depends(standing.caller, action)
        values = {**self._moment(owner or principal.account), **standing.values, **context} if varies else {}
        request = Request(standing.caller, action, resource, values)
        reason = _refusal(standing, request, policy, owner in ("", principal.account))
        if not varies:
            if len(self._decisions) >= DECISIONS_KEPT:
                self._decisions.clear()
            self._decisions[key] = policy, reason
        return reason

    def says(
        self, policy: Policy, principal: Principal, action: str, resource: str, context: Values = NO_VALUES
    ) -> Effect:
        """What a resource's policy by itself says to a principal."""
        standing = self.standing(principal)
        values = {**self._moment(principal.account), **standing.values, **context}
        return decide([policy], Request(standing.caller, action, resource, values))

    def standing(self, principal: Principal) -> Standing:
        found = self._standings.get(principal)
        if found is None:
            if len(self._standings) >= DECISIONS_KEPT:
                self._standings.clear()
            found = self._standings[principal] = self._look_up(principal)
        return found

    def _look_up(self, principal: Principal) -> Standing:
        if principal.kind is PrincipalKind.ROOT:
            return _standing(principal, principal.arn, "Account", unlimited=True)
        if principal.kind is PrincipalKind.USER:
            return self._user(principal)
        if principal.kind is PrincipalKind.ROLE:
            return self._role(principal)
        return Standing(Caller())

    def _user(self, principal: Principal) -> Standing:
        user = self._directory.users.find(principal.account, principal.name)
        if user is None:
            return Standing(Caller(principal.account))
        groups = [self._directory.groups.find(user.account, name) for name in user.groups]
        held = [*self._held(user.attached, user.inline)]
        for group in groups:
            held += self._held(group.attached, group.inline) if group else ()
        values = {"aws:username": (user.name,), "aws:userid": (user.user_id,), **_tags(user.tags)}
        limits = self._limits(user.boundary, principal)
        return _standing(principal, user.arn, "User", tuple(held), limits, values)

    def _role(self, principal: Principal) -> Standing:
        """A role that IAM never had is its account's own; one that was deleted may nothing."""
        roles = self._directory.roles
        role = roles.find(principal.account, principal.name)
        if role is None:
            arn = role_arn(principal.account, principal.name)
            unlimited = not roles.was_deleted(principal.account, principal.name)
            limits = self._limits(None, principal)
            user_id = {"aws:userid": (f"AROA{principal.name.upper()}:{principal.session}",)}
            return _standing(principal, arn, "AssumedRole", (), limits, user_id, unlimited=unlimited)
        values: Values = {"aws:userid": (f"{role.role_id}:{principal.session}",), **_tags(role.tags)}
        held = tuple(self._held(role.attached, role.inline))
        limits = self._limits(role.boundary, principal)
        return _standing(principal, role.arn, "AssumedRole", held, limits, values)

    def _held(self, attached: Iterable[str], inline: Mapping[str, str]) -> Iterable[Policy]:
        for arn in attached:
            if managed := self.managed(arn):
                yield compiled(managed.document)
        for document in inline.values():
            yield compiled(document)

    def _limits(self, boundary: str | None, principal: Principal) -> dict[str, Policy]:
        limits = {}
        if boundary is not None:
            managed = self.managed(boundary)
            limits[BOUNDARY] = compiled(managed.document) if managed else NOTHING
        if principal.policy or principal.policy_arns:  # one of them is enough
            inline = {"": principal.policy} if principal.policy else {}
            session = self._held(principal.policy_arns, inline)
            limits[SESSION] = Policy(tuple(one for policy in session for one in policy.statements))
        return limits

    def managed(self, arn: str) -> ManagedPolicy | None:
        """A managed policy by its ARN: AWS's, or one of an account."""
        if (found := aws_policies().get(arn)) is not None:
            return found
        parts = arn.split(":", 5)
        policy = self._directory.policies.find(parts[4], arn.rpartition("/")[2]) if len(parts) == 6 else None
        return policy if policy is not None and policy.arn == arn else None

    def _moment(self, owner: str) -> dict[str, tuple[str, ...]]:
        now = self._clock()
        return {
            "aws:currenttime": (datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),),
            "aws:epochtime": (str(int(now)),),
            "aws:securetransport": ("false",),
            "aws:viaawsservice": ("false",),
            "aws:resourceaccount": (owner,),
        }


def _standing(
    principal: Principal,
    identity: str,
    kind: str,
    policies: tuple[Policy, ...] = (),
    limits: Mapping[str, Policy] | None = None,
    values: Values = NO_VALUES,
    *,
    unlimited: bool = False,
) -> Standing:
    known = {
        "aws:principalarn": (identity,),
        "aws:principalaccount": (principal.account,),
        "aws:principaltype": (kind,),
        "aws:userid": (principal.account,),
        **values,
    }
    caller = Caller(principal.account, frozenset((identity, principal.arn)))
    return Standing(caller, policies, limits or {}, unlimited, known)


def _tags(tags: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {f"aws:principaltag/{name.lower()}": (value,) for name, value in tags.items()}


def _refusal(standing: Standing, request: Request, policy: Policy, is_own: bool) -> str:
    """An explicit no of anybody wins; within an account one yes is enough, across accounts it takes both."""
    own = Effect.ALLOW if standing.unlimited else decide(standing.policies, request)
    theirs = decide([policy], request)
    limits = {name: decide([limit], request) for name, limit in standing.limits.items()}
    for name, effect in {IDENTITY: own, RESOURCE: theirs, **limits}.items():
        if effect is Effect.DENY:
            return f"with an explicit deny in {'an' if name == IDENTITY else 'a'} {name}"
    if not request.caller.account:  # nobody, who has no policies of its own
        return "" if theirs is Effect.ALLOW else _silence(RESOURCE, request.action)
    held_back = next((name for name, effect in limits.items() if effect is not Effect.ALLOW), "")
    if is_own:
        if theirs is Effect.ALLOW or (own is Effect.ALLOW and not held_back):
            return ""
        return _silence(IDENTITY if own is not Effect.ALLOW else held_back, request.action)
    if own is not Effect.ALLOW or held_back:
        return _silence(held_back or IDENTITY, request.action)
    return "" if theirs >= Effect.DELEGATED else _silence(RESOURCE, request.action)


def _silence(kind: str, action: str) -> str:
    return f"because no {kind} allows the {action} action"


@lru_cache(maxsize=1024)
def compiled(document: str) -> Policy:
    """A document that was checked when it was kept; one that an older version let in says nothing."""
    try:
        return parse(document)
    except BadPolicy:
        return NOTHING
