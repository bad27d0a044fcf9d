"""A subscription: a topic of Kafka's that fires a trigger, and what its messages become."""

import base64
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from lambent.whisk.names import Name

HUB = "messageHubFeed"  # of brokers that want TLS, a user and a password
FEEDS = ("kafkaFeed", HUB)
BROKERS, HUB_BROKERS, HUB_URL = "brokers", "kafka_brokers_sasl", "kafka_admin_url"
SWITCHES = ("isJSONData", "isBinaryKey", "isBinaryValue")
PAYLOAD_BYTES = 900_000  # of one fire, as OpenWhisk's own provider has it: an action gets 1 MiB
NO_TOPIC = "You must supply a 'topic' parameter."
NO_BROKERS = "You must supply a '{}' parameter."
BAD_BROKERS = "You must supply a '{}' parameter as an array of {} brokers, each HOST:PORT."
NO_LOGIN = "You must supply a '{}' parameter to authenticate with Message Hub."
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


@dataclass(frozen=True, slots=True)
class Login:
    """To brokers that want TLS; `admin_url` is kept for who asks, as OpenWhisk's clients give it."""

    user: str
    password: str = field(repr=False)
    admin_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """`changed_at` is in seconds since the epoch; `reason` says why it is not active."""

    trigger: Name
    subject: str
    brokers: tuple[str, ...]
    topic: str
    switches: Mapping[str, bool] = field(default_factory=dict)
    login: Login | None = None
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
        brokers = {HUB_BROKERS if self.login else BROKERS: list(self.brokers)}
        login = {"user": self.login.user, "password": self.login.password} if self.login else {}
        url = {HUB_URL: self.login.admin_url} if self.login and self.login.admin_url else {}
        return {**brokers, "topic": self.topic, **login, **url, **shown}

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


def read(given: Mapping[str, Any], feed: str = "") -> dict[str, Any]:
    """The fields of a subscription out of a feed's parameters. Raises `BadSubscription`."""
    is_hub = HUB_BROKERS in given if not feed else feed == HUB
    name = HUB_BROKERS if is_hub else BROKERS
    topic, brokers = given.get("topic"), given.get(name)
    if not topic or not isinstance(topic, str):
        raise BadSubscription(NO_TOPIC)
    if not brokers:
        raise BadSubscription(NO_BROKERS.format(name))
    listed = brokers.split(",") if isinstance(brokers, str) else brokers
    if not isinstance(listed, list) or not all(isinstance(one, str) and _is_address(one) for one in listed):
        raise BadSubscription(BAD_BROKERS.format(name, "Message Hub" if is_hub else "Kafka"))
    return {
        "topic": topic,
        "brokers": tuple(one.strip() for one in listed),
        "login": _login(given) if is_hub else None,
        "switches": read_switches({}, given),
    }


def _login(given: Mapping[str, Any]) -> Login:
    for name in ("user", "password"):
        if not given.get(name) or not isinstance(given[name], str):
            raise BadSubscription(NO_LOGIN.format(name))
    return Login(given["user"], given["password"], given.get(HUB_URL))


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
