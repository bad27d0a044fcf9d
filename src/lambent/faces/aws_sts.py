"""The security token service: who somebody is, and keys that expire."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from lambent.faces.call import Call
from lambent.faces.errors import ServiceError
from lambent.model.errors import PlatformError
from lambent.model.identity import Credential, Principal, PrincipalKind
from lambent.model.policy import BadPolicy, Effect, parse
from lambent.model.role import Role
from lambent.store.authority import Authority
from lambent.store.directory import Directory

Members = dict[str, Any]

ASSUME = "sts:AssumeRole"
SESSION_S = 3600
TOKEN_S = 12 * 3600
CHAINED_S = 3600  # the most that a role's session gives another one
TOO_LONG = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
CHAINED = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
BAD_CODE = "MultiFactorAuthentication failed with invalid MFA one time pass code."
REFUSED = ("Tags", "TransitiveTagKeys", "SourceIdentity", "ProvidedContexts")
SESSION_POLICIES = 10
PACKED_CHARACTERS = 2048
NOT_FOR_SESSIONS = "Cannot call GetSessionToken with session credentials"

Issue = Callable[[Principal, float], Credential]


class StsFace:
    """One method an operation; keys are the service model's member names. `issue` makes a session."""

    errors: Mapping[type[PlatformError], str] = {}

    def __init__(self, directory: Directory, authority: Authority, issue: Issue) -> None:
        self._directory = directory
        self._authority = authority
        self._issue = issue

    async def get_caller_identity(self, call: Call, input: Members) -> Members:
        principal = call.principal
        (user_id,) = self._authority.standing(principal).values["aws:userid"]
        return {"UserId": user_id, "Account": principal.account, "Arn": principal.arn}

    async def assume_role(self, call: Call, input: Members) -> Members:
        _check_refused(input)
        session, policy, arns = input["RoleSessionName"], _session_policy(input), self._session_arns(input)
        packed = _packed_percent(policy, arns)
        lifetime_s = input.get("DurationSeconds", SESSION_S)
        role = self._trusting_role(call, input)
        if lifetime_s > role.max_session_s:
            raise ServiceError("ValidationError", TOO_LONG)
        if call.principal.kind is PrincipalKind.ROLE and lifetime_s > CHAINED_S:
            raise ServiceError("ValidationError", CHAINED)
        principal = Principal(
            PrincipalKind.ROLE, role.account, role.name, session, policy=policy, policy_arns=arns
        )
        who = {"AssumedRoleId": f"{role.role_id}:{session}", "Arn": principal.arn}
        credentials = _shape(self._issue(principal, lifetime_s))
        return {"Credentials": credentials, "AssumedRoleUser": who, **packed}

    async def get_session_token(self, call: Call, input: Members) -> Members:
        if call.principal.kind is PrincipalKind.ROLE:
            raise ServiceError("AccessDenied", NOT_FOR_SESSIONS, 403)
        longest_s = SESSION_S if call.principal.kind is PrincipalKind.ROOT else TOKEN_S
        lifetime_s = input.get("DurationSeconds", longest_s)
        return {"Credentials": _shape(self._issue(call.principal, lifetime_s))}

    async def get_access_key_info(self, call: Call, input: Members) -> Members:
        user = self._directory.user_of_key(input["AccessKeyId"])
        return {"Account": user.account if user is not None else call.account}

    def _session_arns(self, input: Members) -> tuple[str, ...]:
        """The managed policies that limit the session; all have to be there."""
        arns = tuple(one["arn"] for one in input.get("PolicyArns", ()) if "arn" in one)
        if len(arns) > SESSION_POLICIES:
            raise ServiceError("ValidationError", f"PolicyArns has at most {SESSION_POLICIES} members.")
        for arn in arns:
            if self._authority.managed(arn) is None:
                raise ServiceError("MalformedPolicyDocument", f"Policy {arn} does not exist.")
        return arns

    def _trusting_role(self, call: Call, input: Members) -> Role:
        """The role, which must trust the caller; unless it names him, his own policies must allow it, too."""
        principal, arn, role = call.principal, input["RoleArn"], self._role(input["RoleArn"])
        denied = f"User: {principal.arn} is not authorized to perform: {ASSUME} on resource: {arn}"
        if role is None:
            raise ServiceError("AccessDenied", denied, 403)
        told = {"sts:externalid": "ExternalId", "sts:rolesessionname": "RoleSessionName"}
        context = {key: (input[member],) for key, member in told.items() if member in input}
        trust = parse(role.trust_policy, names_principals=True, has_resources=False)
        if self._authority.says(trust, principal, ASSUME, arn, context) in (Effect.SILENT, Effect.DENY):
            raise ServiceError("AccessDenied", denied, 403)
        if self._authority.refusal(principal, ASSUME, arn, role.account, trust, context):
            raise ServiceError("AccessDenied", denied, 403)
        return role

    def _role(self, arn: str) -> Role | None:
        parts = arn.split(":", 5)
        if len(parts) != 6 or not parts[5].startswith("role/"):
            return None
        role = self._directory.roles.find(parts[4], arn.rpartition("/")[2])
        return role if role is not None and role.arn == arn else None


def _session_policy(input: Members) -> str:
    document: str = input.get("Policy", "")
    try:
        parse(document) if document else None
    except BadPolicy as error:
        raise ServiceError("MalformedPolicyDocument", str(error)) from None
    return document


def _check_refused(input: Members) -> None:
    """What would change who the session is, or what it may do, and is not done here."""
    for name in REFUSED:
        if input.get(name):
            raise ServiceError("NotImplemented", f"{name} is not supported here; leave it out.", 501)
    if "SerialNumber" in input or "TokenCode" in input:  # nobody has a device here
        raise ServiceError("AccessDenied", BAD_CODE, 403)


def _packed_percent(policy: str, arns: tuple[str, ...]) -> dict[str, int]:
    """How much of the room for session policies is taken; nothing without one. Raises `ServiceError`."""
    size = len(policy) + sum(map(len, arns))
    percent = -(-100 * size // PACKED_CHARACTERS)
    if percent > 100:
        text = f"Packed policy consumes {percent}% of allotted space, please use smaller policy."
        raise ServiceError("PackedPolicyTooLarge", text)
    return {"PackedPolicySize": percent} if size else {}


def _shape(credential: Credential) -> Members:
    return {
        "AccessKeyId": credential.access_key,
        "SecretAccessKey": credential.secret_key,
        "SessionToken": credential.token,
        "Expiration": datetime.fromtimestamp(credential.expires_at or 0, UTC),
    }
