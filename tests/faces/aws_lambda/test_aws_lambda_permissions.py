"""Resource policies, as boto3 and Terraform see them."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.faces.aws_lambda.bench import ACCOUNT, OTHER_ACCOUNT, Bench, Client, Refusal, arn, policy_of

Refused = Callable[[Awaitable[Any]], Awaitable[Refusal]]

S3 = {"StatementId": "s3", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
BUCKET = "arn:aws:s3:::bucket"


async def test_a_statement_is_built_as_aws_builds_it(client: Client) -> None:
    await client.create("f")
    answer = await client.add_permission(FunctionName="f", **S3, SourceArn=BUCKET, SourceAccount=ACCOUNT)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert answer["Statement"] == (
        '{"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},'
        '"Action":"lambda:InvokeFunction",'
        f'"Resource":"{arn("f")}",'
        f'"Condition":{{"StringEquals":{{"AWS:SourceAccount":"{ACCOUNT}"}},'
        f'"ArnLike":{{"AWS:SourceArn":"{BUCKET}"}}}}}}'
    )
    policy = policy_of(await client.get_policy(FunctionName="f"))
    assert list(policy) == ["Version", "Id", "Statement"]
    assert (policy["Version"], policy["Id"]) == ("2012-10-17", "default")
    assert policy["Statement"] == [json.loads(answer["Statement"])]


@pytest.mark.parametrize(
    ("principal", "shown"),
    [
        ("*", "*"),
        ("123456789012", {"AWS": "arn:aws:iam::123456789012:root"}),
        ("arn:aws:iam::123456789012:user/u", {"AWS": "arn:aws:iam::123456789012:user/u"}),
        ("events.amazonaws.com", {"Service": "events.amazonaws.com"}),
    ],
)
async def test_principals(client: Client, principal: str, shown: Any) -> None:
    await client.create("f")
    given = {**S3, "Principal": principal}
    statement = json.loads((await client.add_permission(FunctionName="f", **given))["Statement"])
    assert statement["Principal"] == shown
    assert "Condition" not in statement


async def test_conditions(client: Client) -> None:
    await client.create("f")
    answer = await client.add_permission(
        FunctionName="f",
        **{**S3, "Principal": "*", "Action": "lambda:InvokeFunctionUrl"},
        PrincipalOrgID="o-1234567890",
        FunctionUrlAuthType="NONE",
        EventSourceToken="token",
        InvokedViaFunctionUrl=True,
    )
    assert json.loads(answer["Statement"])["Condition"] == {
        "StringEquals": {
            "lambda:FunctionUrlAuthType": "NONE",
            "aws:PrincipalOrgID": "o-1234567890",
            "lambda:EventSourceToken": "token",
        },
        "Bool": {"lambda:InvokedViaFunctionUrl": "true"},
    }


async def test_a_policys_revision_is_its_functions(client: Client, refused: Refused) -> None:
    await client.create("f")
    before = (await client.get_function_configuration(FunctionName="f"))["RevisionId"]
    words = (
        "The Revision Id provided does not match the latest Revision Id. "
        "Call the GetPolicy API to retrieve the latest Revision Id"
    )
    error = await refused(client.add_permission(FunctionName="f", **S3, RevisionId="wrong"))
    assert (error.status, error.code, error.message) == (412, "PreconditionFailedException", words)
    await client.add_permission(FunctionName="f", **S3, RevisionId=before)
    added = (await client.get_policy(FunctionName="f"))["RevisionId"]
    assert before != added == (await client.get_function_configuration(FunctionName="f"))["RevisionId"]
    error = await refused(client.remove_permission(FunctionName="f", StatementId="s3", RevisionId="wrong"))
    assert (error.status, error.message) == (412, words)
    answer = await client.remove_permission(FunctionName="f", StatementId="s3", RevisionId=added)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert (await client.get_function_configuration(FunctionName="f"))["RevisionId"] != added


async def test_statements_keep_their_order_and_their_ids(client: Client, refused: Refused) -> None:
    await client.create("f")
    await client.add_permission(FunctionName="f", **S3)
    await client.add_permission(FunctionName="f", **{**S3, "StatementId": "sqs"})
    error = await refused(client.add_permission(FunctionName="f", **S3))
    assert (error.status, error.code) == (409, "ResourceConflictException")
    assert error.message == (
        "The statement id (s3) provided already exists. "
        "Please provide a new statement id, or remove the existing statement."
    )
    error = await refused(client.remove_permission(FunctionName="f", StatementId="none"))
    assert (error.status, error.code) == (404, "ResourceNotFoundException")
    assert error.message == "Statement none is not found in resource policy."
    sids = [s["Sid"] for s in policy_of(await client.get_policy(FunctionName="f"))["Statement"]]
    assert sids == ["s3", "sqs"]
    for sid in sids:
        await client.remove_permission(FunctionName="f", StatementId=sid)
    error = await refused(client.get_policy(FunctionName="f"))
    assert error.message == "The resource you requested does not exist."
    error = await refused(client.remove_permission(FunctionName="f", StatementId="s3"))
    assert error.message == "No policy is associated with the given resource."


async def test_a_version_has_a_policy_of_its_own(client: Client, refused: Refused) -> None:
    await client.create("f", Publish=True)
    await client.add_permission(FunctionName="f", **S3)
    assert (await refused(client.get_policy(FunctionName="f", Qualifier="1"))).status == 404
    answer = await client.add_permission(FunctionName="f:1", Qualifier="1", **S3)
    assert json.loads(answer["Statement"])["Resource"] == arn("f", "1")
    policy = policy_of(await client.get_policy(FunctionName="f", Qualifier="1"))
    assert [s["Resource"] for s in policy["Statement"]] == [arn("f", "1")]
    await client.delete_function(FunctionName="f", Qualifier="1")
    assert (await client.get_policy(FunctionName="f"))["RevisionId"]
    await client.delete_function(FunctionName="f")
    await client.create("f")
    assert (await refused(client.get_policy(FunctionName="f"))).status == 404


@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        ({"FunctionName": "f:$LATEST"}, 400, "We currently do not support adding policies for $LATEST."),
        (
            {"Principal": "invalid.nonaws.com"},
            400,
            "The provided principal was invalid. Please check the principal and try again.",
        ),
        (
            {"FunctionName": "f:live", "Qualifier": "42"},
            400,
            "The derived qualifier from the function name does not match the specified qualifier.",
        ),
        ({"FunctionName": "none"}, 404, f"Function not found: {arn('none')}"),
        ({"Qualifier": "42"}, 404, f"Function not found: {arn('f', '42')}"),
        ({"Qualifier": "live"}, 404, f"Cannot find alias arn: {arn('f', 'live')}"),
        (
            {"StatementId": "example.com"},
            400,
            "1 validation error detected: Value 'example.com' at 'statementId' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)",
        ),
    ],
)
async def test_what_cannot_be_permitted(
    client: Client, refused: Refused, given: dict[str, str], status: int, message: str
) -> None:
    await client.create("f")
    error = await refused(client.add_permission(**{"FunctionName": "f", **S3, **given}))
    assert (error.status, error.message) == (status, message)


async def test_removing_from_what_is_not_there(client: Client, refused: Refused) -> None:
    error = await refused(client.remove_permission(FunctionName="none", StatementId="s3"))
    assert error.message == f"No policy found for: {arn('none')}"
    assert (await refused(client.get_policy(FunctionName="none"))).message == error.message
    await client.create("f")
    call = client.remove_permission(FunctionName="f", StatementId="s3", Qualifier="live")
    assert (await refused(call)).message == f"Cannot find alias arn: {arn('f', 'live')}"


async def test_a_policy_has_a_limit(client: Client, refused: Refused) -> None:
    await client.create("f")
    given = {**S3, "SourceArn": "arn:aws:s3:::" + "b" * 9000}
    for sid in ("s3", "s4"):
        await client.add_permission(FunctionName="f", **{**given, "StatementId": sid})
    error = await refused(client.add_permission(FunctionName="f", **{**given, "StatementId": "more"}))
    assert (error.status, error.code) == (400, "PolicyLengthExceededException")
    assert re.fullmatch(
        r"The final policy size \(\d{5}\) is bigger than the limit \(20480\)\.", error.message
    )


async def test_two_callers_cannot_add_the_same_statement(client: Client) -> None:
    await client.create("f")
    calls = [client.add_permission(FunctionName="f", **S3) for _ in range(5)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, Exception) for answer in answers) == 4


async def test_another_account_calls_only_what_it_may(bench: Bench, client: Client, refused: Refused) -> None:
    await client.create("f")
    stranger = bench.client(OTHER_ACCOUNT)
    error = await refused(stranger.invoke(FunctionName=arn("f")))
    assert (error.status, error.code) == (403, "AccessDeniedException")
    assert error.message == (
        f"User: arn:aws:iam::{OTHER_ACCOUNT}:root is not authorized to perform: lambda:InvokeFunction on "
        f"resource: {arn('f')} because no resource-based policy allows the lambda:InvokeFunction action"
    )
    await client.add_permission(FunctionName="f", **{**S3, "Principal": OTHER_ACCOUNT})
    assert (await stranger.invoke(FunctionName=arn("f")))["StatusCode"] == 200
