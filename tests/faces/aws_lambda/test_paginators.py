"""Every paginator that boto3 has for Lambda: three things, one on a page."""

import asyncio
from typing import Any

import pytest
from botocore.loaders import Loader
from tests.faces.aws_lambda.bench import ACCOUNT, Bench, Client, codec, zip_of

from lambent.faces.aws_lambda import LambdaFace

PAGINATORS = Loader().load_service_model("lambda", "paginators-1")["pagination"]
SERVED = [name for name in PAGINATORS if name not in LambdaFace.refused]
SIGNER = f"arn:aws:signer:us-east-1:{ACCOUNT}:/signing-profiles/p/v"
PROVIDER = {
    "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    "PermissionsConfig": {"CapacityProviderOperatorRoleArn": f"arn:aws:iam::{ACCOUNT}:role/r"},
}


async def fill(client: Client) -> dict[str, dict[str, Any]]:
    """Three of everything that is listed; what each operation is to be asked."""
    made = await client.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": [SIGNER]})
    signing = {"CodeSigningConfigArn": made["CodeSigningConfig"]["CodeSigningConfigArn"]}
    for name in ("p", "q", "r"):
        made = await client.create_capacity_provider(CapacityProviderName=name, **PROVIDER)
    managed = {"CapacityProviderArn": made["CapacityProvider"]["CapacityProviderArn"]}
    for name in ("f", "g", "h"):
        await client.create(
            name,
            CapacityProviderConfig={"LambdaManagedInstancesCapacityProviderConfig": managed},
            **signing,
        )
        await client.publish_layer_version(LayerName=name, Content={"ZipFile": zip_of()})
        await client.publish_layer_version(LayerName="f", Content={"ZipFile": zip_of(name)})
        await client.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": [SIGNER]})
    for number in ("1", "2", "3"):
        await client.update_function_configuration(FunctionName="f", Description=number)
        await client.wait("function_updated_v2", FunctionName="f")
        await client.publish_version(FunctionName="f")
        alias, one = f"a{number}", {"FunctionName": "f", "Qualifier": number}
        await client.create_alias(FunctionName="f", Name=alias, FunctionVersion=number)
        await client.create_function_url_config(FunctionName="f", Qualifier=alias, AuthType="NONE")
        await client.put_function_event_invoke_config(**one, MaximumRetryAttempts=1)
        await client.put_provisioned_concurrency_config(**one, ProvisionedConcurrentExecutions=1)
        stream = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{number}"
        await client.create_event_source_mapping(
            FunctionName="f", EventSourceArn=stream, StartingPosition="LATEST"
        )
    return {
        "ListFunctions": {},
        "ListLayers": {},
        "ListCodeSigningConfigs": {},
        "ListCapacityProviders": {},
        "ListEventSourceMappings": {},
        "ListLayerVersions": {"LayerName": "f"},
        "ListFunctionsByCodeSigningConfig": signing,
        "ListFunctionVersionsByCapacityProvider": {"CapacityProviderName": "r"},
        **{name: {"FunctionName": "f"} for name in PAGINATORS if has_function_name(name)},
    }


def has_function_name(operation: str) -> bool:
    shape = codec().model.operation_model(operation).input_shape
    return shape is not None and "FunctionName" in shape.required_members


@pytest.mark.parametrize("name", SERVED)
async def test_pages_together_are_the_whole(asked: tuple[Client, Any], name: str) -> None:
    client, given = asked
    key, operation = PAGINATORS[name]["result_key"], codec()._methods[name]

    def pages(size: int) -> list[list[Any]]:
        settings = {"PageSize": size}
        paginator = client.plain.get_paginator(operation)
        return [page[key] for page in paginator.paginate(**given[name], PaginationConfig=settings)]

    (whole,) = await asyncio.to_thread(pages, 50)
    single = await asyncio.to_thread(pages, 1)
    assert len(whole) >= 3
    assert single == [[item] for item in whole]


@pytest.fixture
async def asked(bench: Bench, client: Client) -> tuple[Client, dict[str, dict[str, Any]]]:
    return client, await fill(client)
