"""IAM's roles, as boto3 sees them over loopback."""

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lambent.faces.aws_iam import IamFace
from lambent.faces.codec import Codec
from lambent.faces.router import Router
from lambent.faces.server import Server
from lambent.faces.signature import Verifier
from lambent.model.identity import Credential, Principal, PrincipalKind
from lambent.store.authority import Authority
from lambent.store.credentials import Credentials
from lambent.store.directory import Directory
from lambent.store.sqlite import Sqlite

ACCOUNT = "000000000000"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
STATEMENT = {"Effect": "Allow", "Action": "*", "Resource": "*"}
POLICY = {"Version": "2012-10-17", "Statement": [STATEMENT]}
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


@functools.cache
def codec() -> Codec:
    return Codec("iam")


class Client:
    """boto3 in threads, because the server under test runs on the test's own event loop."""

    def __init__(self, client: Any) -> None:
        self.plain = client

    def __getattr__(self, operation: str) -> Callable[..., Awaitable[Any]]:
        return functools.partial(asyncio.to_thread, getattr(self.plain, operation))

    async def create(self, name: str = "r", **more: Any) -> Any:
        return (await self.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST), **more))[
            "Role"
        ]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    store = await Sqlite.open(tmp_path / "state.db", fsync=False)
    key = Credential("key", "secret", Principal(PrincipalKind.ROOT, ACCOUNT))
    router = Router(Verifier(Credentials([key], b"secret")))
    directory = Directory(store)
    router.add_service(codec(), IamFace(directory, Authority(directory), "secret of {}".format))
    server = Server(router)
    host, port = await server.listen(("127.0.0.1", 0))
    plain = boto3.client(
        "iam",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}),
    )
    yield Client(plain)
    await server.close(0)
    await store.close()


async def refusal(call: Awaitable[Any]) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        await call
    response: Any = caught.value.response
    error = response["Error"]
    return response["ResponseMetadata"]["HTTPStatusCode"], error["Code"], error["Message"]


async def test_a_role_is_made_and_shown(client: Client) -> None:
    made = await client.create(
        Path="/service-role/", Description="d", MaxSessionDuration=7200, Tags=[{"Key": "a", "Value": "b"}]
    )
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/service-role/r"
    assert made["RoleId"].startswith("AROA")
    assert len(made["RoleId"]) == 21
    assert made["AssumeRolePolicyDocument"] == TRUST
    shown = (await client.get_role(RoleName="r"))["Role"]
    assert shown.pop("RoleLastUsed") == {}
    assert shown == made
    assert (shown["Description"], shown["MaxSessionDuration"]) == ("d", 7200)
    assert shown["Tags"] == [{"Key": "a", "Value": "b"}]


async def test_names_are_taken_once_and_missed(client: Client) -> None:
    await client.create()
    assert await refusal(client.create()) == (
        409,
        "EntityAlreadyExists",
        "Role with name r already exists.",
    )
    for call in (
        client.get_role(RoleName="none"),
        client.delete_role(RoleName="none"),
        client.list_attached_role_policies(RoleName="none"),
        client.list_role_policies(RoleName="none"),
        client.list_instance_profiles_for_role(RoleName="none"),
        client.attach_role_policy(RoleName="none", PolicyArn=BASIC),
    ):
        assert await refusal(call) == (
            404,
            "NoSuchEntity",
            "The role with name none cannot be found.",
        )


async def test_documents_must_be_policies(client: Client) -> None:
    for document in ("no json", "[]"):
        call = client.create_role(RoleName="r", AssumeRolePolicyDocument=document)
        assert await refusal(call) == (
            400,
            "MalformedPolicyDocument",
            "This policy contains invalid Json",
        )
    await client.create()
    call = client.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument='{"Version": "2012-10-17"}')
    assert await refusal(call) == (
        400,
        "MalformedPolicyDocument",
        "Missing required field Statement",
    )


async def test_managed_policies_come_and_go(client: Client) -> None:
    await client.create()
    for _ in range(2):
        await client.attach_role_policy(RoleName="r", PolicyArn=BASIC)
    listed = await client.list_attached_role_policies(RoleName="r")
    assert listed["AttachedPolicies"] == [{"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": BASIC}]
    assert listed["IsTruncated"] is False
    assert await refusal(client.delete_role(RoleName="r")) == (
        409,
        "DeleteConflict",
        "Cannot delete entity, must detach all policies first.",
    )
    await client.detach_role_policy(RoleName="r", PolicyArn=BASIC)
    assert await refusal(client.detach_role_policy(RoleName="r", PolicyArn=BASIC)) == (
        404,
        "NoSuchEntity",
        f"Policy {BASIC} was not found.",
    )
    status, code, _ = await refusal(client.attach_role_policy(RoleName="r", PolicyArn="x" * 20))
    assert (status, code) == (400, "InvalidInput")
    for number in range(10):
        await client.attach_role_policy(RoleName="r", PolicyArn=f"arn:aws:iam::aws:policy/p{number}")
    assert await refusal(client.attach_role_policy(RoleName="r", PolicyArn=BASIC)) == (
        409,
        "LimitExceeded",
        "Cannot exceed quota for PoliciesPerRole: 10",
    )


async def test_inline_policies_come_and_go(client: Client) -> None:
    await client.create()
    await client.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=json.dumps(POLICY))
    shown = await client.get_role_policy(RoleName="r", PolicyName="p")
    assert (shown["RoleName"], shown["PolicyName"], shown["PolicyDocument"]) == ("r", "p", POLICY)
    assert (await client.list_role_policies(RoleName="r"))["PolicyNames"] == ["p"]
    assert await refusal(client.delete_role(RoleName="r")) == (
        409,
        "DeleteConflict",
        "Cannot delete entity, must delete policies first.",
    )
    await client.delete_role_policy(RoleName="r", PolicyName="p")
    missing = (404, "NoSuchEntity", "The role policy with name p cannot be found.")
    assert await refusal(client.get_role_policy(RoleName="r", PolicyName="p")) == missing
    assert await refusal(client.delete_role_policy(RoleName="r", PolicyName="p")) == missing
    large = json.dumps({"Statement": [{**STATEMENT, "Sid": "x" * 10_240}]})
    status, code, _ = await refusal(
        client.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=large)
    )
    assert (status, code) == (409, "LimitExceeded")
    await client.delete_role(RoleName="r")


async def test_a_role_is_changed(client: Client) -> None:
    await client.create()
    await client.update_role(RoleName="r", Description="new", MaxSessionDuration=3601)
    other = {**TRUST, "Version": "2008-10-17"}
    await client.update_assume_role_policy(RoleName="r", PolicyDocument=json.dumps(other))
    shown = (await client.get_role(RoleName="r"))["Role"]
    assert (shown["Description"], shown["MaxSessionDuration"]) == ("new", 3601)
    assert shown["AssumeRolePolicyDocument"] == other
    await client.tag_role(RoleName="r", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    await client.untag_role(RoleName="r", TagKeys=["a"])
    assert (await client.list_role_tags(RoleName="r"))["Tags"] == [{"Key": "b", "Value": "2"}]
    many = [{"Key": str(n), "Value": ""} for n in range(50)]
    status, code, _ = await refusal(client.tag_role(RoleName="r", Tags=many))
    assert (status, code) == (409, "LimitExceeded")


async def test_roles_come_in_pages(client: Client) -> None:
    for name in ("a", "b", "c"):
        await client.create(name, Path="/x/" if name == "b" else "/")
    pages = await asyncio.to_thread(
        lambda: list(client.plain.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 2}))
    )
    assert [[role["RoleName"] for role in page["Roles"]] for page in pages] == [["a", "b"], ["c"]]
    assert [r["RoleName"] for r in (await client.list_roles(PathPrefix="/x/"))["Roles"]] == ["b"]
    assert (await client.list_roles(PathPrefix="/y/"))["Roles"] == []


async def test_waiters_and_profiles_that_tools_ask_for(client: Client) -> None:
    await client.create()
    await asyncio.to_thread(client.plain.get_waiter("role_exists").wait, RoleName="r")
    profiles = await client.list_instance_profiles_for_role(RoleName="r")
    assert (profiles["InstanceProfiles"], profiles["IsTruncated"]) == ([], False)
    status, code, _ = await refusal(client.create_login_profile(UserName="u"))
    assert (status, code) == (501, "NotImplemented")
