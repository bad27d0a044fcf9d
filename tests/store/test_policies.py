"""Policies: whom they let in, what they go with."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lambent.model.errors import Conflict, NotFound, Precondition
from lambent.model.function import Code, Version
from lambent.model.names import LATEST, FunctionKey, Target
from lambent.model.permission import INVOKE, Permission, arn_like
from lambent.store.functions import Functions
from lambent.store.policies import Policies
from lambent.store.sqlite import Sqlite

KEY = FunctionKey("000000000000", "us-east-1", "f")
F = Target(KEY)
NEW = Version(
    key=KEY,
    code=Code("d1", 1, "s1"),
    runtime="python3.11",
    handler="h.f",
    role="arn:aws:iam::000000000000:role/r",
)
S3 = Permission(
    sid="s3",
    action=INVOKE,
    principal="s3.amazonaws.com",
    source_arn="arn:aws:s3:::b",
    source_account="000000000000",
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Sqlite]:
    store = await Sqlite.open(tmp_path / "state.db", fsync=False)
    yield store
    await store.close()


@pytest.fixture
async def functions(store: Sqlite) -> AsyncIterator[Functions]:
    functions = Functions(store)
    await functions.create(NEW, publish=True)
    while functions._tasks:
        await asyncio.wait(functions._tasks)
    yield functions
    await functions.close()


@pytest.fixture
def policies(store: Sqlite, functions: Functions) -> Policies:
    return Policies(store, functions)


def allows(policies: Policies, target: Target = F, **given: str) -> bool:
    question = {
        "service": "s3.amazonaws.com",
        "action": INVOKE,
        "source_arn": "arn:aws:s3:::b",
        "source_account": "000000000000",
    }
    question |= given
    return policies.allows(
        target,
        service=question["service"],
        action=question["action"],
        source_arn=question["source_arn"],
        source_account=question["source_account"],
    )


async def test_nobody_is_let_in_without_a_statement(policies: Policies) -> None:
    assert not allows(policies)
    await policies.add(F, S3)
    assert allows(policies)
    assert allows(policies, Target(KEY, LATEST))
    assert not allows(policies, Target(KEY, "1"))
    await policies.remove(F, "s3")
    assert not allows(policies)


@pytest.mark.parametrize(
    ("permission", "question", "allowed"),
    [
        (S3, {"service": "sns.amazonaws.com"}, False),
        (S3, {"action": "lambda:InvokeFunctionUrl"}, False),
        (S3, {"source_arn": "arn:aws:s3:::other"}, False),
        (S3, {"source_account": "111111111111"}, False),
        (replace(S3, source_arn="arn:aws:s3:::b*"), {"source_arn": "arn:aws:s3:::bucket"}, True),
        (replace(S3, source_arn=None, source_account=None), {"source_arn": "arn:aws:s3:::x"}, True),
        (replace(S3, principal="*"), {}, True),
        (replace(S3, action="lambda:*"), {}, True),
        (replace(S3, principal="000000000000"), {}, False),
        (replace(S3, organization="o-1"), {}, False),
        (replace(S3, url_auth_type="NONE"), {}, False),
        (replace(S3, via_url=True), {}, False),
        (replace(S3, event_source_token="t"), {}, False),
    ],
)
async def test_a_statement_lets_in_whom_it_names(
    policies: Policies, permission: Permission, question: Any, allowed: bool
) -> None:
    await policies.add(F, permission)
    assert allows(policies, **question) is allowed


@pytest.mark.parametrize(
    ("principal", "allowed"),
    [
        ("111111111111", True),
        ("arn:aws:iam::111111111111:root", True),
        ("*", True),
        ("222222222222", False),
        ("s3.amazonaws.com", False),
    ],
)
async def test_accounts_are_let_in_by_name(policies: Policies, principal: str, allowed: bool) -> None:
    plain = replace(S3, principal=principal, source_arn=None, source_account=None)
    await policies.add(F, plain)
    assert policies.allows_account(F, account="111111111111", action=INVOKE) is allowed
    assert not policies.allows_account(F, account="111111111111", action="lambda:GetFunction")


@pytest.mark.parametrize(
    ("pattern", "arn", "like"),
    [
        ("arn:aws:s3:::b", "arn:aws:s3:::b", True),
        ("arn:aws:s3:::b?", "arn:aws:s3:::bc", True),
        ("arn:aws:s3:::b*/x", "arn:aws:s3:::b/y/x", True),
        ("arn:aws:s3:::[b]", "arn:aws:s3:::b", False),
        ("arn:aws:*", "arn:aws:s3:::b", False),  # a star stays in its part
        ("arn:aws:*:*:*:b", "arn:aws:s3:::b", True),
        ("b", "arn:aws:s3:::b", False),
    ],
)
def test_arn_like(pattern: str, arn: str, like: bool) -> None:
    assert arn_like(pattern, arn) is like


async def test_adding_and_removing_give_new_revisions(functions: Functions, policies: Policies) -> None:
    before = functions.revision(F)
    await policies.add(F, S3, before)
    added = functions.revision(F)
    assert added != before
    with pytest.raises(Precondition):
        await policies.add(F, replace(S3, sid="x"), before)
    with pytest.raises(Conflict):
        await policies.add(F, S3)
    assert functions.revision(F) == added
    await policies.remove(F, "s3", added)
    assert functions.revision(F) != added


async def test_what_is_not_there_cannot_be_changed(policies: Policies) -> None:
    with pytest.raises(NotFound, match="No policy is associated"):
        await policies.remove(F, "s3")
    with pytest.raises(NotFound, match="Function not found"):
        await policies.add(Target(KEY, "7"), S3)
    assert policies.find(Target(KEY, "7")) == ()


async def test_policies_go_with_their_function(
    store: Sqlite, functions: Functions, policies: Policies
) -> None:
    await policies.add(F, S3)
    await policies.add(Target(KEY, "1"), S3)
    await functions.delete_version(KEY, "1")
    assert (policies.find(Target(KEY, "1")), policies.find(F)) == ((), (S3,))
    await functions.delete(KEY)
    assert policies.find(F) == ()
    assert store.query("SELECT * FROM policies") == []


async def test_policies_survive(store: Sqlite, functions: Functions, policies: Policies) -> None:
    await policies.add(F, S3)
    await policies.add(F, replace(S3, sid="two", via_url=True))
    await policies.add(Target(KEY, "1"), S3)
    again = Policies(store, functions)
    await again.load()
    for target in (F, Target(KEY, "1")):
        assert again.find(target) == policies.find(target)
