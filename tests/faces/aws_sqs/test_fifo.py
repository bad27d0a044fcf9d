"""FIFO queues: the order of each group, and what is sent twice."""

from typing import Any

import pytest
from tests.faces.aws_sqs.conftest import Bench


async def fifo(sqs: Bench, **attributes: str) -> str:
    return await sqs.queue("work.fifo", FifoQueue="true", **attributes)


async def send(sqs: Bench, url: str, body: str, group: str = "g", **given: Any) -> dict[str, Any]:
    given.setdefault("MessageDeduplicationId", body)
    return await sqs("send_message", QueueUrl=url, MessageBody=body, MessageGroupId=group, **given)


async def bodies(sqs: Bench, url: str, count: int = 10) -> list[str]:
    return [m["Body"] for m in await sqs.receive(url, count)]


async def test_a_group_goes_on_when_its_messages_are_done(sqs: Bench) -> None:
    url = await fifo(sqs)
    for body in ("a1", "a2", "a3"):
        await send(sqs, url, body, "a")
    await send(sqs, url, "b1", "b")
    first = await sqs.receive(url, 2)
    assert [m["Body"] for m in first] == ["a1", "a2"]
    assert await bodies(sqs, url) == ["b1"]
    await sqs("delete_message", QueueUrl=url, ReceiptHandle=first[0]["ReceiptHandle"])
    assert await bodies(sqs, url) == []
    await sqs("delete_message", QueueUrl=url, ReceiptHandle=first[1]["ReceiptHandle"])
    assert await bodies(sqs, url) == ["a3"]


async def test_a_failed_message_comes_again_before_the_rest_of_its_group(sqs: Bench) -> None:
    url = await fifo(sqs)
    for body in ("1", "2"):
        await send(sqs, url, body)
    (message,) = await sqs.receive(url, 1)
    handle = message["ReceiptHandle"]
    await sqs("change_message_visibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    assert await bodies(sqs, url) == ["1", "2"]


async def test_what_is_sent_twice_is_there_once(sqs: Bench) -> None:
    url = await fifo(sqs)
    first = await send(sqs, url, "m", MessageDeduplicationId="d")
    again = await send(sqs, url, "other", MessageDeduplicationId="d")
    assert (again["MessageId"], again["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
    (message,) = await sqs.receive(url, AttributeNames=["All"])
    assert message["Body"] == "m"
    told = message["Attributes"]
    assert (told["MessageGroupId"], told["MessageDeduplicationId"]) == ("g", "d")
    assert told["SequenceNumber"] == first["SequenceNumber"]
    await sqs("delete_message", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    await send(sqs, url, "m", MessageDeduplicationId="d")
    assert await bodies(sqs, url) == []
    sqs.offset_s = 301
    await send(sqs, url, "later", MessageDeduplicationId="d")
    assert await bodies(sqs, url) == ["later"]


async def test_the_body_can_be_what_tells_messages_apart(sqs: Bench) -> None:
    url = await fifo(sqs, ContentBasedDeduplication="true")
    for body in ("x", "x", "y"):
        await sqs("send_message", QueueUrl=url, MessageBody=body, MessageGroupId="g")
    assert await bodies(sqs, url) == ["x", "y"]


async def test_groups_can_tell_messages_apart_each_for_itself(sqs: Bench) -> None:
    url = await fifo(sqs, DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")
    for group in ("a", "b", "a"):
        await send(sqs, url, f"of {group}", group, MessageDeduplicationId="d")
    assert await bodies(sqs, url) == ["of a", "of b"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"MessageDeduplicationId": "d"}, "MissingParameter"),
        ({"MessageGroupId": "g"}, "InvalidParameterValue"),
        ({"MessageGroupId": "g", "MessageDeduplicationId": "d", "DelaySeconds": 5}, "InvalidParameterValue"),
        ({"MessageGroupId": "g g", "MessageDeduplicationId": "d"}, "InvalidParameterValue"),
    ],
)
async def test_what_does_not_fit_is_refused(sqs: Bench, given: dict[str, Any], code: str) -> None:
    url = await fifo(sqs)
    assert (await sqs.refusal("send_message", QueueUrl=url, MessageBody="m", **given))[0] == code
