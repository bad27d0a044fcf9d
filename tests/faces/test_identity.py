"""Users, groups, policies, keys and sessions, as boto3 sees them, on an edge that is guarded."""

import asyncio
import functools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lambent.faces.aws_iam import IamFace
from lambent.faces.aws_sts import StsFace
from lambent.faces.codec import Codec
from lambent.faces.guard import Guard
from lambent.faces.router import Router
from lambent.faces.server import Server
from lambent.faces.signature import Verifier
from lambent.model.identity import Credential, Principal, PrincipalKind
from lambent.store.authority import Authority
from lambent.store.credentials import Credentials
from lambent.store.directory import Directory
from lambent.store.functions import Functions
from lambent.store.policies import Policies
from lambent.store.sqlite import Sqlite

ACCOUNT, OTHER = "111122223333", "444455556666"
READ_ONLY = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"


@functools.cache
def codec(service: str) -> Codec:
    return Codec(service)


@functools.cache
def session() -> boto3.Session:
    return boto3.Session()


class Edge:
    """IAM and STS over loopback; calls run in threads, as the server is on the test's own loop."""

    def __init__(self, url: str) -> None:
        self.url = url

    def client(
        self, service: str = "iam", key: str = ACCOUNT, secret: str = "secret", token: str = ""
    ) -> Any:
        return session().client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token or None,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def with_keys(self, service: str, keys: dict[str, str]) -> Any:
        """A client with what CreateAccessKey or AssumeRole gave."""
        token = keys.get("SessionToken", "")
        return self.client(service, keys["AccessKeyId"], keys["SecretAccessKey"], token)


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Edge]:
    store = await Sqlite.open(tmp_path / "state.db", fsync=False)
    directory = Directory(store)
    roots = [
        Credential(account, "secret", Principal(PrincipalKind.ROOT, account)) for account in (ACCOUNT, OTHER)
    ]
    credentials = Credentials(roots, b"the node's", find_user=directory.user_of_key)
    authority = Authority(directory)
    guard = Guard(authority, Policies(store, Functions(store)), directory)
    router = Router(Verifier(credentials), guard.check)
    router.add_service(codec("iam"), IamFace(directory, authority, credentials.secret_of))
    router.add_service(codec("sts"), StsFace(directory, authority, credentials.session))
    server = Server(router)
    host, port = await server.listen(("127.0.0.1", 0))
    yield Edge(f"http://{host}:{port}")
    await server.close(0)
    await store.close()


async def ask(operation: Any, **given: Any) -> Any:
    return await asyncio.to_thread(operation, **given)


async def refusal(operation: Any, **given: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        await ask(operation, **given)
    response: Any = caught.value.response
    error = response["Error"]
    return response["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error["Message"]


def document(action: Any = "iam:ListUsers", effect: str = "Allow", **more: Any) -> str:
    statement = {"Effect": effect, "Action": action, "Resource": "*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(principal: Any, **more: Any) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


async def new_user(edge: Edge, name: str = "ann") -> dict[str, str]:
    """A user's keys."""
    root = edge.client()
    await ask(root.create_user, UserName=name)
    keys: dict[str, str] = (await ask(root.create_access_key, UserName=name))["AccessKey"]
    return keys


async def test_a_user_comes_and_goes(edge: Edge) -> None:
    root = edge.client()
    made = (await ask(root.create_user, UserName="ann", Path="/x/", Tags=[{"Key": "a", "Value": "b"}]))[
        "User"
    ]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/x/ann"
    assert made["UserId"].startswith("AIDA")
    assert (await ask(root.get_user, UserName="ann"))["User"] == made
    assert await refusal(root.create_user, UserName="ann") == (
        409,
        "EntityAlreadyExists",
        "User with name ann already exists.",
    )
    await ask(root.tag_user, UserName="ann", Tags=[{"Key": "c", "Value": "d"}])
    await ask(root.untag_user, UserName="ann", TagKeys=["a"])
    assert (await ask(root.list_user_tags, UserName="ann"))["Tags"] == [{"Key": "c", "Value": "d"}]
    await ask(root.update_user, UserName="ann", NewPath="/y/")
    (listed,) = (await ask(root.list_users, PathPrefix="/y/"))["Users"]
    assert listed["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/y/ann"
    await ask(root.delete_user, UserName="ann")
    missing = (404, "NoSuchEntity", "The user with name ann cannot be found.")
    assert await refusal(root.get_user, UserName="ann") == missing
    assert (await ask(root.get_user))["User"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


async def test_a_user_must_be_bare_to_be_deleted(edge: Edge) -> None:
    await new_user(edge)
    root = edge.client()
    await ask(root.create_group, GroupName="g")
    await ask(root.add_user_to_group, GroupName="g", UserName="ann")
    await ask(root.attach_user_policy, UserName="ann", PolicyArn=READ_ONLY)
    await ask(root.put_user_policy, UserName="ann", PolicyName="p", PolicyDocument=document())
    told = []

    async def why() -> None:
        told.append((await refusal(root.delete_user, UserName="ann"))[1:])

    await why()
    assert (await refusal(root.delete_group, GroupName="g"))[1] == "DeleteConflict"
    await ask(root.remove_user_from_group, GroupName="g", UserName="ann")
    await why()
    await ask(root.detach_user_policy, UserName="ann", PolicyArn=READ_ONLY)
    await why()
    await ask(root.delete_user_policy, UserName="ann", PolicyName="p")
    await why()
    assert [text.removeprefix("Cannot delete entity, must ") for _, text in told] == [
        "remove users from group first.",
        "detach all policies first.",
        "delete policies first.",
        "delete access keys first.",
    ]
    assert {code for code, _ in told} == {"DeleteConflict"}
    (key,) = (await ask(root.list_access_keys, UserName="ann"))["AccessKeyMetadata"]
    await ask(root.delete_access_key, UserName="ann", AccessKeyId=key["AccessKeyId"])
    await ask(root.delete_user, UserName="ann")
    await ask(root.delete_group, GroupName="g")


async def test_a_key_opens_until_it_is_taken_away(edge: Edge) -> None:
    keys = await new_user(edge)
    root, ann = edge.client(), edge.with_keys("sts", keys)
    assert keys["AccessKeyId"].startswith("AKIA")
    assert (len(keys["AccessKeyId"]), len(keys["SecretAccessKey"]), keys["Status"]) == (20, 40, "Active")
    who = await ask(ann.get_caller_identity)
    assert (who["Account"], who["Arn"]) == (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/ann")
    assert who["UserId"].startswith("AIDA")
    wrong = edge.client("sts", keys["AccessKeyId"], "wrong")
    assert (await refusal(wrong.get_caller_identity))[1] == "SignatureDoesNotMatch"
    first = keys["AccessKeyId"]
    second = (await ask(root.create_access_key, UserName="ann"))["AccessKey"]
    assert second["SecretAccessKey"] != keys["SecretAccessKey"]
    assert await refusal(root.create_access_key, UserName="ann") == (
        409,
        "LimitExceeded",
        "Cannot exceed quota for AccessKeysPerUser: 2",
    )
    await ask(root.update_access_key, UserName="ann", AccessKeyId=first, Status="Inactive")
    assert (await refusal(ann.get_caller_identity))[:2] == (403, "InvalidClientTokenId")
    await ask(root.update_access_key, UserName="ann", AccessKeyId=first, Status="Active")
    await ask(ann.get_caller_identity)
    await ask(root.delete_access_key, UserName="ann", AccessKeyId=first)
    assert (await refusal(ann.get_caller_identity))[:2] == (403, "InvalidClientTokenId")
    assert (await refusal(root.delete_access_key, UserName="ann", AccessKeyId=first))[1] == "NoSuchEntity"


async def test_a_user_may_what_policies_say(edge: Edge) -> None:
    root, ann = edge.client(), edge.with_keys("iam", await new_user(edge))
    assert await refusal(ann.list_users) == (
        403,
        "AccessDenied",
        f"User: arn:aws:iam::{ACCOUNT}:user/ann is not authorized to perform: iam:ListUsers on resource: * "
        "because no identity-based policy allows the iam:ListUsers action",
    )
    await ask(root.put_user_policy, UserName="ann", PolicyName="p", PolicyDocument=document())
    assert [user["UserName"] for user in (await ask(ann.list_users))["Users"]] == ["ann"]
    assert (await refusal(ann.get_user, UserName="bob"))[2].startswith(
        f"User: arn:aws:iam::{ACCOUNT}:user/ann is not authorized to perform: iam:GetUser on resource: "
        f"arn:aws:iam::{ACCOUNT}:user/bob"
    )
    own = document(["iam:*AccessKey*", "iam:GetUser"], Resource="arn:aws:iam::*:user/${aws:username}")
    await ask(root.put_user_policy, UserName="ann", PolicyName="own", PolicyDocument=own)
    assert (await ask(ann.get_user))["User"]["UserName"] == "ann"
    assert len((await ask(ann.list_access_keys))["AccessKeyMetadata"]) == 1
    denied = document("iam:ListUsers", "Deny")
    await ask(root.put_user_policy, UserName="ann", PolicyName="d", PolicyDocument=denied)
    assert "with an explicit deny in an identity-based policy" in (await refusal(ann.list_users))[2]


async def test_groups_give_their_users_policies(edge: Edge) -> None:
    root, ann = edge.client(), edge.with_keys("iam", await new_user(edge))
    made = (await ask(root.create_group, GroupName="readers", Path="/t/"))["Group"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:group/t/readers"
    await ask(root.attach_group_policy, GroupName="readers", PolicyArn=READ_ONLY)
    await ask(root.put_group_policy, GroupName="readers", PolicyName="p", PolicyDocument=document())
    assert (await ask(root.list_group_policies, GroupName="readers"))["PolicyNames"] == ["p"]
    assert (await ask(root.get_group_policy, GroupName="readers", PolicyName="p"))["GroupName"] == "readers"
    assert (await refusal(ann.list_roles))[1] == "AccessDenied"
    await ask(root.add_user_to_group, GroupName="readers", UserName="ann")
    assert (await ask(ann.list_roles))["Roles"] == []
    shown = await ask(root.get_group, GroupName="readers")
    assert (shown["Group"], [user["UserName"] for user in shown["Users"]]) == (made, ["ann"])
    assert (await ask(root.list_groups_for_user, UserName="ann"))["Groups"] == [made]
    assert (await ask(root.list_groups))["Groups"] == [made]
    await ask(root.remove_user_from_group, GroupName="readers", UserName="ann")
    assert (await refusal(ann.list_roles))[1] == "AccessDenied"


async def test_managed_policies_and_their_versions(edge: Edge) -> None:
    root, ann = edge.client(), edge.with_keys("iam", await new_user(edge))
    made = (await ask(root.create_policy, PolicyName="mine", PolicyDocument=document(), Description="d"))[
        "Policy"
    ]
    arn = made["Arn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:policy/mine"
    assert (made["DefaultVersionId"], made["AttachmentCount"], made["IsAttachable"]) == ("v1", 0, True)
    await ask(root.attach_user_policy, UserName="ann", PolicyArn=arn)
    await ask(ann.list_users)
    assert (await ask(root.get_policy, PolicyArn=arn))["Policy"]["AttachmentCount"] == 1
    other = document("iam:ListRoles")
    version = await ask(root.create_policy_version, PolicyArn=arn, PolicyDocument=other, SetAsDefault=True)
    assert (version["PolicyVersion"]["VersionId"], version["PolicyVersion"]["IsDefaultVersion"]) == (
        "v2",
        True,
    )
    assert (await refusal(ann.list_users))[1] == "AccessDenied"
    shown = (await ask(root.get_policy_version, PolicyArn=arn, VersionId="v2"))["PolicyVersion"]
    assert shown["Document"] == json.loads(other)
    await ask(root.set_default_policy_version, PolicyArn=arn, VersionId="v1")
    listed = (await ask(root.list_policy_versions, PolicyArn=arn))["Versions"]
    assert [(one["VersionId"], one["IsDefaultVersion"]) for one in listed] == [("v2", False), ("v1", True)]
    assert (await refusal(root.delete_policy, PolicyArn=arn))[1] == "DeleteConflict"
    used = await ask(root.list_entities_for_policy, PolicyArn=arn)
    assert [user["UserName"] for user in used["PolicyUsers"]] == ["ann"]
    await ask(root.detach_user_policy, UserName="ann", PolicyArn=arn)
    assert "more than one version" in (await refusal(root.delete_policy, PolicyArn=arn))[2]
    assert (await refusal(root.delete_policy_version, PolicyArn=arn, VersionId="v1"))[1] == "DeleteConflict"
    for _ in range(3):
        await ask(root.create_policy_version, PolicyArn=arn, PolicyDocument=other)
    assert (await refusal(root.create_policy_version, PolicyArn=arn, PolicyDocument=other))[
        1
    ] == "LimitExceeded"
    for number in (2, 3, 4, 5):
        await ask(root.delete_policy_version, PolicyArn=arn, VersionId=f"v{number}")
    await ask(root.delete_policy, PolicyArn=arn)
    assert (await refusal(root.get_policy, PolicyArn=arn))[1] == "NoSuchEntity"


async def test_aws_own_policies_are_there_and_stay(edge: Edge) -> None:
    root = edge.client()
    basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    shown = (await ask(root.get_policy, PolicyArn=basic))["Policy"]
    assert (shown["PolicyName"], shown["Path"]) == ("AWSLambdaBasicExecutionRole", "/service-role/")
    version = await ask(root.get_policy_version, PolicyArn=basic, VersionId=shown["DefaultVersionId"])
    (statement,) = version["PolicyVersion"]["Document"]["Statement"]
    assert "logs:PutLogEvents" in statement["Action"]
    assert (await refusal(root.delete_policy, PolicyArn=basic))[1] == "AccessDenied"
    await ask(root.create_policy, PolicyName="mine", PolicyDocument=document())
    names = [one["PolicyName"] for one in (await ask(root.list_policies, Scope="Local"))["Policies"]]
    assert names == ["mine"]
    pages = await asyncio.to_thread(
        lambda: list(root.get_paginator("list_policies").paginate(PaginationConfig={"PageSize": 20}))
    )
    everything = [one["PolicyName"] for page in pages for one in page["Policies"]]
    assert everything == sorted(everything)
    assert {"mine", "AWSLambdaBasicExecutionRole"} < set(everything)


async def test_a_policy_of_another_account_is_unknown(edge: Edge) -> None:
    made = await ask(edge.client().create_policy, PolicyName="mine", PolicyDocument=document())
    other = edge.client(key=OTHER)
    await ask(other.create_user, UserName="bob")
    arn = made["Policy"]["Arn"]
    assert (await refusal(other.get_policy, PolicyArn=arn))[1] == "NoSuchEntity"
    assert await refusal(other.attach_user_policy, UserName="bob", PolicyArn=arn) == (
        404,
        "NoSuchEntity",
        f"Policy {arn} does not exist or is not attachable.",
    )


async def test_a_boundary_takes_away(edge: Edge) -> None:
    root, ann = edge.client(), edge.with_keys("iam", await new_user(edge))
    everything = "arn:aws:iam::aws:policy/AdministratorAccess"
    await ask(root.attach_user_policy, UserName="ann", PolicyArn=everything)
    await ask(root.put_user_permissions_boundary, UserName="ann", PermissionsBoundary=READ_ONLY)
    await ask(ann.list_users)
    assert "no permissions boundary allows" in (await refusal(ann.create_user, UserName="bob"))[2]
    shown = (await ask(root.get_user, UserName="ann"))["User"]["PermissionsBoundary"]
    assert shown["PermissionsBoundaryArn"] == READ_ONLY
    await ask(root.delete_user_permissions_boundary, UserName="ann")
    await ask(ann.create_user, UserName="bob")


async def test_a_role_is_assumed_by_whom_it_trusts(edge: Edge) -> None:
    root, keys = edge.client(), await new_user(edge)
    ann = edge.with_keys("sts", keys)
    policy = trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/ann"})
    role = (await ask(root.create_role, RoleName="r", AssumeRolePolicyDocument=policy))["Role"]
    arn = role["Arn"]
    given = await ask(ann.assume_role, RoleArn=arn, RoleSessionName="me", DurationSeconds=900)
    assert given["AssumedRoleUser"] == {
        "AssumedRoleId": f"{role['RoleId']}:me",
        "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/r/me",
    }
    as_role = edge.with_keys("sts", given["Credentials"])
    who = await ask(as_role.get_caller_identity)
    assert (who["Arn"], who["UserId"]) == (given["AssumedRoleUser"]["Arn"], f"{role['RoleId']}:me")
    iam = edge.with_keys("iam", given["Credentials"])
    assert (await refusal(iam.list_users))[1] == "AccessDenied"
    await ask(root.attach_role_policy, RoleName="r", PolicyArn=READ_ONLY)
    await ask(iam.list_users)
    narrow = await ask(ann.assume_role, RoleArn=arn, RoleSessionName="me", Policy=document("iam:ListRoles"))
    narrowed = edge.with_keys("iam", narrow["Credentials"])
    await ask(narrowed.list_roles)
    assert "no session policy allows" in (await refusal(narrowed.list_users))[2]
    stranger = edge.client("sts", OTHER)
    denied = (
        403,
        "AccessDenied",
        f"User: arn:aws:iam::{OTHER}:root is not authorized to perform: sts:AssumeRole on resource: {arn}",
    )
    assert await refusal(stranger.assume_role, RoleArn=arn, RoleSessionName="xx") == denied
    too_long = await refusal(ann.assume_role, RoleArn=arn, RoleSessionName="me", DurationSeconds=7200)
    assert too_long[1:] == (
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )


async def test_trust_in_an_account_leaves_it_to_its_policies(edge: Edge) -> None:
    root, ann = edge.client(), edge.with_keys("sts", await new_user(edge))
    policy = trust({"AWS": [ACCOUNT, OTHER]}, Condition={"StringEquals": {"sts:ExternalId": "xx"}})
    arn = (await ask(root.create_role, RoleName="r", AssumeRolePolicyDocument=policy))["Role"]["Arn"]
    asked = {"RoleArn": arn, "RoleSessionName": "me", "ExternalId": "xx"}
    assert (await refusal(ann.assume_role, **asked))[1] == "AccessDenied"
    leave = document("sts:AssumeRole", Resource=arn)
    await ask(root.put_user_policy, UserName="ann", PolicyName="p", PolicyDocument=leave)
    await ask(ann.assume_role, **asked)
    assert (await refusal(ann.assume_role, **{**asked, "ExternalId": "yy"}))[1] == "AccessDenied"
    await ask(edge.client("sts", OTHER).assume_role, **asked)
    lambdas = trust({"Service": "lambda.amazonaws.com"})
    await ask(root.update_assume_role_policy, RoleName="r", PolicyDocument=lambdas)
    for client in (ann, edge.client("sts"), edge.client("sts", OTHER)):
        assert (await refusal(client.assume_role, **asked))[1] == "AccessDenied"
    nobody = f"arn:aws:iam::{ACCOUNT}:role/none"
    assert (await refusal(ann.assume_role, RoleArn=nobody, RoleSessionName="me"))[1] == "AccessDenied"


async def test_a_session_of_ones_own(edge: Edge) -> None:
    keys = await new_user(edge)
    ann = edge.with_keys("sts", keys)
    given = (await ask(ann.get_session_token, DurationSeconds=900))["Credentials"]
    again = edge.with_keys("sts", given)
    assert (await ask(again.get_caller_identity))["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/ann"
    assert (await refusal(edge.with_keys("iam", given).list_users))[1] == "AccessDenied"
    root = (await ask(edge.client("sts").get_session_token))["Credentials"]
    assert (await ask(edge.with_keys("iam", root).list_users))["Users"][0]["UserName"] == "ann"
    info = await ask(edge.client("sts").get_access_key_info, AccessKeyId=keys["AccessKeyId"])
    assert info["Account"] == ACCOUNT


async def test_a_session_is_limited_by_managed_policies_too(edge: Edge) -> None:
    root, ann = edge.client(), edge.with_keys("sts", await new_user(edge))
    policy = trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/ann"})
    await ask(root.create_role, RoleName="r", AssumeRolePolicyDocument=policy)
    await ask(root.attach_role_policy, RoleName="r", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    asked = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r", "RoleSessionName": "me"}
    limits = {"PolicyArns": [{"arn": READ_ONLY}], "Policy": document("iam:CreateUser")}
    given = await ask(ann.assume_role, **asked, **limits)
    assert given["PackedPolicySize"] > 0
    session = edge.with_keys("iam", given["Credentials"])
    await ask(session.list_users)
    await ask(session.create_user, UserName="carl")
    assert "no session policy allows" in (await refusal(session.delete_user, UserName="carl"))[2]
    nothing = [{"arn": f"arn:aws:iam::{ACCOUNT}:policy/nothing"}]
    assert (await refusal(ann.assume_role, **asked, PolicyArns=nothing))[1] == "MalformedPolicyDocument"
    long = document("iam:ListUsers", Sid="x" * 2048)
    assert (await refusal(ann.assume_role, **asked, Policy=long))[1] == "PackedPolicyTooLarge"


async def test_what_no_session_can_have_is_refused(edge: Edge) -> None:
    ann = edge.with_keys("sts", await new_user(edge))
    asked = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r", "RoleSessionName": "me"}
    device = {"SerialNumber": f"arn:aws:iam::{ACCOUNT}:mfa/ann", "TokenCode": "123456"}
    assert (await refusal(ann.assume_role, **asked, **device))[:2] == (403, "AccessDenied")
    tags = [{"Key": "k", "Value": "v"}]
    assert (await refusal(ann.assume_role, **asked, Tags=tags))[:2] == (501, "NotImplemented")


async def test_documents_must_be_policies(edge: Edge) -> None:
    root = edge.client()
    await new_user(edge)
    wrong = await refusal(root.put_user_policy, UserName="ann", PolicyName="p", PolicyDocument="{}")
    assert wrong == (400, "MalformedPolicyDocument", "Missing required field Statement")
    wrong = await refusal(root.create_policy, PolicyName="p", PolicyDocument=document("ListUsers"))
    assert wrong[1:] == (
        "MalformedPolicyDocument",
        "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
    )
    long = document("iam:ListUsers", Sid="x" * 7000)
    assert (await refusal(root.create_policy, PolicyName="p", PolicyDocument=long))[1] == "LimitExceeded"
    ann = edge.client("sts")
    wrong = await refusal(
        ann.assume_role, RoleArn=f"arn:aws:iam::{ACCOUNT}:role/r", RoleSessionName="me", Policy="{"
    )
    assert wrong[1] == "MalformedPolicyDocument"
