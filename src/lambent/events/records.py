"""A message as a function gets it, and what SQS itself tells about one."""

from lambent.model.queue import Message

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
