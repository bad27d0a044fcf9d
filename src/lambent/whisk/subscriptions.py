"""The subscriptions of a node to Kafka's topics: the feed of `/whisk.system/messaging`, kept on disk."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson

from lambent.store.base import Store
from lambent.whisk.activation import new_id
from lambent.whisk.call import Call
from lambent.whisk.consumer import Consumer, Over
from lambent.whisk.entities import Trigger
from lambent.whisk.errors import Refusal
from lambent.whisk.firing import Firing
from lambent.whisk.names import Name, parse
from lambent.whisk.namespaces import Namespaces
from lambent.whisk.registry import Registry
from lambent.whisk.subscription import NOTHING, SWITCHES, BadSubscription, Subscription, read, read_switches

log = logging.getLogger(__name__)

PACKAGE = "messaging"
MOST = 200  # each has a connection to every broker that it reads from
PAUSED = "paused by its owner"
NO_KEY = "the key of {} is gone or blocked"
NOT_NAMED = (
    "The broker {} is none of those that this node may read from ({}): name it in the setting kafka_brokers, "
    "`lambent up --kafka-brokers HOST:PORT,...`."
)
PUT = """INSERT OR REPLACE INTO whisk_subscriptions
    (namespace, trigger_name, subject, parameters, active, changed_at, reason) VALUES (?, ?, ?, ?, ?, ?, ?)"""
DELETE = "DELETE FROM whisk_subscriptions WHERE namespace = ? AND trigger_name = ?"
SELECT = """SELECT namespace, trigger_name, subject, parameters, active, changed_at, reason
    FROM whisk_subscriptions"""


class Subscriptions:
    """One consumer for each that is active. `brokers` are those that feeds may name, as HOST:PORT."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        namespaces: Namespaces,
        firing: Firing,
        brokers: frozenset[str],
    ) -> None:
        self._store = store
        self._registry = registry
        self._namespaces = namespaces
        self._firing = firing
        self._brokers = brokers
        self._subscriptions: dict[Name, Subscription] = {}
        self._consumers: dict[Name, Consumer] = {}
        self._running: dict[Name, asyncio.Task[None]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._changing = asyncio.Lock()
        self._events: Mapping[str, Callable[[Call, Name], Awaitable[Mapping[str, Any]]]] = {
            "CREATE": self._create,
            "READ": self._read,
            "UPDATE": self._update,
            "PAUSE": self._pause,
            "UNPAUSE": self._unpause,
            "DELETE": self._delete,
        }

    def start(self) -> None:
        self._registry.on_change(self._on_change)
        for namespace, name, subject, parameters, active, changed_at, reason in self._store.query(SELECT):
            given = read(orjson.loads(parameters))
            state = {"active": bool(active), "changed_at": changed_at, "reason": reason}
            one = Subscription(trigger=Name(namespace, name), subject=subject, **given, **state)
            try:
                self._check(one)
            except BadSubscription as error:  # until the setting names its brokers again
                one = replace(one, active=False, reason=str(error))
            self._subscriptions[one.trigger] = one
            if one.active:
                self._run(Consumer(one, self._fire), one)

    async def close(self) -> None:
        await asyncio.gather(*self._leaving, *map(self._stop, list(self._running)))

    async def feed(self, call: Call) -> Mapping[str, Any]:
        """What a feed's lifecycle asks for; a refusal is an `error` in what it answers."""
        given = call.content()
        try:
            trigger = parse(given.get("triggerName"), call.identity.namespace.name)
            if (
                self._registry.find(trigger, Trigger) is None
                or trigger.namespace != call.identity.namespace.name
            ):
                raise BadSubscription("You are not authorized for this trigger.")
            event = self._events.get(str(given.get("lifecycleEvent")))
            if event is None:
                raise BadSubscription("unsupported lifecycleEvent")
            async with self._changing:
                return await event(call, trigger)
        except (BadSubscription, Refusal) as error:
            return {"error": str(error)}

    async def _create(self, call: Call, trigger: Name) -> Mapping[str, Any]:
        """Answered when it reads: what is sent after that is fired."""
        fields = read(call.content(), call.name.name)
        made = Subscription(trigger=trigger, subject=call.identity.subject, **fields)
        await self._begin(made, new=True)
        return {"status": "success"}

    async def _read(self, _: Call, trigger: Name) -> Mapping[str, Any]:
        found = self._get(trigger)
        changed = datetime.fromtimestamp(found.changed_at, UTC)
        return {
            "config": {"triggerName": f"/{trigger}", **found.parameters},
            "status": {
                "active": found.active,
                "dateChanged": int(found.changed_at * 1000),
                "dateChangedISO": changed.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "reason": found.reason,
            },
        }

    async def _update(self, call: Call, trigger: Name) -> Mapping[str, Any]:
        """How keys and values are shown; nothing else can be changed."""
        found, given = self._get(trigger), call.content()
        if not found.active:
            raise BadSubscription(f"/{trigger} cannot be updated because it is disabled")
        if not any(name in given for name in SWITCHES):
            raise BadSubscription(NOTHING)
        changed = replace(found, switches=read_switches(found.switches, given))
        await self._keep(changed)
        self._consumers[trigger].subscription = changed
        return {"status": "success"}

    async def _pause(self, _: Call, trigger: Name) -> Mapping[str, Any]:
        await self._end(self._get(trigger), PAUSED)
        return {"status": "success"}

    async def _unpause(self, _: Call, trigger: Name) -> Mapping[str, Any]:
        await self._begin(replace(self._get(trigger), active=True, reason=None), new=False)
        return {"status": "success"}

    async def _delete(self, _: Call, trigger: Name) -> Mapping[str, Any]:
        """Of one that is gone too: a feed that failed half way is cleaned up by this."""
        await self._leave(trigger)
        return {"status": "success"}

    def _on_change(self, name: Name) -> None:
        """A subscription goes with its trigger."""
        if name in self._subscriptions and self._registry.find(name, Trigger) is None:
            task = asyncio.create_task(self._leave(name), name=f"leave {name}")
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _leave(self, trigger: Name) -> None:
        await self._forget(trigger)
        await self._stop(trigger)

    def _check(self, made: Subscription) -> None:
        for broker in made.brokers:
            if broker not in self._brokers:
                raise BadSubscription(NOT_NAMED.format(broker, ", ".join(sorted(self._brokers)) or "none"))
        if made.trigger not in self._subscriptions and len(self._subscriptions) >= MOST:
            raise BadSubscription(f"This node has its {MOST} feeds of Kafka's topics: delete one.")

    def _get(self, trigger: Name) -> Subscription:
        found = self._subscriptions.get(trigger)
        if found is None:
            raise BadSubscription(f"there is no feed for the trigger /{trigger}")
        return found

    async def _begin(self, subscription: Subscription, *, new: bool) -> None:
        """Read as it says from now on. When that fails, the one before goes on."""
        self._check(subscription)
        before = self._subscriptions.get(subscription.trigger)
        await self._stop(subscription.trigger)
        consumer = Consumer(subscription, self._fire)
        try:
            await consumer.open(new=new)
        except BadSubscription:
            if before is not None and before.active:
                self._run(Consumer(before, self._fire), before)
            raise
        await self._keep(subscription)
        self._run(consumer, subscription)

    async def _end(self, subscription: Subscription, reason: str) -> None:
        await self._stop(subscription.trigger)
        await self._keep(replace(subscription, active=False, reason=reason))

    def _run(self, consumer: Consumer, subscription: Subscription) -> None:
        async def run() -> None:
            try:
                await consumer.run()
            except Over as over:
                log.warning("the feed of %s ends: %s", subscription.trigger, over)
                self._running.pop(subscription.trigger, None)
                await over.settle()
            finally:
                await consumer.close()

        self._consumers[subscription.trigger] = consumer
        self._running[subscription.trigger] = asyncio.create_task(run(), name=f"feed {subscription.trigger}")

    async def _stop(self, trigger: Name) -> None:
        self._consumers.pop(trigger, None)
        task = self._running.pop(trigger, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _fire(self, subscription: Subscription, payload: Mapping[str, Any]) -> None:
        trigger = self._registry.find(subscription.trigger, Trigger)
        if trigger is None:
            raise Over("its trigger is gone", lambda: self._forget(subscription.trigger))
        identity = self._namespaces.identity(subscription.subject, subscription.trigger.namespace)
        if identity is None:
            reason = NO_KEY.format(subscription.subject)
            raise Over(reason, lambda: self._keep(replace(subscription, active=False, reason=reason)))
        await self._firing.fire(identity, trigger, payload, new_id(), sure=True)

    async def _keep(self, subscription: Subscription) -> None:
        kept = replace(subscription, changed_at=time.time())
        row = (
            *(kept.trigger.namespace, kept.trigger.name, kept.subject),
            *(orjson.dumps(kept.parameters).decode(), int(kept.active), kept.changed_at, kept.reason),
        )
        await self._store.write(lambda tx: tx.execute(PUT, row))
        self._subscriptions[kept.trigger] = kept

    async def _forget(self, trigger: Name) -> None:
        row = (trigger.namespace, trigger.name)
        await self._store.write(lambda tx: tx.execute(DELETE, row))
        self._subscriptions.pop(trigger, None)
