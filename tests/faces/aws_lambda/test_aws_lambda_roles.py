"""Execution roles: whom they trust, and what they must allow before a configuration is taken."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.faces.aws_lambda.bench import ACCOUNT, Bench, Client, Refusal

from lambent.events.roles import NOT_ASSUMABLE
from lambent.model.queue import QueueKey
from lambent.model.role import Role

Refused = Callable[[Awaitable[Any]], Awaitable[Refusal]]
ROLE = f"arn:aws:iam::{ACCOUNT}:role/known"
QUEUE = QueueKey(ACCOUNT, "us-east-1", "q")


async def message(refused: Refused, call: Awaitable[Any]) -> str:
    refusal = await refused(call)
    assert (refusal.status, refusal.code) == (400, "InvalidParameterValueException")
    return refusal.message


def trust(service: str, **more: Any) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allow(*actions: str) -> dict[str, str]:
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    return {"p": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}


@pytest.fixture
async def client(bench: Bench) -> Client:
    role = Role(
        account=ACCOUNT,
        name="known",
        role_id="AROA1",
        trust_policy=trust("lambda.amazonaws.com"),
        created_at=0.0,
    )
    await bench.directory.roles.create(role)
    await bench.face.queues.create(QUEUE, {"visibility_timeout_s": 30})
    return bench.client()


async def change(bench: Bench, **changes: Any) -> None:
    await bench.directory.roles.update(ACCOUNT, "known", lambda role: replace(role, **changes))


async def test_a_role_must_trust_lambda(bench: Bench, client: Client, refused: Refused) -> None:
    await client.create("f", Role=ROLE)
    await change(bench, trust_policy=trust("ec2.amazonaws.com"))
    assert await message(refused, client.create("g", Role=ROLE)) == NOT_ASSUMABLE
    await client.create("h")
    refusal = await message(refused, client.update_function_configuration(FunctionName="h", Role=ROLE))
    assert refusal == NOT_ASSUMABLE
    only = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    await change(bench, trust_policy=trust("lambda.amazonaws.com", Condition=only))
    await client.create("i", Role=ROLE)


async def test_a_role_that_was_deleted_is_not_assumable(
    bench: Bench, client: Client, refused: Refused
) -> None:
    await bench.directory.roles.delete(ACCOUNT, "known")
    assert await message(refused, client.create("f", Role=ROLE)) == NOT_ASSUMABLE
    await client.create("g", Role=f"arn:aws:iam::{ACCOUNT}:role/never-made")


async def test_a_mapping_needs_a_role_that_may_receive(
    bench: Bench, client: Client, refused: Refused
) -> None:
    await client.create("f", Role=ROLE)
    words = "The provided execution role does not have permissions to call {} on SQS"
    wanted = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
    for given, action in enumerate(("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")):
        await change(bench, inline=allow("logs:*", *wanted[:given]))
        call = client.create_event_source_mapping(FunctionName="f", EventSourceArn=QUEUE.arn)
        assert await message(refused, call) == words.format(action)
    await change(bench, inline=allow(*wanted))
    assert await client.create_event_source_mapping(FunctionName="f", EventSourceArn=QUEUE.arn)


async def test_letters_need_a_role_that_may_send(bench: Bench, client: Client, refused: Refused) -> None:
    dead_letters = {"TargetArn": QUEUE.arn}
    refusal = await message(refused, client.create("f", Role=ROLE, DeadLetterConfig=dead_letters))
    words = "The provided execution role does not have permissions to call SendMessage on SQS"
    assert refusal == words
    await client.create("f", Role=ROLE)
    destination = {"OnFailure": {"Destination": QUEUE.arn}}
    call = client.put_function_event_invoke_config(FunctionName="f", DestinationConfig=destination)
    words = f"The function's execution role does not have permissions to call SendMessage on {QUEUE.arn}"
    assert await message(refused, call) == words
    await change(bench, inline=allow("sqs:SendMessage"))
    await client.wait("function_active_v2", FunctionName="f")
    await client.update_function_configuration(FunctionName="f", DeadLetterConfig=dead_letters)
    await client.put_function_event_invoke_config(FunctionName="f", DestinationConfig=destination)


async def test_a_topic_takes_no_dead_letters(client: Client, refused: Refused) -> None:
    topic = "arn:aws:sns:us-east-1:000000000000:t"
    refusal = await message(refused, client.create("f", DeadLetterConfig={"TargetArn": topic}))
    assert topic in refusal
    assert "SQS" in refusal
