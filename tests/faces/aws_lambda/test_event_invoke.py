"""Event-invoke configurations as boto3 puts, changes and reads them; and InvokeAsync."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.faces.aws_lambda.bench import Bench, Client, Refusal, arn

QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
Refused = Callable[[Awaitable[Any]], Awaitable[Refusal]]


def shown(answer: dict[str, Any]) -> dict[str, Any]:
    answer.pop("ResponseMetadata")
    assert answer.pop("LastModified")
    return answer


async def test_put_replaces_and_update_adds(client: Client) -> None:
    await client.create("f")
    put = await client.put_function_event_invoke_config(
        FunctionName="f", MaximumRetryAttempts=0, DestinationConfig={"OnSuccess": {"Destination": QUEUE}}
    )
    expected = {
        "FunctionArn": arn("f", "$LATEST"),
        "MaximumRetryAttempts": 0,
        "DestinationConfig": {"OnSuccess": {"Destination": QUEUE}, "OnFailure": {}},
    }
    assert shown(put) == expected
    updated = await client.update_function_event_invoke_config(FunctionName="f", MaximumEventAgeInSeconds=60)
    expected["MaximumEventAgeInSeconds"] = 60
    assert shown(updated) == expected
    assert shown(await client.get_function_event_invoke_config(FunctionName="f")) == expected
    put = await client.put_function_event_invoke_config(FunctionName="f", MaximumEventAgeInSeconds=61)
    assert shown(put) == {
        "FunctionArn": arn("f", "$LATEST"),
        "MaximumEventAgeInSeconds": 61,
        "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}},
    }


async def test_each_qualifier_has_its_own_and_they_go_with_the_function(
    client: Client, refused: Refused
) -> None:
    await client.create("f")
    await client.publish_version(FunctionName="f")
    for qualifier, retries in (("$LATEST", 1), ("1", 2)):
        await client.put_function_event_invoke_config(
            FunctionName="f", Qualifier=qualifier, MaximumRetryAttempts=retries
        )
    listed = await client.list_function_event_invoke_configs(FunctionName="f")
    assert [c["FunctionArn"] for c in listed["FunctionEventInvokeConfigs"]] == [
        arn("f", "$LATEST"),
        arn("f", "1"),
    ]
    first = await client.list_function_event_invoke_configs(FunctionName="f", MaxItems=1)
    rest = await client.list_function_event_invoke_configs(FunctionName="f", Marker=first["NextMarker"])
    assert [c["MaximumRetryAttempts"] for c in rest["FunctionEventInvokeConfigs"]] == [2]
    await client.delete_function_event_invoke_config(FunctionName="f", Qualifier="1")
    refusal = await refused(client.get_function_event_invoke_config(FunctionName="f", Qualifier="1"))
    assert (refusal.status, refusal.code, refusal.message) == (
        404,
        "ResourceNotFoundException",
        f"The function {arn('f', '1')} doesn't have an EventInvokeConfig",
    )
    await client.delete_function(FunctionName="f")
    await client.create("f")
    assert (await refused(client.get_function_event_invoke_config(FunctionName="f"))).status == 404


@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        ({}, 400, "You must specify at least one of error handling or destination setting."),
        ({"FunctionName": "none", "MaximumRetryAttempts": 1}, 404, "The function doesn't exist."),
        ({"Qualifier": "7", "MaximumRetryAttempts": 1}, 404, "The function doesn't exist."),
        (
            {"DestinationConfig": {"OnSuccess": {"Destination": arn("f")}}},
            400,
            "You can't specify the function as a destination for itself.",
        ),
        (
            {"DestinationConfig": {"OnSuccess": {"Destination": arn("none")}}},
            400,
            f"The destination ARN {arn('none')} is invalid.",
        ),
        (
            {"DestinationConfig": {"OnFailure": {"Destination": f"{QUEUE}.fifo"}}},
            400,
            "The provided destination config DestinationConfig(onSuccess=null, "
            f"onFailure=OnFailure(destination={QUEUE}.fifo)) is invalid.",
        ),
        (
            {"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sns:us-east-1:000000000000:t"}}},
            400,
            "The destination ARN arn:aws:sns:us-east-1:000000000000:t is invalid. SNS topics are not part of "
            "Lambent: use an SQS queue or a Lambda function.",
        ),
    ],
)
async def test_what_cannot_be_is_refused(
    client: Client, refused: Refused, given: dict[str, Any], status: int, message: str
) -> None:
    await client.create("f")
    put = client.put_function_event_invoke_config(**{"FunctionName": "f", **given})
    refusal = await refused(put)
    assert (refusal.status, refusal.message) == (status, message)


async def test_an_update_needs_something_to_change(client: Client, refused: Refused) -> None:
    await client.create("f")
    change = client.update_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=1)
    assert (await refused(change)).message.endswith("doesn't have an EventInvokeConfig")


async def test_invoke_async_is_an_event(bench: Bench, client: Client, refused: Refused) -> None:
    await client.create("f")
    answer = await client.invoke_async(FunctionName="f", InvokeArgs=b'{"n": 1}')
    assert answer["Status"] == 202
    assert [(i.source, i.payload) for i in bench.echo.seen] == [("async", b'{"n": 1}')]
    assert (await refused(client.invoke_async(FunctionName="f", InvokeArgs=b"{"))).code == (
        "InvalidRequestContentException"
    )
    assert (await refused(client.invoke_async(FunctionName="none", InvokeArgs=b"{}"))).status == 404


async def test_a_loop_of_calls_is_stopped(bench: Bench, client: Client, refused: Refused) -> None:
    await client.create("f")
    trace = "Root=1-2-3"

    def send(request: Any, **_: Any) -> None:
        request.headers["X-Amzn-Trace-Id"] = trace

    client.plain.meta.events.register("before-sign.lambda.Invoke", send)
    for _ in range(16):
        await client.invoke(FunctionName="f")
        trace = bench.echo.seen[-1].trace_id
    refusal = await refused(client.invoke(FunctionName="f"))
    assert (refusal.status, refusal.code) == (400, "RecursiveInvocationException")
