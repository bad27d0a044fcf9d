"""Tenant isolation, as boto3 sees it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.faces.aws_lambda.bench import ACCOUNT, Bench, Client, Refusal

from lambent.model.queue import QueueKey

Refused = Callable[[Awaitable[Any]], Awaitable[Refusal]]
TENANCY = {"TenantIsolationMode": "PER_TENANT"}


@pytest.mark.parametrize("kind", ["RequestResponse", "Event"])
async def test_a_call_names_its_tenant(bench: Bench, client: Client, refused: Refused, kind: str) -> None:
    created = await client.create("f", TenancyConfig=TENANCY)
    assert created["TenancyConfig"] == TENANCY
    await client.invoke(FunctionName="f", TenantId="blue", InvocationType=kind)
    assert bench.echo.seen[-1].tenant == "blue"
    error = await refused(client.invoke(FunctionName="f", InvocationType=kind))
    assert (error.status, error.code) == (400, "InvalidParameterValueException")
    assert error.message == (
        "The invoked function is enabled with tenancy configuration. "
        "Add a valid tenant ID in your request and try again."
    )
    error = await refused(client.invoke(FunctionName="f", InvocationType=kind, TenantId="a|b"))
    assert (error.status, error.code) == (400, "ValidationException")
    assert error.message.startswith("1 validation error detected: Value 'a|b' at 'tenantId' failed")


async def test_other_functions_have_no_tenants(client: Client, refused: Refused) -> None:
    await client.create("f")
    error = await refused(client.invoke(FunctionName="f", TenantId="blue"))
    assert (error.status, error.code) == (400, "InvalidParameterValueException")
    assert error.message.startswith("The invoked function is not enabled with tenancy configuration.")


async def test_it_goes_with_nothing_that_is_made_ahead(client: Client, refused: Refused) -> None:
    error = await refused(
        client.begin("f", TenancyConfig=TENANCY, SnapStart={"ApplyOn": "PublishedVersions"})
    )
    assert error.message == "SnapStart is not supported for functions with tenancy configuration."
    await client.create("f", TenancyConfig=TENANCY, Publish=True)
    error = await refused(
        client.put_provisioned_concurrency_config(
            FunctionName="f", Qualifier="1", ProvisionedConcurrentExecutions=1
        )
    )
    assert error.code == "InvalidParameterValueException"
    kept = await client.update_function_configuration(FunctionName="f", Timeout=9)
    assert kept["TenancyConfig"] == TENANCY
    error = await refused(
        client.update_function_configuration(FunctionName="f", SnapStart={"ApplyOn": "PublishedVersions"})
    )
    assert error.message == "SnapStart is not supported for functions with tenancy configuration."


async def test_what_names_no_tenant_cannot_call_it(bench: Bench, client: Client, refused: Refused) -> None:
    await client.create("f", TenancyConfig=TENANCY)
    error = await refused(client.create_function_url_config(FunctionName="f", AuthType="NONE"))
    assert (error.status, error.code) == (400, "InvalidParameterValueException")
    assert error.message == "Function URLs are not supported for functions with tenancy configuration."
    queue = QueueKey(ACCOUNT, "us-east-1", "q")
    await bench.face.queues.create(queue, {})
    error = await refused(client.create_event_source_mapping(FunctionName="f", EventSourceArn=queue.arn))
    assert error.message.startswith("Event source mappings are not supported")
