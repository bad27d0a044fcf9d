"""IAM's roles, as far as deployment tools need them: kept and shown, evaluated by nothing yet."""

import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lambent.faces.aws_iam_shapes import full_role, listed_role, quoted, tag_list
from lambent.faces.call import Call
from lambent.faces.errors import ServiceError
from lambent.model.errors import Conflict, Forbidden, InvalidParameter, NotFound, PlatformError, Unavailable
from lambent.model.role import Role
from lambent.store.roles import Roles

Members = dict[str, Any]

PAGE_ITEMS = 100
TAGS = 50
ATTACHED_POLICIES = 10
INLINE_CHARACTERS = 10_240
TRUST_CHARACTERS = 2048
TOO_MANY_TAGS = "The number of tags has reached the maximum limit."

_ID_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_POLICY_ARN = re.compile(r"arn:aws[a-zA-Z-]*:iam::(aws|\d{12}):policy/[\x21-\x7e]+")


class IamFace:
    """One method an operation; keys are the service model's member names."""

    errors: Mapping[type[PlatformError], str] = {
        NotFound: "NoSuchEntity",
        Conflict: "EntityAlreadyExists",
        InvalidParameter: "InvalidInput",
        Forbidden: "AccessDenied",
        Unavailable: "ServiceFailure",
    }

    def __init__(self, roles: Roles) -> None:
        self._roles = roles

    async def create_role(self, call: Call, given: Members) -> Members:
        role = Role(
            account=call.account,
            name=given["RoleName"],
            role_id="AROA" + "".join(secrets.choice(_ID_CHARACTERS) for _ in range(17)),
            trust_policy=_trust_policy(given["AssumeRolePolicyDocument"]),
            created_at=time.time(),
            path=given.get("Path", "/"),
            description=given.get("Description"),
            max_session_s=given.get("MaxSessionDuration", 3600),
            boundary=given.get("PermissionsBoundary"),
            tags=_tags(given.get("Tags", [])),
        )
        await self._roles.create(role)
        shape = full_role(role)
        del shape["RoleLastUsed"]
        return {"Role": shape}

    async def get_role(self, call: Call, given: Members) -> Members:
        return {"Role": full_role(self._roles.get(call.account, given["RoleName"]))}

    async def list_roles(self, call: Call, given: Members) -> Members:
        prefix, limit = given.get("PathPrefix", "/"), given.get("MaxItems", PAGE_ITEMS)
        found: list[Role] = []
        after = given.get("Marker", "")
        while len(found) <= limit:
            page = self._roles.list(call.account, after, limit + 1)
            found += [role for role in page if role.path.startswith(prefix)]
            if len(page) <= limit:
                break
            after = page[-1].name
        answer: Members = {"Roles": [listed_role(role) for role in found[:limit]], "IsTruncated": False}
        if len(found) > limit:
            answer |= {"IsTruncated": True, "Marker": found[limit - 1].name}
        return answer

    async def update_role(self, call: Call, given: Members) -> Members:
        def change(role: Role) -> Role:
            return replace(
                role,
                description=given.get("Description", role.description),
                max_session_s=given.get("MaxSessionDuration", role.max_session_s),
            )

        await self._roles.update(call.account, given["RoleName"], change)
        return {}

    async def update_assume_role_policy(self, call: Call, given: Members) -> Members:
        document = _trust_policy(given["PolicyDocument"])
        await self._roles.update(
            call.account, given["RoleName"], lambda role: replace(role, trust_policy=document)
        )
        return {}

    async def delete_role(self, call: Call, given: Members) -> Members:
        await self._roles.delete(call.account, given["RoleName"], _check_bare)
        return {}

    async def attach_role_policy(self, call: Call, given: Members) -> Members:
        arn = given["PolicyArn"]
        if not _POLICY_ARN.fullmatch(arn):
            raise InvalidParameter(f"ARN {arn} is not valid.")

        def change(role: Role) -> Role:
            attached = tuple(dict.fromkeys((*role.attached, arn)))
            if len(attached) > ATTACHED_POLICIES:
                raise _limit(f"Cannot exceed quota for PoliciesPerRole: {ATTACHED_POLICIES}")
            return replace(role, attached=attached)

        await self._roles.update(call.account, given["RoleName"], change)
        return {}

    async def detach_role_policy(self, call: Call, given: Members) -> Members:
        arn = given["PolicyArn"]

        def change(role: Role) -> Role:
            if arn not in role.attached:
                raise NotFound(f"Policy {arn} was not found.")
            return replace(role, attached=tuple(one for one in role.attached if one != arn))

        await self._roles.update(call.account, given["RoleName"], change)
        return {}

    async def list_attached_role_policies(self, call: Call, given: Members) -> Members:
        role = self._roles.get(call.account, given["RoleName"])
        prefix = given.get("PathPrefix", "/")
        policies = [
            {"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn}
            for arn in role.attached
            if arn.partition(":policy")[2].startswith(prefix)
        ]
        return {"AttachedPolicies": policies, "IsTruncated": False}

    async def put_role_policy(self, call: Call, given: Members) -> Members:
        name, document = given["PolicyName"], given["PolicyDocument"]
        _check_document(document, "Syntax errors in policy.")

        def change(role: Role) -> Role:
            inline = {**role.inline, name: document}
            if sum(len("".join(text.split())) for text in inline.values()) > INLINE_CHARACTERS:
                raise _limit(
                    f"Maximum policy size of {INLINE_CHARACTERS} bytes exceeded for role {role.name}"
                )
            return replace(role, inline=inline)

        await self._roles.update(call.account, given["RoleName"], change)
        return {}

    async def get_role_policy(self, call: Call, given: Members) -> Members:
        role, name = self._roles.get(call.account, given["RoleName"]), given["PolicyName"]
        if name not in role.inline:
            raise _no_policy(name)
        return {"RoleName": role.name, "PolicyName": name, "PolicyDocument": quoted(role.inline[name])}

    async def delete_role_policy(self, call: Call, given: Members) -> Members:
        name = given["PolicyName"]

        def change(role: Role) -> Role:
            if name not in role.inline:
                raise _no_policy(name)
            return replace(role, inline={n: text for n, text in role.inline.items() if n != name})

        await self._roles.update(call.account, given["RoleName"], change)
        return {}

    async def list_role_policies(self, call: Call, given: Members) -> Members:
        role = self._roles.get(call.account, given["RoleName"])
        return {"PolicyNames": sorted(role.inline), "IsTruncated": False}

    async def list_instance_profiles_for_role(self, call: Call, given: Members) -> Members:
        self._roles.get(call.account, given["RoleName"])
        return {"InstanceProfiles": [], "IsTruncated": False}

    async def tag_role(self, call: Call, given: Members) -> Members:
        added = _tags(given["Tags"])

        def change(role: Role) -> Role:
            tags = {**role.tags, **added}
            if len(tags) > TAGS:
                raise _limit(TOO_MANY_TAGS)
            return replace(role, tags=tags)

        await self._roles.update(call.account, given["RoleName"], change)
        return {}

    async def untag_role(self, call: Call, given: Members) -> Members:
        gone = set(given["TagKeys"])

        def change(role: Role) -> Role:
            return replace(role, tags={key: v for key, v in role.tags.items() if key not in gone})

        await self._roles.update(call.account, given["RoleName"], change)
        return {}

    async def list_role_tags(self, call: Call, given: Members) -> Members:
        role = self._roles.get(call.account, given["RoleName"])
        return {"Tags": tag_list(role), "IsTruncated": False}


def _tags(given: list[Members]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in given}


def _trust_policy(document: str) -> str:
    _check_document(document, "This policy contains invalid Json")
    if len("".join(document.split())) > TRUST_CHARACTERS:
        raise _limit(f"Cannot exceed quota for ACLSizePerRole: {TRUST_CHARACTERS}")
    return document


def _check_document(document: str, otherwise: str) -> None:
    try:
        parsed = json.loads(document)
    except ValueError:
        raise ServiceError("MalformedPolicyDocument", otherwise) from None
    if not isinstance(parsed, dict):
        raise ServiceError("MalformedPolicyDocument", otherwise)
    if not parsed.get("Statement"):
        raise ServiceError("MalformedPolicyDocument", "Missing required field Statement")


def _check_bare(role: Role) -> None:
    if role.attached:
        raise ServiceError("DeleteConflict", "Cannot delete entity, must detach all policies first.", 409)
    if role.inline:
        raise ServiceError("DeleteConflict", "Cannot delete entity, must delete policies first.", 409)


def _limit(message: str) -> ServiceError:
    return ServiceError("LimitExceeded", message, 409)


def _no_policy(name: str) -> NotFound:
    return NotFound(f"The role policy with name {name} cannot be found.")
