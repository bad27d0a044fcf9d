"""Queues that start a function: made when they are missing, and mapped to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SCHEME = "sqs://"
TIMEOUTS = (
    6  # a queue waits so many times a function's timeout, as AWS advises, before it gives a message again
)
LEAST_S, MOST_S = 30, 43_200


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    """Messages in the queue of that name."""

    name: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.name}"


def parse(text: str) -> QueueTrigger | None:
    """`sqs://queue`; None for what is none."""
    name = text.removeprefix(SCHEME)
    return QueueTrigger(name) if name != text and name and "/" not in name else None


def ensure(sqs: Any, trigger: QueueTrigger, function_timeout_s: int) -> bool:
    """Make the queue unless it is there; True when it was made."""
    try:
        sqs.get_queue_url(QueueName=trigger.name)
    except sqs.exceptions.QueueDoesNotExist:
        seconds = min(max(LEAST_S, TIMEOUTS * function_timeout_s), MOST_S)
        attributes = {"VisibilityTimeout": str(seconds)}
        if trigger.name.endswith(".fifo"):
            attributes |= {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        sqs.create_queue(QueueName=trigger.name, Attributes=attributes)
        return True
    return False


def attach(functions: Any, trigger: QueueTrigger, function_arn: str) -> bool:
    """Map the queue to the function; False when it is already."""
    _, _, _, region, account, *_ = function_arn.split(":")
    source = f"arn:aws:sqs:{region}:{account}:{trigger.name}"
    try:
        functions.create_event_source_mapping(FunctionName=function_arn, EventSourceArn=source)
    except functions.exceptions.ResourceConflictException:
        return False
    return True


def detach(functions: Any, function_arn: str) -> list[str]:
    """Take every mapping of the function or its versions away; the queues that were mapped."""
    gone = [mapping for mapping in _mappings(functions) if _starts(mapping, function_arn)]
    for mapping in gone:
        functions.delete_event_source_mapping(UUID=mapping["UUID"])
    return [str(_trigger(mapping)) for mapping in gone]


def by_function(functions: Any) -> dict[str, list[str]]:
    """Queues of every function: its ARN → triggers."""
    found: dict[str, list[str]] = {}
    for mapping in _mappings(functions):
        found.setdefault(mapping["FunctionArn"], []).append(str(_trigger(mapping)))
    return found


def _mappings(functions: Any) -> Iterator[dict[str, Any]]:
    for page in functions.get_paginator("list_event_source_mappings").paginate():
        yield from (m for m in page["EventSourceMappings"] if ":sqs:" in m.get("EventSourceArn", ""))


def _trigger(mapping: dict[str, Any]) -> QueueTrigger:
    return QueueTrigger(mapping["EventSourceArn"].rpartition(":")[2])


def _starts(mapping: dict[str, Any], function_arn: str) -> bool:
    return f"{mapping['FunctionArn']}:".startswith(f"{function_arn}:")
