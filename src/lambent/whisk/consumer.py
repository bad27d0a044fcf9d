"""A consumer: reads the topic of one subscription and fires its trigger, at least once for every message."""

import asyncio
import contextlib
import importlib
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from lambent.whisk.errors import Refusal
from lambent.whisk.subscription import BadSubscription, Record, Subscription, batches

log = logging.getLogger(__name__)

LIBRARY = "aiokafka"
NOT_INSTALLED = "This node cannot read from Kafka: pip install 'lambent[kafka]', and start it again."
UNREACHABLE = "None of the brokers {} let the trigger have the topic {} within {:.0f} s: {}"
NO_TOPIC = "The topic {} does not exist on the brokers {}."
OPEN_S = 25.0
CLOSE_S = 5.0
TAKEN_AT_ONCE = 1000
LOOK_MS = 30_000  # for partitions that are new
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0

Fire = Callable[[Subscription, Mapping[str, Any]], Awaitable[None]]


class Over(Exception):
    """There is nobody left to tell; `settle` says so on disk."""

    def __init__(self, reason: str, settle: Callable[[], Awaitable[None]]) -> None:
        super().__init__(reason)
        self.settle = settle


class Consumer:
    """What it has fired is committed, and nothing else: what comes while no node runs, the next one fires.

    `subscription` may be replaced while it reads, to show messages otherwise.
    """

    def __init__(self, subscription: Subscription, fire: Fire) -> None:
        self.subscription = subscription
        self._fire = fire
        self._kafka: Any = None
        self._client: Any = None

    async def open(self, *, new: bool) -> None:
        """Take the topic's partitions. A new subscription begins with what comes from now on, where its group
        has no place yet. Raises `BadSubscription`."""
        about = self.subscription
        brokers = ", ".join(about.brokers)
        self._kafka = await asyncio.to_thread(library)
        self._client = self._kafka.AIOKafkaConsumer(
            about.topic,
            bootstrap_servers=list(about.brokers),
            group_id=about.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # a partition that comes later is read from its beginning
            metadata_max_age_ms=LOOK_MS,
            **security(about),
        )
        try:
            async with asyncio.timeout(OPEN_S):
                await self._client.start()
                if not self._client.partitions_for_topic(about.topic):
                    raise BadSubscription(NO_TOPIC.format(about.topic, brokers))
                if new:
                    await self._begin()
        except (self._kafka.errors.KafkaError, OSError, TimeoutError) as error:
            await self.close()
            reason = str(error) or type(error).__name__
            raise BadSubscription(UNREACHABLE.format(brokers, about.topic, OPEN_S, reason)) from None
        except BaseException:
            await self.close()
            raise

    async def _begin(self) -> None:
        ends = await self._client.end_offsets(self._client.assignment())
        for partition, end in ends.items():
            if await self._client.committed(partition) is None:
                self._client.seek(partition, end)
                await self._client.commit({partition: end})

    async def run(self) -> None:
        """Until it is cancelled. Whatever happens to the brokers, it goes on where it was."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                if self._client is None:
                    await self.open(new=False)
                while True:
                    await self._take()
                    pause_s = FIRST_PAUSE_S
            except Over:
                raise
            except BadSubscription as error:
                log.warning("the feed of %s waits: %s", self.subscription.trigger, error)
            except Exception:  # whatever a broker may send; the others go on
                log.exception("the feed of %s begins again", self.subscription.trigger)
            await self.close()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):  # what is left of a connection is nobody's concern
                async with asyncio.timeout(CLOSE_S):
                    await client.stop()

    async def _take(self) -> None:
        """What has come, in as few fires as may be."""
        records: list[Record] = [await self._client.getone()]
        more = await self._client.getmany(max_records=TAKEN_AT_ONCE - 1)
        records += [record for partition in more.values() for record in partition]
        for taken, messages in batches(self.subscription, records):
            if len(messages) < len(taken):
                log.error("the feed of %s leaves out a message that is too large", self.subscription.trigger)
            if messages:
                await self._heard({"messages": messages})
            ends = {self._kafka.TopicPartition(one.topic, one.partition): one.offset + 1 for one in taken}
            await self._client.commit(ends)

    async def _heard(self, payload: Mapping[str, Any]) -> None:
        """Fire until the minute's limit lets it."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return await self._fire(self.subscription, payload)
            except Refusal as error:
                log.warning("the feed of %s is held up: %s", self.subscription.trigger, error.message)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def security(about: Subscription) -> Mapping[str, Any]:
    """How the brokers are spoken to: as they are, or by TLS with a user and a password."""
    if about.login is None:
        return {}
    return {
        "security_protocol": "SASL_SSL",
        "ssl_context": ssl.create_default_context(),  # whom this machine trusts, or SSL_CERT_FILE says
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": about.login.user,
        "sasl_plain_password": about.login.password,
    }


def library() -> Any:
    """Kafka's client, loaded by the first feed. Raises `BadSubscription` where it is not installed."""
    try:
        return importlib.import_module(LIBRARY)
    except ImportError:
        raise BadSubscription(NOT_INSTALLED) from None
