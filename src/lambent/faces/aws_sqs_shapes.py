"""Messages as SQS's clients send and get them, and AWS's words for those it refuses."""

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any

from lambent.events.digests import md5_of_attributes, md5_of_body
from lambent.events.records import sequence_number, system_attributes
from lambent.faces.aws_sqs_wire import failure, invalid, missing
from lambent.model.queue import Draft, Message, MessageAttribute, MessageQueue, Sent

Members = dict[str, Any]

ATTRIBUTES = 10
DELAY_S = 900
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = re.compile(r"[\w.-]{1,256}", re.ASCII)
_ID = re.compile(r"[a-zA-Z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")


def draft_of(queue: MessageQueue, given: Members, sender: str, trace: str) -> Draft:
    """The message that a SendMessage, or an entry of a batch, asks for. Raises SQS's errors."""
    body = given["MessageBody"]
    if not body:
        raise missing("MessageBody")
    if found := _UNWRITABLE.search(body):
        raise failure(
            "InvalidMessageContents",
            f"Invalid characters were found in the message body: #x{ord(found[0]):X}.",
        )
    system = given.get("MessageSystemAttributes", {})
    draft = Draft(
        body=body,
        sender=sender,
        attributes=_attributes(given.get("MessageAttributes", {})),
        trace=system.get("AWSTraceHeader", {}).get("StringValue", trace),
        delay_s=_delay(queue, given),
        group=_id(given, "MessageGroupId"),
        deduplication=_id(given, "MessageDeduplicationId"),
    )
    if queue.fifo:
        _check_fifo(queue, draft)
    elif draft.deduplication:
        raise invalid(_refused(draft.deduplication, "MessageDeduplicationId", _WRONG_KIND))
    if (size := size_of(draft)) > queue.max_message_bytes:
        raise invalid(
            "One or more parameters are invalid. Reason: Message must be shorter than "
            f"{queue.max_message_bytes} bytes. This one has {size}."
        )
    return draft


_WRONG_KIND = "The request include parameter that is not valid for this queue type."


def _refused(value: object, parameter: str, reason: str) -> str:
    return f"Value {value} for parameter {parameter} is invalid. Reason: {reason}"


def _check_fifo(queue: MessageQueue, draft: Draft) -> None:
    if not draft.group:
        raise missing("MessageGroupId")
    if not draft.deduplication and not queue.content_deduplication:
        raise invalid(
            "The queue should either have ContentBasedDeduplication enabled or "
            "MessageDeduplicationId provided explicitly"
        )


def _delay(queue: MessageQueue, given: Members) -> int | None:
    delay: int | None = given.get("DelaySeconds")
    if delay is None:
        return None
    if not 0 <= delay <= DELAY_S:
        reason = f"DelaySeconds must be >= 0 and <= {DELAY_S}."
        raise invalid(_refused(delay, "DelaySeconds", reason))
    if queue.fifo and delay:
        raise invalid(_refused(delay, "DelaySeconds", _WRONG_KIND))
    return delay or (None if queue.fifo else 0)


def _id(given: Members, name: str) -> str:
    value: str = given.get(name, "")
    if value and not _ID.fullmatch(value):
        reason = f"{name} can only include alphanumeric and punctuation characters. 1 to 128 in length."
        raise invalid(_refused(value, name, reason))
    return value


def _attributes(given: Mapping[str, Members]) -> tuple[MessageAttribute, ...]:
    if len(given) > ATTRIBUTES:
        raise invalid(
            f"Number of message attributes [{len(given)}] exceeds the allowed maximum [{ATTRIBUTES}]."
        )
    return tuple(_attribute(name, value) for name, value in given.items())


def _attribute(name: str, value: Members) -> MessageAttribute:
    kind = value.get("DataType", "")
    if not _NAME.fullmatch(name) or name.lower().startswith(("aws.", "amazon.")):
        raise invalid(f"The message attribute name '{name}' is invalid.")
    if not kind:
        raise invalid(f"The message attribute '{name}' must contain a non-empty message attribute type.")
    base = kind.partition(".")[0]
    if base not in ("String", "Number", "Binary"):
        raise invalid(
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported "
            "type prefixes is Binary, Number, and String."
        )
    text, data = value.get("StringValue"), value.get("BinaryValue")
    if not (data if base == "Binary" else text):
        raise invalid(
            f"The message attribute '{name}' must contain a non-empty message attribute value for message "
            f"attribute type '{base}'."
        )
    if base == "Binary":
        return MessageAttribute(name, kind, data=base64.b64encode(data or b"").decode())
    if base == "Number" and not _is_number(str(text)):
        raise invalid(f"Can't cast the value of message (user) attribute '{name}' to a number.")
    return MessageAttribute(name, kind, text=text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def size_of(draft: Draft) -> int:
    """Bytes that count against the limit: body and attributes with names and types."""
    parts = [draft.body]
    for attribute in draft.attributes:
        parts += [attribute.name, attribute.type, attribute.text or ""]
    binary = sum(len(base64.b64decode(one.data)) for one in draft.attributes if one.data)
    return sum(len(part.encode()) for part in parts) + binary


def sent_members(queue: MessageQueue, draft: Draft, sent: Sent) -> Members:
    trace = [MessageAttribute("AWSTraceHeader", "String", draft.trace)] if draft.trace else []
    return {
        "MD5OfMessageBody": md5_of_body(draft.body),
        "MD5OfMessageAttributes": md5_of_attributes(draft.attributes) if draft.attributes else None,
        "MD5OfMessageSystemAttributes": md5_of_attributes(trace) if trace else None,
        "MessageId": sent.message_id,
        "SequenceNumber": sequence_number(sent.sequence) if queue.fifo else None,
    }


def message_members(message: Message, system: Iterable[str], names: Iterable[str], *, fifo: bool) -> Members:
    """A received message with those of its attributes that were asked for."""
    wanted = set(system)
    told = system_attributes(message, fifo=fifo)
    shown = told if "All" in wanted else {name: value for name, value in told.items() if name in wanted}
    attributes = [one for one in message.attributes if _is_wanted(one.name, names)]
    return {
        "MessageId": message.message_id,
        "ReceiptHandle": message.handle,
        "MD5OfBody": md5_of_body(message.body),
        "Body": message.body,
        "Attributes": shown or None,
        "MD5OfMessageAttributes": md5_of_attributes(attributes) if attributes else None,
        "MessageAttributes": {one.name: _value(one) for one in attributes} or None,
    }


def _is_wanted(name: str, patterns: Iterable[str]) -> bool:
    """`All`, a name, or the beginning of names before `.*`."""
    return any(
        pattern in ("All", ".*", name) or (pattern.endswith(".*") and name.startswith(pattern[:-2]))
        for pattern in patterns
    )


def _value(attribute: MessageAttribute) -> Members:
    if attribute.text is not None:
        return {"StringValue": attribute.text, "DataType": attribute.type}
    return {"BinaryValue": base64.b64decode(attribute.data or ""), "DataType": attribute.type}
