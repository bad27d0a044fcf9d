"""Reserved and provisioned concurrency and the account's numbers, as boto3 sees them."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.faces.aws_lambda.bench import Bench, Client, Refusal, arn, zip_of

from lambent.invoke.provisioned import Supply

Refused = Callable[[Awaitable[Any]], Awaitable[Refusal]]


@pytest.fixture
async def published(client: Client) -> Client:
    """A client of a function `f` with version 1 and an alias of it."""
    await client.create("f", Publish=True)
    await client.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    return client


async def put(client: Client, qualifier: str, count: int = 1, name: str = "f") -> dict[str, Any]:
    answer: dict[str, Any] = await client.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=count
    )
    return answer


async def test_reserved_concurrency_from_its_beginning_to_its_end(client: Client) -> None:
    await client.create("f")
    answer = await client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    assert answer.pop("ResponseMetadata")["HTTPStatusCode"] == 200
    assert answer == {"ReservedConcurrentExecutions": 0}
    await client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=7)
    got = await client.get_function_concurrency(FunctionName="f")
    assert got["ReservedConcurrentExecutions"] == 7
    whole = await client.get_function(FunctionName="f")
    assert whole["Concurrency"] == {"ReservedConcurrentExecutions": 7}
    limits = (await client.get_account_settings())["AccountLimit"]
    assert (limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]) == (1000, 993)
    for _ in range(2):  # deleting what is not there is no error
        answer = await client.delete_function_concurrency(FunctionName="f")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert set(await client.get_function_concurrency(FunctionName="f")) == {"ResponseMetadata"}
    assert "Concurrency" not in await client.get_function(FunctionName="f")


async def test_a_hundred_stay_for_everybody(client: Client, refused: Refused) -> None:
    for name in "fg":
        await client.create(name)
    await client.put_function_concurrency(FunctionName="g", ReservedConcurrentExecutions=100)
    error = await refused(client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=801))
    assert (error.status, error.code) == (400, "InvalidParameterValueException")
    assert error.message == (
        "Specified ReservedConcurrentExecutions for function decreases account's "
        "UnreservedConcurrentExecution below its minimum value of [100]."
    )
    await client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=800)
    await client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=799)
    await client.delete_function(FunctionName="g")
    await client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=900)


async def test_reserved_concurrency_is_the_functions(client: Client, refused: Refused) -> None:
    for name in ("f:1", "f:$LATEST"):
        call = client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
        assert (await refused(call)).message.startswith(
            "This operation is permitted on Lambda functions only."
        )
    for call in (
        client.put_function_concurrency(FunctionName="none", ReservedConcurrentExecutions=1),
        client.get_function_concurrency(FunctionName="none"),
        client.delete_function_concurrency(FunctionName="none"),
    ):
        error = await refused(call)
        assert (error.status, error.message) == (404, f"Function not found: {arn('none')}")


async def test_the_account_counts_every_version_and_layer(client: Client) -> None:
    empty = await client.get_account_settings()
    assert empty["AccountUsage"] == {"TotalCodeSize": 0, "FunctionCount": 0}
    assert empty["AccountLimit"] == {
        "TotalCodeSize": 80_530_636_800,
        "CodeSizeUnzipped": 262_144_000,
        "CodeSizeZipped": 52_428_800,
        "ConcurrentExecutions": 1000,
        "UnreservedConcurrentExecutions": 1000,
    }
    await client.create("f", Publish=True)
    await client.publish_layer_version(LayerName="l", Content={"ZipFile": zip_of()})
    usage = (await client.get_account_settings())["AccountUsage"]
    assert usage == {"TotalCodeSize": 3 * len(zip_of()), "FunctionCount": 1}


async def test_provisioned_concurrency_as_at_aws(bench: Bench, published: Client) -> None:
    answer = await put(published, "1", 3)
    assert answer.pop("ResponseMetadata")["HTTPStatusCode"] == 202
    modified = answer.pop("LastModified")
    assert modified.endswith("+0000")
    assert answer == {
        "RequestedProvisionedConcurrentExecutions": 3,
        "AvailableProvisionedConcurrentExecutions": 0,
        "AllocatedProvisionedConcurrentExecutions": 0,
        "Status": "IN_PROGRESS",
    }
    bench.supply = Supply(0, "FAILED", "FUNCTION_ERROR_INIT_FAILURE")
    got = await published.get_provisioned_concurrency_config(FunctionName="f", Qualifier="1")
    assert (got["Status"], got["StatusReason"]) == ("FAILED", "FUNCTION_ERROR_INIT_FAILURE")
    bench.supply = Supply(3, "READY")
    (listed,) = (await published.list_provisioned_concurrency_configs(FunctionName="f"))[
        "ProvisionedConcurrencyConfigs"
    ]
    assert listed == {
        "FunctionArn": arn("f", "1"),
        "RequestedProvisionedConcurrentExecutions": 3,
        "AvailableProvisionedConcurrentExecutions": 3,
        "AllocatedProvisionedConcurrentExecutions": 3,
        "Status": "READY",
        "LastModified": modified,
    }
    limits = (await published.get_account_settings())["AccountLimit"]
    assert limits["UnreservedConcurrentExecutions"] == 997
    for _ in range(2):  # deleting what is not there is no error
        answer = await published.delete_provisioned_concurrency_config(FunctionName="f", Qualifier="1")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204


async def test_a_version_and_its_alias_cannot_both_be_provisioned(
    published: Client, refused: Refused
) -> None:
    await put(published, "1")
    error = await refused(put(published, "live"))
    assert (error.status, error.message) == (
        409,
        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
    )
    await published.delete_provisioned_concurrency_config(FunctionName="f", Qualifier="1")
    await put(published, "live")
    error = await refused(put(published, "1"))
    assert (error.status, error.message) == (409, "Version is pointed by a Provisioned Concurrency alias")
    await put(published, "live", 2)
    await published.delete_alias(FunctionName="f", Name="live")
    answer = await published.list_provisioned_concurrency_configs(FunctionName="f")
    assert answer["ProvisionedConcurrencyConfigs"] == []
    await put(published, "1")


async def test_what_cannot_be_provisioned(published: Client, refused: Refused) -> None:
    cases = [
        (put(published, "$LATEST"), 400, "cannot be applied to unpublished function versions."),
        (put(published, "none"), 404, f"Cannot find alias arn: {arn('f', 'none')}"),
        (put(published, "none", name="no"), 404, f"Cannot find alias arn: {arn('no', 'none')}"),
        (put(published, "10"), 404, f"Function not found: {arn('f', '10')}"),
        (put(published, "1", name="no"), 404, f"Function not found: {arn('no', '1')}"),
        (put(published, "1", 0), 400, "Member must have value greater than or equal to 1"),
        (put(published, "1", 901), 400, "UnreservedConcurrentExecution below its minimum value of [100]."),
    ]
    for call, status, message in cases:
        error = await refused(call)
        assert error.status == status
        assert error.message.endswith(message)
    for operation in ("get", "delete"):
        call = getattr(published, f"{operation}_provisioned_concurrency_config")
        error = await refused(call(FunctionName="f", Qualifier="$LATEST"))
        assert error.message == "The function resource provided must be an alias or a published version."
    error = await refused(published.get_provisioned_concurrency_config(FunctionName="f", Qualifier="1"))
    assert (error.status, error.code) == (404, "ProvisionedConcurrencyConfigNotFoundException")
    assert error.message == "No Provisioned Concurrency Config found for this function"


async def test_reserved_and_provisioned_fit_each_other(published: Client, refused: Refused) -> None:
    await published.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=2)
    error = await refused(put(published, "1", 3))
    assert error.message == (
        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution "
        "for function"
    )
    await put(published, "1", 2)
    error = await refused(
        published.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=1)
    )
    assert error.message == (
        "ReservedConcurrentExecutions  1 should not be lower than function's total provisioned "
        "concurrency [2]."
    )
