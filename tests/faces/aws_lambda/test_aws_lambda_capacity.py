"""Capacity providers, as boto3 sees them."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.faces.aws_lambda.bench import ACCOUNT, Client, Refusal, arn

Refused = Callable[[Awaitable[Any]], Awaitable[Refusal]]
GIVEN = {
    "VpcConfig": {"SubnetIds": ["subnet-0123456789abcdef0"], "SecurityGroupIds": ["sg-0123456789abcdef0"]},
    "PermissionsConfig": {"CapacityProviderOperatorRoleArn": f"arn:aws:iam::{ACCOUNT}:role/operator"},
}
ARN = f"arn:aws:lambda:us-east-1:{ACCOUNT}:capacity-provider:here"
CONFIG = {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": ARN}}
HERE = {"CapacityProviderName": "here"}


async def test_a_provider_from_its_beginning_to_its_end(client: Client, refused: Refused) -> None:
    answer = await client.create_capacity_provider(**HERE, **GIVEN)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    made = answer["CapacityProvider"]
    assert made == {
        "CapacityProviderArn": ARN,
        "State": "Pending",
        **GIVEN,
        "CapacityProviderScalingConfig": {"MaxVCpuCount": 400, "ScalingMode": "Auto"},
        "LastModified": made["LastModified"],
    }
    shown = (await client.get_capacity_provider(**HERE))["CapacityProvider"]
    assert shown == {**made, "State": "Active"}
    assert (await client.list_capacity_providers())["CapacityProviders"] == [shown]
    assert (await client.list_capacity_providers(State="Failed"))["CapacityProviders"] == []
    changed = await client.update_capacity_provider(
        **HERE, CapacityProviderScalingConfig={"MaxVCpuCount": 12}
    )
    assert changed["CapacityProvider"]["CapacityProviderScalingConfig"] == {"MaxVCpuCount": 12}
    assert (await refused(client.create_capacity_provider(**HERE, **GIVEN))).status == 409
    gone = await client.delete_capacity_provider(CapacityProviderName=ARN)
    assert (gone["ResponseMetadata"]["HTTPStatusCode"], gone["CapacityProvider"]["State"]) == (
        202,
        "Deleting",
    )
    error = await refused(client.get_capacity_provider(**HERE))
    assert (error.status, error.code) == (404, "ResourceNotFoundException")


async def test_functions_name_it(client: Client, refused: Refused) -> None:
    error = await refused(client.begin("f", CapacityProviderConfig=CONFIG))
    assert (error.status, error.message) == (404, f"Capacity provider not found: {ARN}")
    await client.create_capacity_provider(**HERE, **GIVEN, Tags={"A": "1"})
    created = await client.create("f", CapacityProviderConfig=CONFIG, Publish=True)
    assert created["CapacityProviderConfig"] == CONFIG
    listed = await client.list_function_versions_by_capacity_provider(**HERE)
    assert listed["CapacityProviderArn"] == ARN
    assert listed["FunctionVersions"] == [
        {"FunctionArn": arn("f", qualifier), "State": "Active"} for qualifier in ("$LATEST", "1")
    ]
    assert (await refused(client.delete_capacity_provider(**HERE))).status == 409
    assert (await client.list_tags(Resource=ARN))["Tags"] == {"A": "1"}
