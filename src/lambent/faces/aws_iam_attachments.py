"""IAM's operations on the policies that roles, users and groups have: attached, inline, and at most."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from lambent.faces.aws_iam_checks import Members, characters, check_policy, limit_exceeded
from lambent.faces.aws_iam_shapes import quoted
from lambent.faces.call import Call
from lambent.model.errors import InvalidParameter, NotFound
from lambent.store.authority import Authority
from lambent.store.directory import Directory
from lambent.store.entities import Entities
from lambent.store.managed_policies import AWS

ATTACHED_POLICIES = 10

_POLICY_ARN = re.compile(r"arn:aws[a-zA-Z-]*:iam::(aws|\d{12}):policy/[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Holder:
    """A kind of entity that has policies."""

    word: str  # Role
    inline_characters: int

    @property
    def member(self) -> str:
        return f"{self.word}Name"


ROLE, USER, GROUP = Holder("Role", 10_240), Holder("User", 2048), Holder("Group", 5120)


class AttachmentOperations:
    """The same operations for each kind of holder; keys are the service model's member names."""

    directory: Directory
    authority: Authority

    async def attach_role_policy(self, call: Call, given: Members) -> Members:
        return await self._attach(ROLE, call, given)

    async def attach_user_policy(self, call: Call, given: Members) -> Members:
        return await self._attach(USER, call, given)

    async def attach_group_policy(self, call: Call, given: Members) -> Members:
        return await self._attach(GROUP, call, given)

    async def detach_role_policy(self, call: Call, given: Members) -> Members:
        return await self._detach(ROLE, call, given)

    async def detach_user_policy(self, call: Call, given: Members) -> Members:
        return await self._detach(USER, call, given)

    async def detach_group_policy(self, call: Call, given: Members) -> Members:
        return await self._detach(GROUP, call, given)

    async def list_attached_role_policies(self, call: Call, given: Members) -> Members:
        return self._attached(ROLE, call, given)

    async def list_attached_user_policies(self, call: Call, given: Members) -> Members:
        return self._attached(USER, call, given)

    async def list_attached_group_policies(self, call: Call, given: Members) -> Members:
        return self._attached(GROUP, call, given)

    async def put_role_policy(self, call: Call, given: Members) -> Members:
        return await self._put(ROLE, call, given)

    async def put_user_policy(self, call: Call, given: Members) -> Members:
        return await self._put(USER, call, given)

    async def put_group_policy(self, call: Call, given: Members) -> Members:
        return await self._put(GROUP, call, given)

    async def get_role_policy(self, call: Call, given: Members) -> Members:
        return self._inline(ROLE, call, given)

    async def get_user_policy(self, call: Call, given: Members) -> Members:
        return self._inline(USER, call, given)

    async def get_group_policy(self, call: Call, given: Members) -> Members:
        return self._inline(GROUP, call, given)

    async def delete_role_policy(self, call: Call, given: Members) -> Members:
        return await self._delete(ROLE, call, given)

    async def delete_user_policy(self, call: Call, given: Members) -> Members:
        return await self._delete(USER, call, given)

    async def delete_group_policy(self, call: Call, given: Members) -> Members:
        return await self._delete(GROUP, call, given)

    async def list_role_policies(self, call: Call, given: Members) -> Members:
        return self._names(ROLE, call, given)

    async def list_user_policies(self, call: Call, given: Members) -> Members:
        return self._names(USER, call, given)

    async def list_group_policies(self, call: Call, given: Members) -> Members:
        return self._names(GROUP, call, given)

    async def put_role_permissions_boundary(self, call: Call, given: Members) -> Members:
        return await self._limit(ROLE, call, given, self._known(call, given["PermissionsBoundary"]))

    async def put_user_permissions_boundary(self, call: Call, given: Members) -> Members:
        return await self._limit(USER, call, given, self._known(call, given["PermissionsBoundary"]))

    async def delete_role_permissions_boundary(self, call: Call, given: Members) -> Members:
        return await self._limit(ROLE, call, given, None)

    async def delete_user_permissions_boundary(self, call: Call, given: Members) -> Members:
        return await self._limit(USER, call, given, None)

    async def list_entities_for_policy(self, call: Call, given: Members) -> Members:
        arn = self._known(call, given["PolicyArn"])
        holders = {
            holder: [
                {holder.member: one.name, f"{holder.word}Id": getattr(one, f"{holder.word.lower()}_id")}
                for one in self._entities(holder).of(call.account)
                if arn in one.attached
            ]
            for holder in (GROUP, USER, ROLE)
            if given.get("EntityFilter", holder.word) == holder.word
        }
        return {
            **{f"Policy{holder.word}s": found for holder, found in holders.items()},
            "IsTruncated": False,
        }

    async def _attach(self, holder: Holder, call: Call, given: Members) -> Members:
        arn = self._known(call, given["PolicyArn"])

        def change(one: Any) -> Any:
            attached = tuple(dict.fromkeys((*one.attached, arn)))
            if len(attached) > ATTACHED_POLICIES:
                quota = f"PoliciesPer{holder.word}"
                raise limit_exceeded(f"Cannot exceed quota for {quota}: {ATTACHED_POLICIES}")
            return replace(one, attached=attached)

        return await self._change(holder, call, given, change)

    async def _detach(self, holder: Holder, call: Call, given: Members) -> Members:
        arn = given["PolicyArn"]

        def change(one: Any) -> Any:
            if arn not in one.attached:
                raise NotFound(f"Policy {arn} was not found.")
            return replace(one, attached=tuple(name for name in one.attached if name != arn))

        return await self._change(holder, call, given, change)

    def _attached(self, holder: Holder, call: Call, given: Members) -> Members:
        prefix = given.get("PathPrefix", "/")
        policies = [
            {"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn}
            for arn in self._holder(holder, call, given).attached
            if arn.partition(":policy")[2].startswith(prefix)
        ]
        return {"AttachedPolicies": policies, "IsTruncated": False}

    async def _put(self, holder: Holder, call: Call, given: Members) -> Members:
        name, document = given["PolicyName"], check_policy(given["PolicyDocument"])
        most = holder.inline_characters

        def change(one: Any) -> Any:
            inline = {**one.inline, name: document}
            if sum(map(characters, inline.values())) > most:
                whose = f"{holder.word.lower()} {one.name}"
                raise limit_exceeded(f"Maximum policy size of {most} bytes exceeded for {whose}")
            return replace(one, inline=inline)

        return await self._change(holder, call, given, change)

    def _inline(self, holder: Holder, call: Call, given: Members) -> Members:
        one, name = self._holder(holder, call, given), given["PolicyName"]
        if name not in one.inline:
            raise _no_policy(holder, name)
        return {holder.member: one.name, "PolicyName": name, "PolicyDocument": quoted(one.inline[name])}

    async def _delete(self, holder: Holder, call: Call, given: Members) -> Members:
        name = given["PolicyName"]

        def change(one: Any) -> Any:
            if name not in one.inline:
                raise _no_policy(holder, name)
            return replace(one, inline={n: text for n, text in one.inline.items() if n != name})

        return await self._change(holder, call, given, change)

    def _names(self, holder: Holder, call: Call, given: Members) -> Members:
        return {"PolicyNames": sorted(self._holder(holder, call, given).inline), "IsTruncated": False}

    async def _limit(self, holder: Holder, call: Call, given: Members, boundary: str | None) -> Members:
        return await self._change(holder, call, given, lambda one: replace(one, boundary=boundary))

    async def _change(self, holder: Holder, call: Call, given: Members, change: Any) -> Members:
        await self._entities(holder).update(call.account, given[holder.member], change)
        return {}

    def _holder(self, holder: Holder, call: Call, given: Members) -> Any:
        return self._entities(holder).get(call.account, given[holder.member])

    def _entities(self, holder: Holder) -> Entities[Any]:
        directory = self.directory
        known: dict[Holder, Entities[Any]] = {
            ROLE: directory.roles,
            USER: directory.users,
            GROUP: directory.groups,
        }
        return known[holder]

    def _known(self, call: Call, arn: str) -> str:
        """AWS's policies are more than this node has documents of; those others allow nothing here."""
        if not _POLICY_ARN.fullmatch(arn):
            raise InvalidParameter(f"ARN {arn} is not valid.")
        policy = self.authority.managed(arn)
        if not arn.startswith(AWS) and (policy is None or policy.account != call.account):
            raise NotFound(f"Policy {arn} does not exist or is not attachable.")
        return arn


def attachments(directory: Directory, account: str) -> Iterator[str]:
    """The ARN of a policy once for each that it is attached to."""
    for entities in (directory.roles, directory.users, directory.groups):
        for one in entities.of(account):
            yield from one.attached


def _no_policy(holder: Holder, name: str) -> NotFound:
    return NotFound(f"The {holder.word.lower()} policy with name {name} cannot be found.")
