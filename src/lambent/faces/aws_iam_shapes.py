"""Roles, users, groups and policies as IAM shows them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from lambent.model.role import Role
from lambent.model.user import AccessKey, Group, ManagedPolicy, PolicyVersion, User

Members = dict[str, Any]


def listed_role(role: Role) -> Members:
    """A role in a list, without tags and boundary."""
    shape: Members = {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.role_id,
        "Arn": role.arn,
        "CreateDate": moment(role.created_at),
        "AssumeRolePolicyDocument": quoted(role.trust_policy),
        "MaxSessionDuration": role.max_session_s,
    }
    if role.description is not None:
        shape["Description"] = role.description
    return shape


def full_role(role: Role) -> Members:
    """A role that was asked for by its name."""
    return {**listed_role(role), "RoleLastUsed": {}, **_extras(role)}


def listed_user(user: User) -> Members:
    return {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.user_id,
        "Arn": user.arn,
        "CreateDate": moment(user.created_at),
    }


def full_user(user: User) -> Members:
    return {**listed_user(user), **_extras(user)}


def group_shape(group: Group) -> Members:
    return {
        "Path": group.path,
        "GroupName": group.name,
        "GroupId": group.group_id,
        "Arn": group.arn,
        "CreateDate": moment(group.created_at),
    }


def key_shape(key: AccessKey) -> Members:
    return {
        "UserName": key.user,
        "AccessKeyId": key.name,
        "Status": "Active" if key.active else "Inactive",
        "CreateDate": moment(key.created_at),
    }


def listed_policy(policy: ManagedPolicy, attachments: int) -> Members:
    """A managed policy in a list, without description and tags."""
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.policy_id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": f"v{policy.default}",
        "AttachmentCount": attachments,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": moment(policy.created_at),
        "UpdateDate": moment(policy.updated_at),
    }


def full_policy(policy: ManagedPolicy, attachments: int) -> Members:
    shape = listed_policy(policy, attachments) | {"Tags": tag_list(policy.tags)}
    if policy.description is not None:
        shape["Description"] = policy.description
    return shape


def version_shape(policy: ManagedPolicy, version: PolicyVersion) -> Members:
    return {
        "VersionId": f"v{version.number}",
        "IsDefaultVersion": version.number == policy.default,
        "CreateDate": moment(version.created_at),
    }


def _extras(one: Role | User) -> Members:
    shape: Members = {}
    if one.tags:
        shape["Tags"] = tag_list(one.tags)
    if one.boundary is not None:
        shape["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": one.boundary,
        }
    return shape


def tag_list(tags: Mapping[str, str]) -> list[Members]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def quoted(document: str) -> str:
    """IAM answers with policy documents percent-encoded."""
    return quote(document, safe="")
