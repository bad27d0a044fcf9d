"""Writes become messages: with a real SeaweedFS, the bucket's rules and the queue's policy."""

import json

import pytest
from tests.objects.bench import ALICE, Bench

from lambent.events.message_rows import Wish
from lambent.model.queue import MessageQueue, QueueKey
from lambent.objects.errors import S3Error

pytestmark = pytest.mark.slow

KEY = QueueKey(ALICE.account, "us-east-1", "uploads")
POLICY = {
    "Statement": {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": KEY.arn,
        "Condition": {"StringEquals": {"aws:SourceAccount": ALICE.account}},
    }
}


def rule(arn: str = KEY.arn) -> bytes:
    one = f"<Id>r</Id><Queue>{arn}</Queue><Event>s3:ObjectCreated:*</Event>"
    inside = f"<QueueConfiguration>{one}</QueueConfiguration>"
    return f"<NotificationConfiguration>{inside}</NotificationConfiguration>".encode()


async def put(bench: Bench, body: bytes, **headers: str) -> None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    await bench.ask("PUT", body=body, query={"notification": ""}, headers=named)


async def received(bench: Bench, queue: MessageQueue) -> list[dict[str, object]]:
    await bench.gateway.settled()
    messages = await bench.messages.receive(queue, Wish(10, 600))
    return [json.loads(message.body) for message in messages]


async def test_a_queue_gets_the_test_event_and_then_every_write(bench: Bench) -> None:
    await bench.ask("PUT")
    queue = await bench.queues.create(KEY, {"policy": json.dumps(POLICY)})
    await put(bench, rule())
    (test,) = await received(bench, queue)
    assert (test["Service"], test["Event"], test["Bucket"]) == ("Amazon S3", "s3:TestEvent", bench.bucket)
    await bench.ask("PUT", "a b", b"12345", headers={"x-amzn-trace-id": "Root=1-2-3;Lineage=ab:1"})
    await bench.gateway.settled()
    (message,) = await bench.messages.receive(queue, Wish(10, 600))
    (record,) = json.loads(message.body)["Records"]
    assert (record["eventName"], record["s3"]["object"]["key"]) == ("ObjectCreated:Put", "a+b")
    assert record["s3"]["configurationId"] == "r"
    assert message.trace == "Root=1-2-3;Lineage=ab:1"


async def test_a_policy_that_is_taken_back_stops_the_messages(bench: Bench) -> None:
    await bench.ask("PUT")
    queue = await bench.queues.create(KEY, {})
    await put(bench, rule(), x_amz_skip_destination_validation="true")
    await bench.ask("PUT", "k", b"1")
    assert await received(bench, queue) == []


@pytest.mark.parametrize(
    ("settings", "arn", "why"),
    [
        ({}, KEY.arn, "Permissions on the destination queue do not allow S3 to publish notifications"),
        ({}, f"{KEY.arn}-none", "The destination queue does not exist"),
    ],
)
async def test_a_queue_that_would_not_take_it_is_refused(
    bench: Bench, settings: dict[str, str], arn: str, why: str
) -> None:
    await bench.ask("PUT")
    await bench.queues.create(KEY, settings)
    with pytest.raises(S3Error) as caught:
        await put(bench, rule(arn))
    assert caught.value.message == "Unable to validate the following destination configurations"
    assert caught.value.fields["ArgumentName1"] == f"{arn}, null"
    assert caught.value.fields["ArgumentValue1"].startswith(why)
