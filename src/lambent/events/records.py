"""A message as a function gets it, and what SQS itself tells about one."""

from typing import Any

from lambent.events.digests import md5_of_attributes, md5_of_body
from lambent.model.queue import Message, MessageAttribute, MessageQueue

FIRST_SEQUENCE = 18_850_000_000_000_000_000  # AWS's sequence numbers have twenty digits


def sequence_number(sequence: int) -> str:
    return str(FIRST_SEQUENCE + 256 * sequence)


def system_attributes(message: Message, *, fifo: bool) -> dict[str, str]:
    """What SQS itself tells about a message; a mapping's records have the same."""
    told = {
        "SenderId": message.sender,
        "SentTimestamp": _milliseconds(message.sent_at),
        "ApproximateReceiveCount": str(message.receives),
        "ApproximateFirstReceiveTimestamp": _milliseconds(message.first_received_at),
        "SequenceNumber": sequence_number(message.sequence) if fifo else "",
        "MessageDeduplicationId": message.deduplication,
        "MessageGroupId": message.group,
        "AWSTraceHeader": message.trace,
        "DeadLetterQueueSourceArn": message.came_from,
    }
    return {name: value for name, value in told.items() if value}


def _milliseconds(moment: float) -> str:
    return str(int(moment * 1000))


def record(message: Message, queue: MessageQueue) -> dict[str, Any]:
    """One of the Records of an event."""
    told: dict[str, Any] = {
        "messageId": message.message_id,
        "receiptHandle": message.handle,
        "body": message.body,
        "attributes": system_attributes(message, fifo=queue.fifo),
        "messageAttributes": {attribute.name: _value(attribute) for attribute in message.attributes},
    }
    if message.attributes:
        told["md5OfMessageAttributes"] = md5_of_attributes(message.attributes)
    return told | {
        "md5OfBody": md5_of_body(message.body),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.key.arn,
        "awsRegion": queue.key.region,
    }


def _value(attribute: MessageAttribute) -> dict[str, Any]:
    text = {"stringValue": attribute.text} if attribute.text is not None else {"binaryValue": attribute.data}
    return {**text, "stringListValues": [], "binaryListValues": [], "dataType": attribute.type}
