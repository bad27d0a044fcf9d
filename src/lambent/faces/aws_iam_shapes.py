"""Roles and policy documents as IAM shows them."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from lambent.model.role import Role

Members = dict[str, Any]


def listed_role(role: Role) -> Members:
    """A role in a list, without tags and boundary."""
    shape: Members = {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.role_id,
        "Arn": role.arn,
        "CreateDate": datetime.fromtimestamp(int(role.created_at), UTC),
        "AssumeRolePolicyDocument": quoted(role.trust_policy),
        "MaxSessionDuration": role.max_session_s,
    }
    if role.description is not None:
        shape["Description"] = role.description
    return shape


def full_role(role: Role) -> Members:
    """A role that was asked for by its name."""
    shape = {**listed_role(role), "RoleLastUsed": {}}
    if role.tags:
        shape["Tags"] = tag_list(role)
    if role.boundary is not None:
        shape["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": role.boundary,
        }
    return shape


def tag_list(role: Role) -> list[Members]:
    return [{"Key": key, "Value": value} for key, value in role.tags.items()]


def quoted(document: str) -> str:
    """IAM answers with policy documents percent-encoded."""
    return quote(document, safe="")
