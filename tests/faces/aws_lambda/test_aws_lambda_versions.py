"""Publishing, as boto3 sees it."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.faces.aws_lambda.bench import Client, Refusal, arn, zip_of

Refused = Callable[[Awaitable[Any]], Awaitable[Refusal]]


async def test_a_published_version_is_ready_at_once_and_never_changes(client: Client) -> None:
    await client.create("f")
    latest = await client.get_function_configuration(FunctionName="f")
    answer = await client.publish_version(FunctionName="f", Description="first")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (answer["Version"], answer["FunctionArn"]) == ("1", arn("f", "1"))
    assert (answer["State"], answer["LastUpdateStatus"]) == ("Active", "Successful")
    assert answer["Description"] == "first"
    assert answer["RevisionId"] != latest["RevisionId"]
    revised = await client.get_function_configuration(FunctionName="f")
    assert revised["RevisionId"] != latest["RevisionId"]
    await client.update_function_configuration(FunctionName="f", Timeout=9)
    await client.wait("function_updated_v2", FunctionName="f")
    again = await client.get_function_configuration(FunctionName="f", Qualifier="1")
    assert (again["Timeout"], again["RevisionId"]) == (3, answer["RevisionId"])
    by_arn = await client.get_function(FunctionName=arn("f", "1"))
    assert by_arn["Configuration"]["FunctionArn"] == arn("f", "1")


async def test_publishing_twice_without_a_change_is_publishing_once(client: Client) -> None:
    await client.create("f")
    first = await client.publish_version(FunctionName="f")
    second = await client.publish_version(FunctionName="f", Description="other words")
    assert second["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert second | {"ResponseMetadata": 0} == first | {"ResponseMetadata": 0}


async def test_creating_with_publish_answers_with_version_1_under_the_plain_arn(client: Client) -> None:
    created = await client.create("f", Publish=True)
    assert (created["Version"], created["State"], created["FunctionArn"]) == ("1", "Pending", arn("f"))
    versions = (await client.list_versions_by_function(FunctionName="f"))["Versions"]
    assert [(v["Version"], v["FunctionArn"]) for v in versions] == [
        ("$LATEST", arn("f", "$LATEST")),
        ("1", arn("f", "1")),
    ]
    assert not {"State", "LastUpdateStatus"} & set(versions[0])
    assert (await client.publish_version(FunctionName="f"))["Version"] == "1"


async def test_updating_with_publish_answers_with_the_new_version(client: Client) -> None:
    await client.create("f")
    answer = await client.update_function_code(FunctionName="f", ZipFile=zip_of("x = 1"), Publish=True)
    assert (answer["Version"], answer["FunctionArn"], answer["State"]) == ("1", arn("f", "1"), "Pending")
    assert "LastUpdateStatus" not in answer
    await client.wait("function_updated_v2", FunctionName="f")
    shown = await client.get_function_configuration(FunctionName="f", Qualifier="1")
    assert (shown["State"], shown["RevisionId"]) == ("Active", answer["RevisionId"])


async def test_publishing_is_guarded_by_the_hash(client: Client, refused: Refused) -> None:
    created = await client.create("f")
    error = await refused(client.publish_version(FunctionName="f", CodeSha256="a" * 44))
    assert (error.status, error.code) == (400, "InvalidParameterValueException")
    assert error.message == (
        f"CodeSHA256 ({'a' * 44}) is different from current CodeSHA256 in $LATEST "
        f"({created['CodeSha256']}). Please try again with the CodeSHA256 in $LATEST."
    )
    await client.publish_version(FunctionName="f", CodeSha256=created["CodeSha256"])


async def test_what_is_done_to_functions_is_not_done_to_versions(client: Client, refused: Refused) -> None:
    await client.create("f", Publish=True)
    for call in (
        client.update_function_code(FunctionName="f:1", ZipFile=zip_of()),
        client.update_function_configuration(FunctionName="f:1", Timeout=4),
        client.get_function_concurrency(FunctionName="f:$LATEST"),
    ):
        error = await refused(call)
        assert (error.status, error.code) == (400, "InvalidParameterValueException")
        assert error.message.startswith("This operation is permitted on Lambda functions only. ")
