"""What SnapStart does not go with, as boto3 sees it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.faces.aws_lambda.bench import Client, Refusal

Refused = Callable[[Awaitable[Any]], Awaitable[Refusal]]
SNAPSTART = {"ApplyOn": "PublishedVersions"}
POINT = "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-12345678901234567"
FILES = [{"Arn": POINT, "LocalMountPath": "/mnt/files"}]
LARGE = {"EphemeralStorage": {"Size": 513}}


@pytest.mark.parametrize("more", [LARGE, {"FileSystemConfigs": FILES}])
async def test_what_a_snapshot_does_not_hold(client: Client, refused: Refused, more: dict[str, Any]) -> None:
    """Whichever of the two is given first."""
    error = await refused(client.begin("f", SnapStart=SNAPSTART, **more))
    assert (error.status, error.code) == (400, "InvalidParameterValueException")
    assert error.message.startswith("SnapStart does not support ")
    await client.create("f", SnapStart=SNAPSTART)
    error = await refused(client.update_function_configuration(FunctionName="f", **more))
    assert error.message.startswith("SnapStart does not support ")
    await client.create("g", SnapStart={"ApplyOn": "None"}, **more)
    error = await refused(client.update_function_configuration(FunctionName="g", SnapStart=SNAPSTART))
    assert error.message.startswith("SnapStart does not support ")


async def test_its_versions_are_not_provisioned(client: Client, refused: Refused) -> None:
    await client.create("f", SnapStart=SNAPSTART, Publish=True)
    await client.update_function_configuration(FunctionName="f", SnapStart={"ApplyOn": "None"})
    await client.publish_version(FunctionName="f")
    provision = {"FunctionName": "f", "ProvisionedConcurrentExecutions": 1}
    error = await refused(client.put_provisioned_concurrency_config(Qualifier="1", **provision))
    assert (error.status, error.code) == (400, "InvalidParameterValueException")
    assert error.message == "SnapStart does not support provisioned concurrency."
    assert await client.put_provisioned_concurrency_config(Qualifier="2", **provision)


async def test_an_alias_that_is_provisioned_is_not_moved_to_what_cannot_be(
    client: Client, refused: Refused
) -> None:
    await client.create("f", Publish=True)
    await client.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    provision = {"FunctionName": "f", "ProvisionedConcurrentExecutions": 1}
    await client.put_provisioned_concurrency_config(Qualifier="live", **provision)
    await client.update_function_configuration(FunctionName="f", SnapStart=SNAPSTART)
    await client.wait("function_updated_v2", FunctionName="f")
    await client.publish_version(FunctionName="f")
    move = {"FunctionName": "f", "Name": "live"}
    weighted = {"RoutingConfig": {"AdditionalVersionWeights": {"2": 0.5}}}
    for more in ({"FunctionVersion": "2"}, weighted):
        error = await refused(client.update_alias(**move, **more))
        assert (error.status, error.code) == (400, "InvalidParameterValueException")
        assert error.message == "SnapStart does not support provisioned concurrency."
    error = await refused(client.update_alias(**move, FunctionVersion="$LATEST"))
    assert error.message == (
        "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
    )
    await client.update_function_configuration(FunctionName="f", SnapStart={"ApplyOn": "None"})
    await client.wait("function_updated_v2", FunctionName="f")
    await client.publish_version(FunctionName="f")
    await client.put_provisioned_concurrency_config(Qualifier="3", **provision)
    error = await refused(client.update_alias(**move, FunctionVersion="3"))
    assert (error.status, error.code) == (409, "ResourceConflictException")
    await client.delete_provisioned_concurrency_config(FunctionName="f", Qualifier="3")
    assert (await client.update_alias(**move, FunctionVersion="3"))["FunctionVersion"] == "3"
