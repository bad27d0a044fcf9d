"""Queues as boto3 makes, reads and changes them."""

import json

import pytest
from tests.faces.aws_sqs.conftest import Bench
from tests.faces.edge import call

ARN = "arn:aws:sqs:us-east-1:000000000000:{}"


async def test_a_queue_is_made_found_listed_and_deleted(sqs: Bench) -> None:
    url = await sqs.queue("work", VisibilityTimeout="5")
    assert url == f"{sqs.edge.url}/000000000000/work"
    assert (await sqs("get_queue_url", QueueName="work"))["QueueUrl"] == url
    other = await sqs.queue("play")
    assert (await sqs("list_queues"))["QueueUrls"] == [other, url]
    assert (await sqs("list_queues", QueueNamePrefix="wo"))["QueueUrls"] == [url]
    page = await sqs("list_queues", MaxResults=1)
    assert page["QueueUrls"] == [other]
    assert (await sqs("list_queues", MaxResults=1, NextToken=page["NextToken"]))["QueueUrls"] == [url]
    await sqs("delete_queue", QueueUrl=url)
    code, message = await sqs.refusal("get_queue_url", QueueName="work")
    assert (code, message) == (
        "AWS.SimpleQueueService.NonExistentQueue",
        "The specified queue does not exist.",
    )
    with pytest.raises(sqs.client.exceptions.QueueDoesNotExist):
        await call(sqs.client.receive_message, QueueUrl=url)


async def test_attributes_have_aws_defaults_and_can_be_changed(sqs: Bench) -> None:
    url = await sqs.queue()
    shown = (await sqs("get_queue_attributes", QueueUrl=url, AttributeNames=["All"]))["Attributes"]
    assert shown.pop("CreatedTimestamp") == shown.pop("LastModifiedTimestamp")
    assert shown == {
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "DelaySeconds": "0",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "QueueArn": ARN.format("work"),
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
        "VisibilityTimeout": "30",
    }
    redrive = json.dumps({"deadLetterTargetArn": ARN.format("dead"), "maxReceiveCount": "3"})
    await sqs(
        "set_queue_attributes", QueueUrl=url, Attributes={"DelaySeconds": "7", "RedrivePolicy": redrive}
    )
    names = ["DelaySeconds", "RedrivePolicy"]
    shown = (await sqs("get_queue_attributes", QueueUrl=url, AttributeNames=names))["Attributes"]
    assert shown["DelaySeconds"] == "7"
    assert json.loads(shown["RedrivePolicy"]) == {
        "deadLetterTargetArn": ARN.format("dead"),
        "maxReceiveCount": 3,
    }
    dead = await sqs.queue("dead")
    assert (await sqs("list_dead_letter_source_queues", QueueUrl=dead))["queueUrls"] == [url]
    assert "Attributes" not in await sqs("get_queue_attributes", QueueUrl=url)


async def test_what_is_the_same_is_made_twice_and_what_differs_is_refused(sqs: Bench) -> None:
    url = await sqs.queue("work", DelaySeconds="3")
    assert await sqs.queue("work", DelaySeconds="3") == url
    assert await sqs.queue("work") == url
    code, message = await sqs.refusal("create_queue", QueueName="work", Attributes={"DelaySeconds": "4"})
    assert code == "QueueAlreadyExists"
    assert message.endswith("a different value for attribute DelaySeconds")


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"Foo": "1"}, "InvalidAttributeName"),
        ({"FifoQueue": "true"}, "InvalidParameterValue"),
        ({"ContentBasedDeduplication": "true"}, "InvalidAttributeName"),
        ({"VisibilityTimeout": "43201"}, "InvalidAttributeValue"),
        ({"VisibilityTimeout": "x"}, "InvalidAttributeValue"),
        ({"MaximumMessageSize": "1048577"}, "InvalidAttributeValue"),
        ({"Policy": "no json"}, "InvalidAttributeValue"),
        ({"RedrivePolicy": "{}"}, "InvalidParameterValue"),
        ({"RedrivePolicy": '{"deadLetterTargetArn": "x", "maxReceiveCount": 1}'}, "InvalidParameterValue"),
        ({"RedrivePolicy": '{"deadLetterTargetArn": "x", "maxReceiveCount": 0}'}, "InvalidParameterValue"),
    ],
)
async def test_bad_attributes_are_refused(sqs: Bench, attributes: dict[str, str], code: str) -> None:
    assert (await sqs.refusal("create_queue", QueueName="work", Attributes=attributes))[0] == code
    assert "QueueUrls" not in await sqs("list_queues")


@pytest.mark.parametrize("name", ["a b", "x" * 81, "work.fifo", ""])
async def test_bad_names_are_refused(sqs: Bench, name: str) -> None:
    assert (await sqs.refusal("create_queue", QueueName=name))[0] == "InvalidParameterValue"


async def test_tags_are_kept(sqs: Bench) -> None:
    url = await sqs.queue()
    await sqs("tag_queue", QueueUrl=url, Tags={"a": "1", "b": "2"})
    await sqs("untag_queue", QueueUrl=url, TagKeys=["a"])
    assert (await sqs("list_queue_tags", QueueUrl=url))["Tags"] == {"b": "2"}


async def test_another_account_needs_the_queues_policy(sqs: Bench) -> None:
    url = await sqs.queue()
    code, _ = await sqs.refusal("send_message", sqs.other, QueueUrl=url, MessageBody="x")
    assert code == "AccessDenied"
    await sqs(
        "add_permission", QueueUrl=url, Label="them", AWSAccountIds=["111122223333"], Actions=["SendMessage"]
    )
    await call(sqs.other.send_message, QueueUrl=url, MessageBody="hello")
    assert (await sqs.refusal("receive_message", sqs.other, QueueUrl=url))[0] == "AccessDenied"
    assert [m["Body"] for m in await sqs.receive(url)] == ["hello"]
    await sqs("remove_permission", QueueUrl=url, Label="them")
    assert (await sqs.refusal("send_message", sqs.other, QueueUrl=url, MessageBody="x"))[0] == "AccessDenied"


async def test_a_queue_made_again_is_empty_and_knows_no_old_handle(sqs: Bench) -> None:
    url = await sqs.queue()
    await sqs("send_message", QueueUrl=url, MessageBody="old")
    (message,) = await sqs.receive(url)
    await sqs("delete_queue", QueueUrl=url)
    await sqs.queue()
    assert await sqs.receive(url) == []
    code, _ = await sqs.refusal("delete_message", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert code == "ReceiptHandleIsInvalid"
