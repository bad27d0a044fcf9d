"""The authority: what principals may do, by their own policies and those of resources."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lambent.model.errors import Forbidden
from lambent.model.identity import ANONYMOUS, Principal, PrincipalKind
from lambent.model.policy import Policy, parse
from lambent.model.role import Role
from lambent.model.user import Group, ManagedPolicy, PolicyVersion, User
from lambent.store.authority import Authority
from lambent.store.directory import Directory
from lambent.store.managed_policies import aws_policies
from lambent.store.sqlite import Sqlite

ACCOUNT, OTHER = "111122223333", "444455556666"
ROOT = Principal(PrincipalKind.ROOT, ACCOUNT)
STRANGER = Principal(PrincipalKind.ROOT, OTHER)
ROLE = Principal(PrincipalKind.ROLE, ACCOUNT, "r", "session")
USER = Principal(PrincipalKind.USER, ACCOUNT, "ann")
BUCKET = "arn:aws:s3:::b/key"
READ_ONLY = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
NOT_ALLOWED = "because no identity-based policy allows the s3:GetObject action"


def document(effect: str = "Allow", action: str = "s3:GetObject", resource: str = "*", **more: Any) -> str:
    statement = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def of_resource(principal: Any, effect: str = "Allow", **more: Any) -> Policy:
    return parse(document(effect, Principal=principal, **more), names_principals=True)


@pytest.fixture
async def directory(tmp_path: Path) -> AsyncIterator[Directory]:
    store = await Sqlite.open(tmp_path / "state.db", fsync=False)
    yield Directory(store)
    await store.close()


@pytest.fixture
def authority(directory: Directory) -> Authority:
    return Authority(directory)


async def add_role(directory: Directory, **more: Any) -> None:
    role = Role(account=ACCOUNT, name="r", role_id="AROA1", trust_policy="{}", created_at=0.0)
    await directory.roles.create(replace(role, **more))


async def add_user(directory: Directory, **more: Any) -> None:
    user = User(account=ACCOUNT, name="ann", user_id="AIDA1", created_at=0.0)
    await directory.users.create(replace(user, **more))


def may(authority: Authority, principal: Principal, action: str = "s3:GetObject", **more: Any) -> bool:
    return not authority.refusal(principal, action, more.pop("resource", BUCKET), **more)


async def test_a_root_may_all_in_its_own_account(authority: Authority) -> None:
    assert may(authority, ROOT)
    assert not may(authority, ROOT, owner=OTHER)
    assert not may(authority, ANONYMOUS, owner=ACCOUNT)
    assert may(authority, ANONYMOUS, owner=ACCOUNT, policy=of_resource("*"))
    assert not may(authority, ANONYMOUS, owner=ACCOUNT, policy=of_resource({"AWS": ACCOUNT}))


async def test_a_role_that_iam_never_had_is_its_accounts_own(
    directory: Directory, authority: Authority
) -> None:
    assert may(authority, ROLE)
    await add_role(directory)
    assert authority.refusal(ROLE, "s3:GetObject", BUCKET) == NOT_ALLOWED
    await directory.roles.delete(ACCOUNT, "r")
    assert not may(authority, ROLE)  # and does not become so by being deleted


async def test_attached_and_inline_policies_together(directory: Directory, authority: Authority) -> None:
    await add_role(directory, attached=(READ_ONLY,), inline={"p": document(action="s3:PutObject")})
    assert may(authority, ROLE)
    assert may(authority, ROLE, "s3:PutObject")
    assert not may(authority, ROLE, "s3:DeleteObject")
    denied = document("Deny", resource="arn:aws:s3:::b/*")
    await directory.roles.update(ACCOUNT, "r", lambda r: replace(r, inline={**r.inline, "d": denied}))
    text = authority.refusal(ROLE, "s3:GetObject", BUCKET)
    assert text == "with an explicit deny in an identity-based policy"
    with pytest.raises(Forbidden) as refused:
        authority.check(ROLE, "s3:GetObject", BUCKET)
    assert refused.value.message == (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/r/session is not authorized to perform: s3:GetObject on "
        f"resource: {BUCKET} with an explicit deny in an identity-based policy"
    )


async def test_a_change_counts_at_once(directory: Directory, authority: Authority) -> None:
    await add_role(directory)
    assert not may(authority, ROLE)
    await directory.roles.update(ACCOUNT, "r", lambda r: replace(r, attached=(READ_ONLY,)))
    assert may(authority, ROLE)
    await directory.roles.update(ACCOUNT, "r", lambda r: replace(r, attached=()))
    assert not may(authority, ROLE)


async def test_users_have_what_their_groups_have(directory: Directory, authority: Authority) -> None:
    assert not may(authority, USER)  # a user who is gone
    await add_user(directory, groups=("g", "no more"))
    assert not may(authority, USER)
    group = Group(account=ACCOUNT, name="g", group_id="AGPA", created_at=0.0, attached=(READ_ONLY,))
    await directory.groups.create(group)
    assert may(authority, USER)


async def test_managed_policies_of_the_account(directory: Directory, authority: Authority) -> None:
    policy = ManagedPolicy(
        account=ACCOUNT,
        name="mine",
        policy_id="ANPA",
        created_at=0.0,
        updated_at=0.0,
        versions=(PolicyVersion(1, document(), 0.0), PolicyVersion(2, document("Deny"), 0.0)),
        path="/team/",
    )
    await directory.policies.create(policy)
    await add_user(directory, attached=(policy.arn,))
    assert may(authority, USER)
    await directory.policies.update(ACCOUNT, "mine", lambda one: replace(one, default=2))
    assert not may(authority, USER)
    assert authority.managed(policy.arn.replace("/team/", "/other/")) is None
    assert authority.managed("no arn") is None


async def test_a_boundary_and_a_session_policy_only_take_away(
    directory: Directory, authority: Authority
) -> None:
    await add_user(directory, inline={"p": document(action="s3:*")}, boundary=READ_ONLY)
    assert may(authority, USER)
    assert authority.refusal(USER, "s3:PutObject", BUCKET) == (
        "because no permissions boundary allows the s3:PutObject action"
    )
    narrow = replace(USER, policy=document(resource="arn:aws:s3:::b/only"))
    assert authority.refusal(narrow, "s3:GetObject", BUCKET) == (
        "because no session policy allows the s3:GetObject action"
    )
    assert may(authority, narrow, resource="arn:aws:s3:::b/only")
    assert may(authority, replace(ROLE, policy=document()))
    assert not may(authority, replace(ROLE, policy=document()), "s3:PutObject")


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (of_resource({"AWS": f"arn:aws:iam::{ACCOUNT}:role/r"}), ""),
        (of_resource({"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/r/session"}), ""),
        (of_resource("*"), ""),
        (of_resource({"AWS": ACCOUNT}), NOT_ALLOWED),  # leaves it to the account's own policies
        (of_resource({"AWS": OTHER}), NOT_ALLOWED),
        (of_resource("*", "Deny"), "with an explicit deny in a resource-based policy"),
    ],
)
async def test_within_an_account_one_yes_is_enough(
    directory: Directory, authority: Authority, policy: Policy, said: str
) -> None:
    await add_role(directory)
    assert authority.refusal(ROLE, "s3:GetObject", BUCKET, policy=policy) == said


async def test_across_accounts_both_must_say_yes(directory: Directory, authority: Authority) -> None:
    silent = "because no resource-based policy allows the s3:GetObject action"
    assert authority.refusal(STRANGER, "s3:GetObject", BUCKET, ACCOUNT) == silent
    for principal in ({"AWS": OTHER}, "*"):
        assert may(authority, STRANGER, owner=ACCOUNT, policy=of_resource(principal))
    await add_role(directory)
    theirs = of_resource({"AWS": ACCOUNT})
    assert authority.refusal(ROLE, "s3:GetObject", BUCKET, OTHER, theirs) == NOT_ALLOWED
    await directory.roles.update(ACCOUNT, "r", lambda r: replace(r, attached=(READ_ONLY,)))
    assert may(authority, ROLE, owner=OTHER, policy=theirs)


async def test_conditions_are_asked_each_time(directory: Directory) -> None:
    now = 1_000_000_000.0
    authority = Authority(directory, lambda: now)
    until = {"DateLessThan": {"aws:CurrentTime": "2001-09-10T00:00:00Z"}}
    mine = {"StringEquals": {"aws:PrincipalTag/team": "etl"}, "IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
    await add_user(
        directory,
        tags={"Team": "etl"},
        inline={
            "time": document(Condition=until),
            "place": document(action="s3:PutObject", Condition=mine),
            "home": document(action="s3:DeleteObject", resource="arn:aws:s3:::b/${aws:username}"),
        },
    )
    assert may(authority, USER)
    now += 24 * 3600
    assert not may(authority, USER)
    for address, allowed in (("192.0.2.7", True), ("203.0.113.1", False)):
        context = {"aws:sourceip": (address,)}
        assert may(authority, USER, "s3:PutObject", context=context) is allowed
    assert may(authority, USER, "s3:DeleteObject", resource="arn:aws:s3:::b/ann")
    assert not may(authority, USER, "s3:DeleteObject", resource="arn:aws:s3:::b/bob")


async def test_a_broken_document_allows_nothing(directory: Directory, authority: Authority) -> None:
    await add_user(directory, inline={"p": "no policy"}, attached=("arn:aws:iam::aws:policy/Unknown",))
    assert not may(authority, USER)


def test_aws_policies_are_policies() -> None:
    for arn, policy in aws_policies().items():
        assert policy.arn == arn
        assert parse(policy.document).statements
    assert "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole" in aws_policies()
