"""Policies: whom they let in, what they go with."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lambent.model.errors import Conflict, NotFound, Precondition
from lambent.model.function import Code, Version
from lambent.model.names import LATEST, FunctionKey, Target
from lambent.model.patterns import arn_like
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
INVOKE = "lambda:InvokeFunction"
EQUALS = {"AWS:SourceAccount": "000000000000"}
LIKE = {"AWS:SourceArn": "arn:aws:s3:::b"}


def s3(**members: Any) -> dict[str, Any]:
    """The statement that a bucket's permission is, with other members."""
    return {
        "Sid": "s3",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": INVOKE,
        "Resource": KEY.arn,
        "Condition": {"StringEquals": EQUALS, "ArnLike": LIKE},
    } | members


S3 = s3()


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
    ("statement", "question", "allowed"),
    [
        (S3, {"service": "sns.amazonaws.com"}, False),
        (S3, {"action": "lambda:InvokeFunctionUrl"}, False),
        (S3, {"source_arn": "arn:aws:s3:::other"}, False),
        (S3, {"source_account": "111111111111"}, False),
        (
            s3(Condition={"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b*"}}),
            {"source_arn": "arn:aws:s3:::bc"},
            True,
        ),
        (s3(Condition={}), {"source_arn": "arn:aws:s3:::x"}, True),
        (s3(Principal="*"), {}, True),
        (s3(Action="lambda:*"), {}, True),
        (s3(Action="*"), {}, True),
        (s3(Effect="Deny"), {}, False),
        (s3(Resource="arn:aws:lambda:us-east-1:000000000000:function:other"), {}, False),
        (s3(Principal={"AWS": "arn:aws:iam::000000000000:root"}), {}, False),
        (s3(Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}), {}, False),
        (s3(Condition={"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}), {}, False),
        (s3(Condition={"StringEquals": {"lambda:EventSourceToken": "t"}}), {}, False),
        (s3(Condition={"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}), {}, False),
        (s3(Condition={"Bool": {"lambda:InvokedViaFunctionUrl": "false"}}), {}, True),
    ],
)
async def test_a_statement_lets_in_whom_it_names(
    policies: Policies, statement: dict[str, Any], question: Any, allowed: bool
) -> None:
    await policies.add(F, statement)
    assert allows(policies, **question) is allowed


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
        await policies.add(F, s3(Sid="x"), before)
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
    assert policies.find(Target(KEY, "7")) is None
    with pytest.raises(NotFound, match="No policy is associated"):
        await policies.delete(F)


async def test_policies_go_with_their_function(
    store: Sqlite, functions: Functions, policies: Policies
) -> None:
    await policies.add(F, S3)
    await policies.add(Target(KEY, "1"), S3)
    await functions.delete_version(KEY, "1")
    assert policies.find(Target(KEY, "1")) is None
    kept = policies.find(F)
    assert kept is not None
    assert kept.statements == [S3]
    await functions.delete(KEY)
    assert policies.find(F) is None
    assert store.query("SELECT * FROM policies") == []


async def test_policies_survive(store: Sqlite, functions: Functions, policies: Policies) -> None:
    await policies.add(F, S3)
    await policies.add(F, s3(Sid="two", Effect="Deny"))
    await policies.add(Target(KEY, "1"), S3)
    again = Policies(store, functions)
    await again.load()
    for target in (F, Target(KEY, "1")):
        assert again.find(target) == policies.find(target)


async def test_the_whole_document_is_replaced(functions: Functions, policies: Policies) -> None:
    await policies.add(F, S3)
    before = functions.revision(F)
    document = json.dumps({"Version": "2012-10-17", "Statement": [s3(Sid="other", Condition={})]})
    with pytest.raises(Precondition):
        await policies.put(F, document, "not this one")
    await policies.put(F, document, before)
    kept = policies.find(F)
    assert kept is not None
    assert kept.document == document
    assert allows(policies, source_arn="arn:aws:s3:::anything")
    await policies.delete(F, functions.revision(F))
    assert policies.find(F) is None
