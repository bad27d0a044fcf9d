"""A message queue, what is sent to it and what is received from it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

_ARN = re.compile(r"arn:aws[a-z-]*:sqs:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):(?P<name>[\w.-]{1,80})")

MESSAGE_BYTES = 1_048_576  # AWS's limit since August 2025, for one message and for a batch
RECEIVED_AT_ONCE = 10
RECEIVED_BYTES = 10 * MESSAGE_BYTES
DEDUPLICATION_S = 300.0
IN_FLIGHT = 120_000  # AWS's limit of messages that are being worked on


class QueueKey(NamedTuple):
    """What a queue is kept under: names are unique within an account and region."""

    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        return f"arn:aws:sqs:{self.region}:{self.account}:{self.name}"


def parse_queue_arn(arn: str) -> QueueKey | None:
    found = _ARN.fullmatch(arn)
    return QueueKey(found["account"], found["region"], found["name"]) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageQueue:
    """A queue and its settings. `id` is never given twice: a queue made again is another one."""

    id: int
    key: QueueKey
    created_at: float
    modified_at: float
    delay_s: int = 0
    max_message_bytes: int = MESSAGE_BYTES
    retention_s: int = 345_600
    wait_s: int = 0
    visibility_timeout_s: int = 30
    policy: str = ""  # JSON text
    dead_letter: str = ""  # ARN of the queue for what was received too often
    max_receives: int = 0
    redrive_allow: str = ""  # JSON text
    fifo: bool = False
    content_deduplication: bool = False
    deduplication_scope: str = "queue"
    throughput_limit: str = "perQueue"
    kms_key: str = ""
    kms_reuse_s: int = 300
    managed_encryption: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)


class MessageAttribute(NamedTuple):
    """A typed value beside a message's body: text, or `data` in base64."""

    name: str
    type: str  # String, Number or Binary, with a label of the sender's after a dot
    text: str | None = None
    data: str | None = None


class Draft(NamedTuple):
    """A message before it is in a queue."""

    body: str
    sender: str  # SenderId
    attributes: tuple[MessageAttribute, ...] = ()
    trace: str = ""  # AWSTraceHeader
    delay_s: int | None = None  # None: the queue's own
    group: str = ""
    deduplication: str = ""


class Sent(NamedTuple):
    """What a sender gets: the same for a message that was there already."""

    message_id: str
    sequence: int


class Message(NamedTuple):
    """A received message. It stays in its queue, unseen, until `handle` is used to delete it."""

    message_id: str
    handle: str
    body: str
    attributes: tuple[MessageAttribute, ...]
    sender: str
    sent_at: float
    receives: int
    first_received_at: float
    sequence: int
    trace: str = ""
    group: str = ""
    deduplication: str = ""
    came_from: str = ""  # ARN of the queue that it was a dead letter of
