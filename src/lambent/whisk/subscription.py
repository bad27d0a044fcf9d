"""A subscription: a topic of Kafka's that fires a trigger, and what its messages become."""

import base64
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from lambent.whisk.names import Name

FEEDS = ("kafkaFeed",)
SWITCHES = ("isJSONData", "isBinaryKey", "isBinaryValue")
PAYLOAD_BYTES = 900_000  # of one fire, as OpenWhisk's own provider has it: an action gets 1 MiB
NO_TOPIC = "You must supply a 'topic' parameter."
NO_BROKERS = "You must supply a 'brokers' parameter."
BAD_BROKERS = "You must supply a 'brokers' parameter as an array of Kafka brokers, each HOST:PORT."
BOTH = "isJSONData and isBinaryValue cannot both be enabled."
NOTHING = "At least one of isJsonData, isBinaryKey, or isBinaryValue must be supplied."


class BadSubscription(ValueError):
    """Parameters of which no subscription can be made, or one that cannot be had."""


class Record(Protocol):
    """A message as it comes from Kafka."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """`changed_at` is in seconds since the epoch; `reason` says why it is not active."""

    trigger: Name
    subject: str
    brokers: tuple[str, ...]
    topic: str
    switches: Mapping[str, bool] = field(default_factory=dict)
    active: bool = True
    changed_at: float = 0.0
    reason: str | None = None

    @property
    def group(self) -> str:
        """That of OpenWhisk's provider for the trigger: who comes from there goes on where it was."""
        return f"/{self.trigger}"

    @property
    def parameters(self) -> dict[str, Any]:
        """As the feed's clients give and read them."""
        shown = {name: self.switches.get(name, False) for name in SWITCHES}
        return {"brokers": list(self.brokers), "topic": self.topic, **shown}

    def message(self, record: Record) -> dict[str, Any]:
        """What the trigger gets of a message."""
        return {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "key": _shown(record.key, binary=self.switches.get("isBinaryKey", False)),
            "value": self._value(record.value),
        }

    def _value(self, value: bytes | None) -> Any:
        if value is not None and self.switches.get("isJSONData"):
            with contextlib.suppress(ValueError):  # as well as may be
                return orjson.loads(value)
        return _shown(value, binary=self.switches.get("isBinaryValue", False))


def read(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a new subscription out of a feed's parameters. Raises `BadSubscription`."""
    topic, brokers = given.get("topic"), given.get("brokers")
    if not topic or not isinstance(topic, str):
        raise BadSubscription(NO_TOPIC)
    if not brokers:
        raise BadSubscription(NO_BROKERS)
    listed = brokers.split(",") if isinstance(brokers, str) else brokers
    if not isinstance(listed, list) or not all(isinstance(one, str) and _is_address(one) for one in listed):
        raise BadSubscription(BAD_BROKERS)
    return {
        "topic": topic,
        "brokers": tuple(one.strip() for one in listed),
        "switches": read_switches({}, given),
    }


def read_switches(before: Mapping[str, bool], given: Mapping[str, Any]) -> dict[str, bool]:
    """The switches with those that are given changed. Raises `BadSubscription`."""
    said = {name: str(given[name]).strip().lower() == "true" for name in SWITCHES if name in given}
    switches = {**before, **said}
    if switches.get("isJSONData") and switches.get("isBinaryValue"):
        raise BadSubscription(BOTH)
    return switches


def batches(
    subscription: Subscription, records: Sequence[Record]
) -> Iterator[tuple[list[Record], list[dict[str, Any]]]]:
    """The records in fires of a bearable size, and their messages. A record that is too large has none."""
    taken: list[Record] = []
    messages: list[dict[str, Any]] = []
    size = 0
    for record in records:
        message = subscription.message(record)
        length = len(orjson.dumps(message))
        if taken and size + length > PAYLOAD_BYTES:
            yield taken, messages
            taken, messages, size = [], [], 0
        taken.append(record)
        if length <= PAYLOAD_BYTES:
            messages.append(message)
            size += length
    if taken:
        yield taken, messages


def _shown(value: bytes | None, *, binary: bool) -> str | None:
    if value is None:
        return None
    return base64.b64encode(value).decode() if binary else value.decode(errors="replace")


def _is_address(text: str) -> bool:
    host, _, port = text.strip().rpartition(":")
    return bool(host) and port.isdigit() and int(port) < 65536
