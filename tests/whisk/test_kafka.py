"""The feed of Kafka's topics, against the cluster that librdkafka tests itself with."""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from tests.conftest import RunningNode
from tests.whisk.conftest import WAIT_S, Client, client_of, lambent
from tests.whisk.kafka_door import Door

from lambent.model.errors import Unavailable
from lambent.warehouse.tls import load_or_create
from lambent.whisk.consumer import Consumer
from lambent.whisk.names import Name
from lambent.whisk.subscription import (
    HUB,
    HUB_BROKERS,
    PAYLOAD_BYTES,
    SWITCHES,
    BadSubscription,
    Subscription,
    batches,
    read,
    read_switches,
)

KAFKA = "/api/v1/namespaces/whisk.system/actions/messaging/kafkaFeed"
ABOUT: dict[str, Any] = {"brokers": ["b:9092"], "topic": "t"}


class Broker:
    """A cluster of one broker within this process."""

    def __init__(self) -> None:
        self._producer = Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 1})
        broker = next(iter(self._producer.list_topics(timeout=30).brokers.values()))
        self.address = f"{broker.host}:{broker.port}"

    def make(self, topic: str) -> str:
        self._producer.list_topics(topic, timeout=30)
        return topic

    def send(self, topic: str, value: bytes, key: bytes | None = None) -> None:
        self._producer.produce(topic, value, key=key)
        assert self._producer.flush(30) == 0


class Record:
    topic, partition, offset = "t", 1, 7

    def __init__(self, value: bytes | None, key: bytes | None = None) -> None:
        self.value = value
        self.key = key


def subscription(**given: Any) -> Subscription:
    return Subscription(trigger=Name("guest", "event"), subject="guest", **read({**ABOUT, **given}))


@pytest.mark.parametrize(
    ("given", "value", "shown"),
    [
        ({}, b'{"a": 1}', '{"a": 1}'),
        ({"isJSONData": True}, b'{"a": 1}', {"a": 1}),
        ({"isJSONData": "true"}, b"[1, null]", [1, None]),
        ({"isJSONData": True}, b"no json", "no json"),
        ({"isBinaryValue": True}, b"\x00\xff", base64.b64encode(b"\x00\xff").decode()),
        ({}, b"\xff", "�"),
        ({}, None, None),
        ({"isJSONData": True}, None, None),
    ],
)
def test_what_becomes_of_a_value(given: dict[str, Any], value: bytes | None, shown: Any) -> None:
    message = subscription(**given).message(Record(value))
    assert message == {"topic": "t", "partition": 1, "offset": 7, "key": None, "value": shown}


def test_what_becomes_of_a_key() -> None:
    assert subscription().message(Record(b"", b"k"))["key"] == "k"
    assert subscription(isBinaryKey=True).message(Record(b"", b"k"))["key"] == "aw=="
    assert subscription(brokers="a:1, b:2").brokers == ("a:1", "b:2")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"topic": ""}, "You must supply a 'topic' parameter."),
        ({"brokers": []}, "You must supply a 'brokers' parameter."),
        ({"brokers": [1]}, "as an array of Kafka brokers"),
        ({"kafka_brokers_sasl": []}, "You must supply a 'kafka_brokers_sasl' parameter."),
        ({"kafka_brokers_sasl": ["b"]}, "as an array of Message Hub brokers"),
        ({"kafka_brokers_sasl": ["b:1"]}, "a 'user' parameter to authenticate with Message Hub."),
        ({"kafka_brokers_sasl": ["b:1"], "user": "u"}, "a 'password' parameter to authenticate"),
        ({"brokers": "nohost"}, "each HOST:PORT"),
        ({"brokers": ["b:70000"]}, "each HOST:PORT"),
        ({"isJSONData": True, "isBinaryValue": True}, "cannot both be enabled"),
    ],
)
def test_what_is_no_subscription(given: dict[str, Any], text: str) -> None:
    with pytest.raises(BadSubscription, match=text):
        read({**ABOUT, **given}, HUB if HUB_BROKERS in given else "kafkaFeed")


def test_switches_that_are_not_given_stay() -> None:
    before = {"isJSONData": True, "isBinaryKey": False}
    assert read_switches(before, {"isBinaryKey": "True"}) == {"isJSONData": True, "isBinaryKey": True}


def test_fires_have_a_bearable_size() -> None:
    large, small = Record(b"x" * (PAYLOAD_BYTES // 2)), Record(b"y")
    sizes = [len(taken) for taken, _ in batches(subscription(), [large, large, small, large])]
    assert sizes == [1, 2, 1]
    [(taken, messages)] = batches(subscription(), [Record(b"x" * PAYLOAD_BYTES)])
    assert (len(taken), messages) == (1, []), "it is passed over, as by OpenWhisk's provider"


@pytest.fixture(scope="module")
def broker() -> Broker:
    return Broker()


@pytest.fixture(scope="module")
def reading(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node that may read from the broker."""
    flags = ("--kafka-brokers", f"127.0.0.1:1, {broker.address}")
    node = RunningNode(tmp_path_factory.mktemp("kafka") / "data", flags).start()
    yield node
    assert node.stop() == 0, node.log()


@pytest.fixture(scope="module")
def client(reading: RunningNode) -> Client:
    return client_of(reading, "reader")


def feed(client: Client, event: str, trigger: str, **parameters: Any) -> Any:
    """What the feed's action answers."""
    body = {"lifecycleEvent": event, "triggerName": f"/_/{trigger}", "authKey": client.auth, **parameters}
    query = {"blocking": True, "result": True}
    return client.raw("POST", KAFKA, json.dumps(body).encode(), query).json


def wire(client: Client, name: str) -> None:
    """A trigger whose rule's action keeps what it gets in its activation."""
    client.action(f"{name}-heard", "def main(args):\n    return {'messages': args['messages']}\n")
    client.ok("PUT", f"triggers/{name}", {"annotations": [{"key": "feed", "value": KAFKA}]})
    client.ok("PUT", f"rules/{name}-rule", {"trigger": f"/_/{name}", "action": f"/_/{name}-heard"})


def until(look: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + WAIT_S
    while not good(seen := look()):
        assert time.monotonic() < deadline, f"only {seen} after {WAIT_S} s"
        time.sleep(0.05)
    return seen


def heard(client: Client, name: str, number: int) -> Any:
    """The messages that the action got, in the order of their coming, once there are so many."""

    def look() -> list[Any]:
        found = client.ok("GET", "activations", docs=True, name=f"{name}-heard", limit=0)
        return [m for one in reversed(found) for m in one["response"]["result"]["messages"]]

    return until(look, lambda messages: len(messages) >= number)


def test_a_login_is_kept_and_shown_to_its_owner() -> None:
    given = {"topic": "t", "kafka_brokers_sasl": ["b:9093"], "user": "me", "password": "secret"}
    made = Subscription(trigger=Name("guest", "event"), subject="guest", **read(given, HUB))
    assert {**made.parameters, **given} == made.parameters
    assert read(made.parameters) == {**read(given, HUB), "switches": dict.fromkeys(SWITCHES, False)}
    assert "secret" not in repr(made), "logs do not have it"
    with pytest.raises(BadSubscription, match="'kafka_brokers_sasl'"):
        read(ABOUT, HUB)


@pytest.mark.slow
async def test_brokers_that_want_tls_and_a_password(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fires = asyncio.Queue[Any](10)

    async def fire(_: Subscription, payload: Mapping[str, Any]) -> None:
        fires.put_nowait(payload["messages"][0]["value"])

    tls = load_or_create(tmp_path, ())
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.bundle))
    async with Door(broker.address, "me", "secret").opened(tls.context) as door:
        given = {"topic": broker.make("walled"), "kafka_brokers_sasl": [door.address], "user": "me"}

        def consumer(password: str) -> Consumer:
            fields = read({**given, "password": password}, HUB)
            return Consumer(Subscription(trigger=Name("guest", "event"), subject="guest", **fields), fire)

        with pytest.raises(BadSubscription, match="None of the brokers"):
            await consumer("guessed").open(new=True)
        allowed = consumer("secret")
        await allowed.open(new=True)
        reading = asyncio.create_task(allowed.run())
        broker.send("walled", b"passed")
        async with asyncio.timeout(WAIT_S):
            assert await fires.get() == "passed"
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await allowed.close()


@pytest.mark.slow
async def test_what_could_not_be_kept_comes_again(broker: Broker) -> None:
    fires = asyncio.Queue[Any](10)

    async def fire(_: Subscription, payload: Mapping[str, Any]) -> None:
        fires.put_nowait(payload["messages"][0]["value"])
        if fires.qsize() == 1:
            raise Unavailable("the disk is full")

    about = subscription(brokers=[broker.address], topic=broker.make("again"))
    consumer = Consumer(about, fire)
    await consumer.open(new=True)
    reading = asyncio.create_task(consumer.run())
    broker.send("again", b"kept")
    async with asyncio.timeout(WAIT_S):
        while fires.qsize() < 2:
            await asyncio.sleep(0.05)
    assert [fires.get_nowait() for _ in range(2)] == ["kept", "kept"]
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await consumer.close()


@pytest.mark.slow
def test_messages_fire_a_trigger(client: Client, broker: Broker) -> None:
    wire(client, "plain")
    broker.send("plain", b"before it was made")
    assert feed(client, "CREATE", "plain", brokers=[broker.address], topic="plain") == {"status": "success"}
    broker.send("plain", b"one", key=b"k")
    [message] = heard(client, "plain", 1)
    assert (message["topic"], message["key"], message["value"]) == ("plain", "k", "one")
    assert set(message) == {"topic", "partition", "offset", "key", "value"}
    for number in range(20):
        broker.send("plain", str(number).encode())
    values = [m["value"] for m in heard(client, "plain", 21)]
    assert sorted(values[1:], key=int) == [str(number) for number in range(20)], "each once"
    client.ok("DELETE", "triggers/plain")
    client.ok("PUT", "triggers/plain", {})
    read = until(lambda: feed(client, "READ", "plain"), lambda answer: "error" in answer)
    assert read == {"error": "there is no feed for the trigger /reader/plain"}, "it went with its trigger"


@pytest.mark.slow
def test_the_life_of_a_feed(client: Client, broker: Broker) -> None:
    wire(client, "living")
    about = {"brokers": broker.address, "topic": broker.make("living")}
    assert feed(client, "CREATE", "living", **about) == {"status": "success"}
    read = feed(client, "READ", "living")
    switches = {"isJSONData": False, "isBinaryKey": False, "isBinaryValue": False}
    assert read["config"] == {
        "triggerName": "/reader/living",
        "brokers": [broker.address],
        "topic": "living",
        **switches,
    }
    assert (read["status"]["active"], read["status"]["reason"]) == (True, None)
    text = "At least one of isJsonData, isBinaryKey, or isBinaryValue must be supplied."
    assert feed(client, "UPDATE", "living", topic="other") == {"error": text}
    assert feed(client, "UPDATE", "living", isJSONData=True) == {"status": "success"}
    broker.send("living", b'{"n": 1}')
    assert [m["value"] for m in heard(client, "living", 1)] == [{"n": 1}]
    assert feed(client, "PAUSE", "living") == {"status": "success"}
    broker.send("living", b'{"n": 2}')
    status = feed(client, "READ", "living")["status"]
    assert (status["active"], status["reason"]) == (False, "paused by its owner")
    text = "/reader/living cannot be updated because it is disabled"
    assert feed(client, "UPDATE", "living", isJSONData=False) == {"error": text}
    assert feed(client, "UNPAUSE", "living") == {"status": "success"}
    assert [m["value"] for m in heard(client, "living", 2)] == [{"n": 1}, {"n": 2}], "what came meanwhile too"
    for _ in range(2):
        assert feed(client, "DELETE", "living") == {"status": "success"}
    assert feed(client, "READ", "living") == {"error": "there is no feed for the trigger /reader/living"}


@pytest.mark.slow
def test_what_a_feed_refuses(client: Client, broker: Broker) -> None:
    wire(client, "refused")
    about = {"brokers": [broker.address], "topic": "refused"}

    def told(event: str = "CREATE", trigger: str = "refused", **given: Any) -> str:
        return str(feed(client, event, trigger, **{**about, **given})["error"])

    assert told(topic=None) == "You must supply a 'topic' parameter."
    assert "name it in the setting kafka_brokers" in told(brokers=["127.0.0.1:22"])
    assert "None of the brokers 127.0.0.1:1" in told(brokers=["127.0.0.1:1"])
    assert told([1]) == "unsupported lifecycleEvent"  # type: ignore[arg-type]
    assert told("EXPLODE") == "unsupported lifecycleEvent"
    assert told(trigger="none") == "You are not authorized for this trigger."
    for event in ("READ", "UPDATE", "PAUSE", "UNPAUSE"):
        assert told(event) == "there is no feed for the trigger /reader/refused"


@pytest.mark.slow
def test_nothing_is_lost_while_no_node_runs(broker: Broker, new_node: Callable[..., RunningNode]) -> None:
    node = new_node("--kafka-brokers", broker.address, "--isolation", "process")
    client = client_of(node, "killed")
    wire(client, "kept")
    about = {"brokers": [broker.address], "topic": broker.make("kept")}
    assert feed(client, "CREATE", "kept", **about) == {"status": "success"}
    broker.send("kept", b"1")
    heard(client, "kept", 1)
    node.kill()
    while node.listens():  # the launcher is gone, its node soon
        time.sleep(0.02)
    broker.send("kept", b"2")
    node.start()
    assert {m["value"] for m in heard(Client(node.url, client.auth, "killed"), "kept", 2)} == {"1", "2"}
    named = node.flags
    for flags, active in ((("--isolation", "process"), False), (named, True)):
        node.stop()
        node.flags = flags
        node.start()
        status = feed(Client(node.url, client.auth, "killed"), "READ", "kept")["status"]
        assert status["active"] is active, "its broker is named no more, and named again"
        assert active or "kafka_brokers" in status["reason"]
    second = lambent(node.data, "whisk", "user", "create", "second", "--namespace", "killed")
    lambent(node.data, "whisk", "user", "block", "killed")
    broker.send("kept", b"3")
    status = until(
        lambda: feed(Client(node.url, second, "killed"), "READ", "kept")["status"], lambda s: not s["active"]
    )
    assert status["reason"] == "the key of killed is gone or blocked"
