"""Aliases, as boto3 sees them."""

import re
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.faces.aws_lambda.bench import Bench, Client, Refusal, arn

from lambent.model.names import FunctionKey, Target

Refused = Callable[[Awaitable[Any]], Awaitable[Refusal]]


@pytest.fixture
async def versions(client: Client) -> Client:
    """A client of a function `f` with the versions 1 and 2."""
    await client.create("f", Description="one")
    await client.publish_version(FunctionName="f")
    await client.update_function_configuration(FunctionName="f", Description="two")
    await client.wait("function_updated_v2", FunctionName="f")
    await client.publish_version(FunctionName="f")
    return client


async def create(client: Client, name: str, version: str = "1", **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await client.create_alias(
        FunctionName="f", Name=name, FunctionVersion=version, **more
    )
    return answer


async def test_an_alias_from_its_beginning_to_its_end(versions: Client) -> None:
    made = await create(versions, "live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.2}})
    assert made.pop("ResponseMetadata")["HTTPStatusCode"] == 201
    revision = made.pop("RevisionId")
    assert re.fullmatch(r"[0-9a-f-]{36}", revision)
    assert made == {
        "AliasArn": arn("f", "live"),
        "Name": "live",
        "FunctionVersion": "1",
        "Description": "",
        "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.2}},
    }
    got = await versions.get_alias(FunctionName="f", Name="live")
    assert got["RevisionId"] == revision
    changed = await versions.update_alias(FunctionName="f", Name="live", RoutingConfig={}, Description="d")
    assert "RoutingConfig" not in changed
    assert (changed["FunctionVersion"], changed["Description"]) == ("1", "d")
    assert changed["RevisionId"] != revision
    for _ in range(2):  # deleting what is not there is no error
        answer = await versions.delete_alias(FunctionName="f", Name="live")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert (await versions.list_aliases(FunctionName="f"))["Aliases"] == []


async def test_a_function_is_shown_through_its_alias(versions: Client, refused: Refused) -> None:
    await create(versions, "live", "1")
    await create(versions, "newest", "$LATEST")
    shown = (await versions.get_function(FunctionName="f", Qualifier="live"))["Configuration"]
    assert (shown["FunctionArn"], shown["Version"]) == (arn("f", "live"), "1")
    assert shown["Description"] == "one"
    shown = await versions.get_function_configuration(FunctionName="f:newest")
    assert (shown["FunctionArn"], shown["Version"]) == (arn("f", "newest"), "$LATEST")
    error = await refused(versions.get_function(FunctionName="f", Qualifier="none"))
    assert (error.status, error.message) == (404, f"Function not found: {arn('f', 'none')}")


async def test_calls_are_divided_by_weight(bench: Bench, versions: Client) -> None:
    await create(versions, "half", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    answer = await versions.invoke(FunctionName="f", Qualifier="half")
    assert answer["ExecutedVersion"] in ("1", "2")
    assert bench.echo.seen[-1].target.arn == arn("f", "half")  # what the function is told
    target = Target(FunctionKey("000000000000", "us-east-1", "f"), "half")
    picked = Counter(bench.functions.get(target).version for _ in range(2000))
    assert set(picked) == {"1", "2"}
    assert 800 < picked["2"] < 1200  # nine standard deviations
    await versions.update_alias(
        FunctionName="f", Name="half", RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}}
    )
    assert {bench.functions.get(target).version for _ in range(100)} == {"2"}


@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        (
            {"RoutingConfig": {"AdditionalVersionWeights": {"1": 0.1, "2": 0.1}}},
            400,
            "Number of items in AdditionalVersionWeights cannot be greater than 1",
        ),
        (
            {"RoutingConfig": {"AdditionalVersionWeights": {"1": 0.5}}},
            400,
            "Invalid function version 1. Function version 1 is already included in routing configuration.",
        ),
        (
            {"FunctionVersion": "$LATEST", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.5}}},
            400,
            "$LATEST is not supported for an alias pointing to more than 1 version",
        ),
        ({"FunctionVersion": "10"}, 404, f"Function not found: {arn('f', '10')}"),
        (
            {"RoutingConfig": {"AdditionalVersionWeights": {"10": 0.5}}},
            404,
            f"Function not found: {arn('f', '10')}",
        ),
        ({"FunctionName": "none"}, 404, f"Function not found: {arn('none', '1')}"),
        ({"Name": "taken"}, 409, f"Alias already exists: {arn('f', 'taken')}"),
        (
            {"RoutingConfig": {"AdditionalVersionWeights": {"2": 2.0}}},
            400,
            "1 validation error detected: Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' failed "
            "to satisfy constraint: Map value must satisfy constraint: [Member must have value less than or "
            "equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]",
        ),
        (
            {"Name": "1"},
            400,
            "1 validation error detected: Value '1' at 'name' failed to satisfy constraint: Member must "
            "satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_is_refused(
    versions: Client, refused: Refused, given: dict[str, Any], status: int, message: str
) -> None:
    await create(versions, "taken")
    wanted = {"FunctionName": "f", "Name": "a", "FunctionVersion": "1"} | given
    error = await refused(versions.create_alias(**wanted))
    assert (error.status, error.message) == (status, message)
    assert ("Type" in error.raw) == (not message.startswith(("$LATEST", "1 validation")))


async def test_what_is_not_there(versions: Client, refused: Refused) -> None:
    error = await refused(versions.get_alias(FunctionName="f", Name="none"))
    assert (error.status, error.message) == (404, f"Cannot find alias arn: {arn('f', 'none')}")
    error = await refused(versions.get_alias(FunctionName="none", Name="none"))
    assert (error.status, error.message) == (404, f"Cannot find alias arn: {arn('none', 'none')}")
    error = await refused(versions.update_alias(FunctionName="f", Name="none", Description=""))
    assert (error.status, error.message) == (404, f"Alias not found: {arn('f', 'none')}")


async def test_the_revision_guards_an_alias(versions: Client, refused: Refused) -> None:
    made = await create(versions, "live")
    stale = "00000000-0000-0000-0000-000000000000"
    error = await refused(versions.update_alias(FunctionName="f", Name="live", RevisionId=stale))
    assert (error.status, error.code) == (412, "PreconditionFailedException")
    assert "GetFunction/GetAlias" in error.message
    await versions.update_alias(FunctionName="f", Name="live", RevisionId=made["RevisionId"])


async def test_a_version_that_an_alias_names_stays(versions: Client, refused: Refused) -> None:
    await create(versions, "live", "1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.1}})
    for version in ("1", "2"):
        error = await refused(versions.delete_function(FunctionName="f", Qualifier=version))
        assert (error.status, error.code) == (409, "ResourceConflictException")
        assert error.message == "Unable to delete version because the following aliases reference it: [live]"
    await versions.delete_alias(FunctionName="f", Name="live")
    await versions.delete_function(FunctionName="f", Qualifier="1")


async def test_lists_by_name_by_version_and_in_pages(versions: Client) -> None:
    for number in range(4):
        await create(versions, f"a{number}", "2" if number == 3 else "1")
    first = await versions.list_aliases(FunctionName="f", MaxItems=3)
    assert [alias["Name"] for alias in first["Aliases"]] == ["a0", "a1", "a2"]
    rest = await versions.list_aliases(FunctionName="f", MaxItems=3, Marker=first["NextMarker"])
    assert [alias["Name"] for alias in rest["Aliases"]] == ["a3"]
    assert "NextMarker" not in rest
    of_one = await versions.list_aliases(FunctionName="f", FunctionVersion="2")
    assert [alias["Name"] for alias in of_one["Aliases"]] == ["a3"]


async def test_an_alias_has_a_policy_of_its_own_and_takes_it_with_it(
    bench: Bench, versions: Client, refused: Refused
) -> None:
    made = await create(versions, "live")
    statement = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "StatementId": "s"}
    await versions.add_permission(FunctionName="f", Qualifier="live", **statement)
    policy = await versions.get_policy(FunctionName="f", Qualifier="live")
    now = await versions.get_alias(FunctionName="f", Name="live")
    assert policy["RevisionId"] == now["RevisionId"] != made["RevisionId"]
    assert arn("f", "live") in policy["Policy"]
    await versions.delete_alias(FunctionName="f", Name="live")
    await create(versions, "live")
    error = await refused(versions.get_policy(FunctionName="f", Qualifier="live"))
    assert error.message == "The resource you requested does not exist."
    await versions.delete_function(FunctionName="f")
    await versions.create("f")
    assert (await versions.list_aliases(FunctionName="f"))["Aliases"] == []
