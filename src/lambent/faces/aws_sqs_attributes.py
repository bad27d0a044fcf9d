"""A queue's attributes: AWS's names and limits for its settings, in AWS's words."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from lambent.faces.aws_sqs_wire import failure, invalid
from lambent.model.queue import MESSAGE_BYTES, MessageQueue, parse_queue_arn

RECEIVES = (1, 1000)


class _Number(NamedTuple):
    setting: str
    least: int
    most: int


_NUMBERS = {
    "DelaySeconds": _Number("delay_s", 0, 900),
    "MaximumMessageSize": _Number("max_message_bytes", 1024, MESSAGE_BYTES),
    "MessageRetentionPeriod": _Number("retention_s", 60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": _Number("wait_s", 0, 20),
    "VisibilityTimeout": _Number("visibility_timeout_s", 0, 43_200),
    "KmsDataKeyReusePeriodSeconds": _Number("kms_reuse_s", 60, 86_400),
}
_FLAGS = {
    "FifoQueue": "fifo",
    "ContentBasedDeduplication": "content_deduplication",
    "SqsManagedSseEnabled": "managed_encryption",
}
_CHOICES = {
    "DeduplicationScope": ("deduplication_scope", ("messageGroup", "queue")),
    "FifoThroughputLimit": ("throughput_limit", ("perQueue", "perMessageGroupId")),
}
_DOCUMENTS = {"Policy": "policy", "RedriveAllowPolicy": "redrive_allow"}
_FIFO_ONLY = ("FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")
# Only in the answer when they were set, or for queues of their kind.
_WHEN_SET = ("Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId")

_FACTS = ("QueueArn", "CreatedTimestamp", "LastModifiedTimestamp")
ATTRIBUTES = frozenset({*_NUMBERS, *_FLAGS, *_CHOICES, *_DOCUMENTS, *_WHEN_SET, *_FACTS})


def settings_of(attributes: Mapping[str, str], *, fifo: bool) -> dict[str, Any]:
    """The settings that attributes mean. Raises SQS's errors for names and values that it refuses."""
    settings: dict[str, Any] = {}
    for name, value in attributes.items():
        if name in _FIFO_ONLY and not fifo:
            raise failure("InvalidAttributeName", f"Unknown Attribute {name}.")
        if name in _NUMBERS:
            settings[_NUMBERS[name].setting] = _number(name, value)
        elif name in _FLAGS:
            settings[_FLAGS[name]] = _flag(name, value)
        elif name in _CHOICES:
            setting, allowed = _CHOICES[name]
            settings[setting] = value if value in allowed else _refuse(name)
        elif name in _DOCUMENTS:
            settings[_DOCUMENTS[name]] = _document(name, value)
        elif name == "RedrivePolicy":
            settings |= _redrive(value)
        elif name == "KmsMasterKeyId":
            settings |= {"kms_key": value, "managed_encryption": not value}
        else:
            raise failure("InvalidAttributeName", f"Unknown Attribute {name}.")
    return settings


def _refuse(name: str) -> Any:
    raise failure("InvalidAttributeValue", f"Invalid value for the parameter {name}.")


def _number(name: str, value: str) -> int:
    _, least, most = _NUMBERS[name]
    digits = value.isascii() and value.isdigit() and len(value) < 10
    return int(value) if digits and least <= int(value) <= most else _refuse(name)


def _flag(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        _refuse(name)
    return value.lower() == "true"


def _document(name: str, value: str) -> str:
    try:
        if value and not isinstance(orjson.loads(value), dict):
            _refuse(name)
    except orjson.JSONDecodeError:
        _refuse(name)
    return value


def _redrive(value: str) -> dict[str, Any]:
    if not value:
        return {"dead_letter": "", "max_receives": 0}
    told = orjson.loads(_document("RedrivePolicy", value))
    arn, count = told.get("deadLetterTargetArn"), str(told.get("maxReceiveCount", ""))
    if not arn or not count:
        lacking = "deadLetterTargetArn" if not arn else "maxReceiveCount"
        raise invalid(
            f"Value {value} for parameter RedrivePolicy is invalid. Reason: Redrive policy does not contain "
            f"mandatory attribute: {lacking}."
        )
    if not (count.isascii() and count.isdigit() and RECEIVES[0] <= int(count) <= RECEIVES[1]):
        raise invalid(
            f"Value {value} for parameter RedrivePolicy is invalid. Reason: Invalid value for "
            f"maxReceiveCount: {count}, valid values are from {RECEIVES[0]} to {RECEIVES[1]} both inclusive."
        )
    if parse_queue_arn(str(arn)) is None:
        raise invalid(
            f"Value {value} for parameter RedrivePolicy is invalid. Reason: Invalid value for "
            "deadLetterTargetArn."
        )
    return {"dead_letter": str(arn), "max_receives": int(count)}


def attributes_of(queue: MessageQueue) -> dict[str, str]:
    """The settings as AWS shows them."""
    shown = {name: str(getattr(queue, number.setting)) for name, number in _NUMBERS.items()}
    if not queue.kms_key:
        del shown["KmsDataKeyReusePeriodSeconds"]
    shown |= {name: str(getattr(queue, flag)).lower() for name, flag in _FLAGS.items()}
    shown |= {name: getattr(queue, setting) for name, (setting, _) in _CHOICES.items()}
    shown |= {name: getattr(queue, setting) for name, setting in _DOCUMENTS.items()}
    redrive = {"deadLetterTargetArn": queue.dead_letter, "maxReceiveCount": queue.max_receives}
    shown |= {
        "RedrivePolicy": orjson.dumps(redrive).decode() if queue.dead_letter else "",
        "KmsMasterKeyId": queue.kms_key,
        "QueueArn": queue.key.arn,
        "CreatedTimestamp": str(int(queue.created_at)),
        "LastModifiedTimestamp": str(int(queue.modified_at)),
    }
    hidden = () if queue.fifo else _FIFO_ONLY
    return {n: v for n, v in shown.items() if n not in hidden and (v or n not in _WHEN_SET)}
