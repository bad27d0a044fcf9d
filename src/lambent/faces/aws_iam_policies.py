"""IAM's operations on managed policies and their versions."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from lambent.faces.aws_iam_attachments import attachments
from lambent.faces.aws_iam_checks import (
    Members,
    characters,
    check_policy,
    delete_conflict,
    limit_exceeded,
    new_id,
    page,
    tagged,
    tags_of,
)
from lambent.faces.aws_iam_shapes import full_policy, listed_policy, quoted, tag_list, version_shape
from lambent.faces.call import Call
from lambent.faces.errors import ServiceError
from lambent.model.errors import NotFound
from lambent.model.user import ManagedPolicy, PolicyVersion
from lambent.store.authority import Authority
from lambent.store.directory import Directory
from lambent.store.managed_policies import aws_policies

MANY_VERSIONS = (
    "This policy has more than one version. Before you delete a policy, you must delete the policy's "
    "versions. The default version is deleted with the policy."
)
VERSIONS = 5
POLICY_CHARACTERS = 6144
TOO_MANY_VERSIONS = (
    f"A managed policy can have up to {VERSIONS} versions. Before you create a new version, you must delete "
    "an existing version."
)


Change = Callable[[ManagedPolicy], ManagedPolicy]


class PolicyOperations:
    """One method an operation; keys are the service model's member names."""

    directory: Directory
    authority: Authority

    async def create_policy(self, call: Call, given: Members) -> Members:
        now = time.time()
        policy = ManagedPolicy(
            account=call.account,
            name=given["PolicyName"],
            policy_id=new_id("ANPA"),
            created_at=now,
            updated_at=now,
            versions=(PolicyVersion(1, _checked(given["PolicyDocument"]), now),),
            path=given.get("Path", "/"),
            description=given.get("Description"),
            tags=tags_of(given.get("Tags", [])),
        )
        await self.directory.policies.create(policy)
        return {"Policy": full_policy(policy, 0)}

    async def get_policy(self, call: Call, given: Members) -> Members:
        policy = self._policy(call, given)
        used = Counter(attachments(self.directory, call.account))
        return {"Policy": full_policy(policy, used[policy.arn])}

    async def list_policies(self, call: Call, given: Members) -> Members:
        scope, used = given.get("Scope", "All"), Counter(attachments(self.directory, call.account))
        found = [] if scope == "AWS" else self.directory.policies.of(call.account)
        if scope != "Local":
            found = sorted([*found, *aws_policies().values()], key=lambda policy: policy.name)
        if given.get("OnlyAttached"):
            found = [policy for policy in found if used[policy.arn]]
        return page(given, "Policies", found, lambda policy: listed_policy(policy, used[policy.arn]))

    async def delete_policy(self, call: Call, given: Members) -> Members:
        policy = self._own(call, given)
        if policy.arn in attachments(self.directory, call.account):
            raise delete_conflict("Cannot delete a policy attached to entities.")

        def check(policy: ManagedPolicy) -> None:
            if len(policy.versions) > 1:
                raise delete_conflict(MANY_VERSIONS)

        await self.directory.policies.delete(call.account, policy.name, check)
        return {}

    async def create_policy_version(self, call: Call, given: Members) -> Members:
        document = _checked(given["PolicyDocument"])

        def change(policy: ManagedPolicy) -> ManagedPolicy:
            if len(policy.versions) >= VERSIONS:
                raise limit_exceeded(TOO_MANY_VERSIONS)
            now, number = time.time(), policy.last + 1
            versions = (*policy.versions, PolicyVersion(number, document, now))
            default = number if given.get("SetAsDefault") else policy.default
            return replace(policy, versions=versions, last=number, default=default, updated_at=now)

        policy = await self._revise(call, given, change)
        return {"PolicyVersion": version_shape(policy, policy.versions[-1])}

    async def get_policy_version(self, call: Call, given: Members) -> Members:
        policy = self._policy(call, given)
        version = _version(policy, given["VersionId"])
        return {"PolicyVersion": {"Document": quoted(version.document), **version_shape(policy, version)}}

    async def list_policy_versions(self, call: Call, given: Members) -> Members:
        policy = self._policy(call, given)
        versions = [version_shape(policy, version) for version in reversed(policy.versions)]
        return {"Versions": versions, "IsTruncated": False}

    async def set_default_policy_version(self, call: Call, given: Members) -> Members:
        def change(policy: ManagedPolicy) -> ManagedPolicy:
            number = _version(policy, given["VersionId"]).number
            return replace(policy, default=number, updated_at=time.time())

        await self._revise(call, given, change)
        return {}

    async def delete_policy_version(self, call: Call, given: Members) -> Members:
        def change(policy: ManagedPolicy) -> ManagedPolicy:
            gone = _version(policy, given["VersionId"])
            if gone.number == policy.default:
                raise delete_conflict("Cannot delete the default version of a policy.")
            return replace(policy, versions=tuple(one for one in policy.versions if one is not gone))

        await self._revise(call, given, change)
        return {}

    async def tag_policy(self, call: Call, given: Members) -> Members:
        added = tags_of(given["Tags"])
        await self._revise(call, given, lambda policy: replace(policy, tags=tagged(dict(policy.tags), added)))
        return {}

    async def untag_policy(self, call: Call, given: Members) -> Members:
        gone = set(given["TagKeys"])

        def change(policy: ManagedPolicy) -> ManagedPolicy:
            return replace(policy, tags={key: v for key, v in policy.tags.items() if key not in gone})

        await self._revise(call, given, change)
        return {}

    async def list_policy_tags(self, call: Call, given: Members) -> Members:
        return {"Tags": tag_list(self._policy(call, given).tags), "IsTruncated": False}

    def _policy(self, call: Call, given: Members) -> ManagedPolicy:
        policy = self.authority.managed(given["PolicyArn"])
        if policy is None or policy.account not in ("aws", call.account):
            raise NotFound(f"Policy {given['PolicyArn']} was not found.")
        return policy

    def _own(self, call: Call, given: Members) -> ManagedPolicy:
        policy = self._policy(call, given)
        if policy.account == "aws":
            text = f"Policy {policy.arn} is AWS's own: it cannot be changed."
            raise ServiceError("AccessDenied", text, 403)
        return policy

    async def _revise(self, call: Call, given: Members, change: Change) -> ManagedPolicy:
        return await self.directory.policies.update(call.account, self._own(call, given).name, change)


def _checked(document: str) -> str:
    if characters(check_policy(document)) > POLICY_CHARACTERS:
        raise limit_exceeded(f"Cannot exceed quota for PolicySize: {POLICY_CHARACTERS}")
    return document


def _version(policy: ManagedPolicy, version_id: str) -> PolicyVersion:
    for version in policy.versions:
        if f"v{version.number}" == version_id:
            return version
    text = f"Policy {policy.arn} version {version_id} does not exist or is not attachable."
    raise NotFound(text)
