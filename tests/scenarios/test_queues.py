"""Queues and functions together, on a whole node: kills, loops, and ends that are told."""

import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.conftest import RunningNode
from tests.scenarios.test_kill import child, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

WRITES = """
import boto3, json
s3 = boto3.client("s3")
def handler(event, context):
    for record in event["Records"]:
        n = json.loads(record["body"])["n"]
        key = f"{n}/{record['attributes']['ApproximateReceiveCount']}-{context.aws_request_id}"
        s3.put_object(Bucket="seen", Key=key, Body=b"x")
"""
AGAIN = """
import boto3, os
s3 = boto3.client("s3")
def handler(event, context):
    key = event["Records"][0]["s3"]["object"]["key"]
    s3.put_object(Bucket="loop", Key=f"{key}x", Body=b"x")
"""
ANSWERS = """
def handler(event, context):
    if event["bad"]:
        raise ValueError("boom")
    return "fine"
"""


def keys(node: RunningNode, bucket: str) -> list[str]:
    found: list[str] = []
    for page in node.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket):
        found += [entry["Key"] for entry in page.get("Contents", [])]
    return found


def queue(node: RunningNode, name: str, **attributes: str) -> tuple[str, str]:
    """URL and ARN of a new queue."""
    sqs = node.client("sqs")
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, f"arn:aws:sqs:us-east-1:000000000000:{name}"


def test_no_message_is_lost_through_kill_9(new_node: Callable[..., RunningNode]) -> None:
    node = new_node()
    node.client("s3").create_bucket(Bucket="seen")
    node.deploy("writes", WRITES, Timeout=10, MemorySize=512)
    url, arn = queue(node, "work", VisibilityTimeout="15")
    node.client("lambda").create_event_source_mapping(FunctionName="writes", EventSourceArn=arn, BatchSize=5)
    sqs = node.client("sqs")
    for begin in range(0, 100, 10):
        entries = [{"Id": str(n), "MessageBody": json.dumps({"n": n})} for n in range(begin, begin + 10)]
        assert len(sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 10
    until(lambda: len(keys(node, "seen")) > 5, "some messages have run")
    assert node.process is not None
    os.kill(child(node, "lambent.serving"), signal.SIGKILL)
    node.process.wait(30)
    until(lambda: not node.answers(), "the port is given back")
    node.start()
    wanted = {str(n) for n in range(100)}
    until(lambda: {key.split("/")[0] for key in keys(node, "seen")} == wanted, "all ran")
    sqs = node.client("sqs")
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def left() -> bool:
        shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return any(int(shown[name]) for name in names)

    until(lambda: not left(), "the queue is empty")
    first = [key.split("/")[0] for key in keys(node, "seen") if key.split("/")[1].startswith("1-")]
    assert len(first) == len(set(first))  # nothing was received for the first time twice


def test_uploads_ends_and_loops(new_node: Callable[..., RunningNode]) -> None:
    node = new_node()
    a_function_that_writes_into_its_own_bucket_is_stopped(node)
    ends_are_told(node)


def a_function_that_writes_into_its_own_bucket_is_stopped(node: RunningNode) -> None:
    s3, functions = node.client("s3"), node.client("lambda")
    s3.create_bucket(Bucket="loop")
    node.deploy("again", AGAIN, Timeout=30, MemorySize=512)
    dead, dead_arn = queue(node, "dead")
    functions.update_function_configuration(FunctionName="again", DeadLetterConfig={"TargetArn": dead_arn})
    functions.get_waiter("function_updated_v2").wait(FunctionName="again", WaiterConfig={"Delay": 1})
    arn = "arn:aws:lambda:us-east-1:000000000000:function:again"
    functions.add_permission(
        FunctionName="again", StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"
    )
    rule = {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket="loop", NotificationConfiguration={"LambdaFunctionConfigurations": [rule]}
    )
    s3.put_object(Bucket="loop", Key="x", Body=b"x")
    letter = receive(node, dead)
    assert json.loads(letter["Body"])["Records"][0]["s3"]["object"]["key"] == "x" * 17
    assert sorted(keys(node, "loop"), key=len) == ["x" * n for n in range(1, 18)]


def ends_are_told(node: RunningNode) -> None:
    functions = node.client("lambda")
    node.deploy("answers", ANSWERS)
    told, told_arn = queue(node, "told")
    ends = {"OnSuccess": {"Destination": told_arn}, "OnFailure": {"Destination": told_arn}}
    functions.put_function_event_invoke_config(
        FunctionName="answers", MaximumRetryAttempts=0, DestinationConfig=ends
    )
    for bad, condition in ((False, "Success"), (True, "RetriesExhausted")):
        functions.invoke(FunctionName="answers", InvocationType="Event", Payload=json.dumps({"bad": bad}))
        story = json.loads(receive(node, told)["Body"])
        assert story["requestContext"]["condition"] == condition
        assert story["requestPayload"] == {"bad": bad}


def receive(node: RunningNode, url: str) -> dict[str, Any]:
    deadline = time.monotonic() + 90
    sqs = node.client("sqs")
    while time.monotonic() < deadline:
        answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)
        for message in answer.get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found: dict[str, Any] = message
            return found
    raise AssertionError(f"nothing came to {url}:\n{node.log()}")
