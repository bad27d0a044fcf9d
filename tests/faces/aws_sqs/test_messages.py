"""Messages as boto3 sends, receives and deletes them; it compares every MD5 itself."""

import asyncio
import json
from typing import Any

import pytest
from tests.faces.aws_sqs.conftest import Bench

from lambent.events import messages as messages_module

ARN = "arn:aws:sqs:us-east-1:000000000000:{}"


async def test_a_message_comes_back_with_all_that_it_had(sqs: Bench) -> None:
    url = await sqs.queue()
    attributes: dict[str, Any] = {
        "who": {"DataType": "String", "StringValue": "Zoë"},
        "n": {"DataType": "Number.int", "StringValue": "12"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    trace = {
        "AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}
    }
    sent = await sqs(
        "send_message",
        QueueUrl=url,
        MessageBody='{"é": 1}',
        MessageAttributes=attributes,
        MessageSystemAttributes=trace,
    )
    assert {"MD5OfMessageBody", "MD5OfMessageAttributes", "MD5OfMessageSystemAttributes"} < set(sent)
    (message,) = await sqs.receive(url, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"])
    assert message["MessageId"] == sent["MessageId"]
    assert message["Body"] == '{"é": 1}'
    assert message["MessageAttributes"] == attributes
    told = message["Attributes"]
    assert told["ApproximateReceiveCount"] == "1"
    assert told["SenderId"] == "000000000000"
    assert told["AWSTraceHeader"] == trace["AWSTraceHeader"]["StringValue"]
    assert set(told) - {"SentTimestamp", "ApproximateFirstReceiveTimestamp"} == {
        "ApproximateReceiveCount",
        "SenderId",
        "AWSTraceHeader",
    }


async def test_only_what_is_asked_for_is_told(sqs: Bench) -> None:
    url = await sqs.queue(VisibilityTimeout="0")
    given = {name: {"DataType": "String", "StringValue": "v"} for name in ("a.x", "a.y", "b")}
    await sqs("send_message", QueueUrl=url, MessageBody="m", MessageAttributes=given)
    (message,) = await sqs.receive(url)
    assert set(message) == {"MessageId", "ReceiptHandle", "MD5OfBody", "Body"}
    (message,) = await sqs.receive(url, MessageAttributeNames=["a.*"], AttributeNames=["SentTimestamp"])
    assert set(message["MessageAttributes"]) == {"a.x", "a.y"}
    assert set(message["Attributes"]) == {"SentTimestamp"}


async def test_a_received_message_is_unseen_until_its_time_is_over(sqs: Bench) -> None:
    url = await sqs.queue(VisibilityTimeout="30")
    await sqs("send_message", QueueUrl=url, MessageBody="m")
    (first,) = await sqs.receive(url)
    assert await sqs.receive(url) == []
    sqs.offset_s = 31
    (again,) = await sqs.receive(url, AttributeNames=["ApproximateReceiveCount"])
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    assert again["ReceiptHandle"] != first["ReceiptHandle"]
    await sqs("delete_message", QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
    sqs.offset_s = 90
    assert await sqs.receive(url) == []
    await sqs("delete_message", QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])


async def test_visibility_can_be_changed_while_somebody_works(sqs: Bench) -> None:
    url = await sqs.queue()
    await sqs("send_message", QueueUrl=url, MessageBody="m")
    (message,) = await sqs.receive(url)
    handle = message["ReceiptHandle"]
    await sqs("change_message_visibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    (message,) = await sqs.receive(url)
    code, text = await sqs.refusal(
        "change_message_visibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=5
    )
    assert code == "InvalidParameterValue"
    assert "is not available for visibility timeout change" in text
    entries = [
        {"Id": "a", "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0},
        {"Id": "b", "ReceiptHandle": "nonsense", "VisibilityTimeout": 0},
    ]
    answer = await sqs("change_message_visibility_batch", QueueUrl=url, Entries=entries)
    assert answer["Successful"] == [{"Id": "a"}]
    assert [(e["Id"], e["Code"]) for e in answer["Failed"]] == [("b", "ReceiptHandleIsInvalid")]
    assert len(await sqs.receive(url)) == 1


async def test_a_delayed_message_comes_later(sqs: Bench) -> None:
    url = await sqs.queue(DelaySeconds="60")
    await sqs("send_message", QueueUrl=url, MessageBody="late")
    await sqs("send_message", QueueUrl=url, MessageBody="now", DelaySeconds=0)
    assert [m["Body"] for m in await sqs.receive(url)] == ["now"]
    names = ["ApproximateNumberOfMessagesDelayed", "ApproximateNumberOfMessagesNotVisible"]
    shown = await sqs("get_queue_attributes", QueueUrl=url, AttributeNames=names)
    assert shown["Attributes"] == dict.fromkeys(names, "1")
    sqs.offset_s = 61
    assert "late" in [m["Body"] for m in await sqs.receive(url)]


async def test_a_long_poll_ends_with_the_first_message(sqs: Bench) -> None:
    url = await sqs.queue()
    polls = [asyncio.create_task(sqs.receive(url, WaitTimeSeconds=20)) for _ in range(2)]
    await sqs("send_message", QueueUrl=url, MessageBody="m")
    done, waiting = await asyncio.wait(polls, timeout=15, return_when=asyncio.FIRST_COMPLETED)
    assert [[m["Body"] for m in poll.result()] for poll in done] == [["m"]]
    assert len(waiting) == 1
    await sqs("send_message", QueueUrl=url, MessageBody="n")
    assert [m["Body"] for m in await waiting.pop()] == ["n"]


async def test_a_long_poll_of_a_deleted_queue_ends(sqs: Bench) -> None:
    url = await sqs.queue()
    poll = asyncio.create_task(sqs.receive(url, WaitTimeSeconds=20))
    while not sqs.messages.waiting:
        await asyncio.sleep(0)
    await sqs("delete_queue", QueueUrl=url)
    async with asyncio.timeout(15):
        assert await poll == []


async def test_a_long_poll_wakes_for_what_becomes_visible(sqs: Bench) -> None:
    url = await sqs.queue()
    await sqs("send_message", QueueUrl=url, MessageBody="m", DelaySeconds=1)
    assert [m["Body"] for m in await sqs.receive(url, WaitTimeSeconds=20)] == ["m"]


async def test_what_was_received_too_often_goes_to_the_dead_letter_queue(sqs: Bench) -> None:
    dead = await sqs.queue("dead")
    redrive = json.dumps({"deadLetterTargetArn": ARN.format("dead"), "maxReceiveCount": 2})
    url = await sqs.queue("work", RedrivePolicy=redrive, VisibilityTimeout="0")
    sent = await sqs("send_message", QueueUrl=url, MessageBody="bad")
    for _ in range(2):
        assert len(await sqs.receive(url)) == 1
    assert await sqs.receive(url) == []
    (message,) = await sqs.receive(dead, AttributeNames=["DeadLetterQueueSourceArn"])
    assert message["MessageId"] == sent["MessageId"]
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == ARN.format("work")


async def test_old_messages_expire(sqs: Bench) -> None:
    url = await sqs.queue(MessageRetentionPeriod="60")
    await sqs("send_message", QueueUrl=url, MessageBody="m")
    sqs.offset_s = 61
    assert await sqs.receive(url) == []
    sqs.offset_s = 0
    assert await sqs.receive(url) == []  # gone, not only unseen


async def test_a_purged_queue_is_empty(sqs: Bench) -> None:
    url = await sqs.queue()
    await sqs("send_message", QueueUrl=url, MessageBody="m")
    await sqs("purge_queue", QueueUrl=url)
    assert await sqs.receive(url) == []


async def test_a_batch_has_a_result_for_each(sqs: Bench) -> None:
    url = await sqs.queue()
    entries = [
        {"Id": "a", "MessageBody": "1"},
        {"Id": "b", "MessageBody": "2", "DelaySeconds": 901},
        {"Id": "c", "MessageBody": "\x00"},
    ]
    answer = await sqs("send_message_batch", QueueUrl=url, Entries=entries)
    assert [e["Id"] for e in answer["Successful"]] == ["a"]
    assert [(e["Id"], e["Code"]) for e in answer["Failed"]] == [
        ("b", "InvalidParameterValue"),
        ("c", "InvalidMessageContents"),
    ]
    (message,) = await sqs.receive(url)
    entries = [
        {"Id": "x", "ReceiptHandle": message["ReceiptHandle"]},
        {"Id": "y", "ReceiptHandle": "nonsense"},
    ]
    answer = await sqs("delete_message_batch", QueueUrl=url, Entries=entries)
    assert [e["Id"] for e in answer["Successful"]] == ["x"]
    assert [e["Id"] for e in answer["Failed"]] == ["y"]


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([], "EmptyBatchRequest"),
        ([{"Id": str(n), "MessageBody": "m"} for n in range(11)], "TooManyEntriesInBatchRequest"),
        ([{"Id": "a", "MessageBody": "m"}] * 2, "BatchEntryIdsNotDistinct"),
        ([{"Id": "a b", "MessageBody": "m"}], "InvalidBatchEntryId"),
        ([{"Id": str(n), "MessageBody": "m" * 600_000} for n in range(2)], "BatchRequestTooLong"),
    ],
)
async def test_bad_batches_are_refused(sqs: Bench, entries: list[dict[str, Any]], code: str) -> None:
    url = await sqs.queue()
    refusal = await sqs.refusal("send_message_batch", QueueUrl=url, Entries=entries)
    assert refusal[0] == f"AWS.SimpleQueueService.{code}"
    assert await sqs.receive(url) == []


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"MessageBody": ""}, "MissingParameter"),
        ({"MessageBody": "x" * 1_048_577}, "InvalidParameterValue"),
        ({"MessageBody": "\x0b"}, "InvalidMessageContents"),
        ({"MessageBody": "m", "DelaySeconds": -1}, "InvalidParameterValue"),
        ({"MessageBody": "m", "MessageDeduplicationId": "d"}, "InvalidParameterValue"),
        ({"MessageBody": "m", "MessageAttributes": {"a": {"DataType": "List"}}}, "InvalidParameterValue"),
        ({"MessageBody": "m", "MessageAttributes": {"a": {"DataType": "String"}}}, "InvalidParameterValue"),
        (
            {"MessageBody": "m", "MessageAttributes": {"a": {"DataType": "Number", "StringValue": "x"}}},
            "InvalidParameterValue",
        ),
    ],
)
async def test_bad_messages_are_refused(sqs: Bench, given: dict[str, Any], code: str) -> None:
    url = await sqs.queue()
    assert (await sqs.refusal("send_message", QueueUrl=url, **given))[0] == code


@pytest.mark.parametrize(
    "given", [{"MaxNumberOfMessages": 11}, {"MaxNumberOfMessages": 0}, {"WaitTimeSeconds": 21}]
)
async def test_bad_receives_are_refused(sqs: Bench, given: dict[str, int]) -> None:
    url = await sqs.queue()
    code, text = await sqs.refusal("receive_message", QueueUrl=url, **given)
    ((parameter, value),) = given.items()
    assert code == "InvalidParameterValue"
    assert text.startswith(f"Value {value} for parameter {parameter} is invalid.")


async def test_too_many_in_flight_are_told_to_who_does_not_wait(
    sqs: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages_module, "IN_FLIGHT", 1)
    url = await sqs.queue()
    for body in "ab":
        await sqs("send_message", QueueUrl=url, MessageBody=body)
    monkeypatch.setattr(messages_module, "FULL_EVERY_S", 0.0)
    assert len(await sqs.receive(url, 1)) == 1
    code, message = await sqs.refusal("receive_message", QueueUrl=url)
    assert code == "OverLimit"
    assert "in flight" in message
    assert await sqs.receive(url, WaitTimeSeconds=1) == []
