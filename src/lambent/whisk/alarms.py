"""The alarms of a node: kept on disk, fired by one timer. They are the feeds of `/whisk.system/alarms`."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson

from lambent.store.base import Store
from lambent.whisk.activation import new_id
from lambent.whisk.alarm import FEEDS, Alarm, BadAlarm, check
from lambent.whisk.call import Call
from lambent.whisk.entities import Trigger
from lambent.whisk.errors import Refusal
from lambent.whisk.firing import Firing
from lambent.whisk.names import Name, parse
from lambent.whisk.namespaces import Namespaces
from lambent.whisk.registry import Registry

log = logging.getLogger(__name__)

PACKAGE = "alarms"
LONGEST_SLEEP_S = 3600.0  # the clock may be set
KNOWN = frozenset(
    ("cron", "timezone", "startDate", "stopDate", "trigger_payload", "minutes", "date", "deleteAfterFire")
)
FIRST_S = 30.0  # from its making to an interval's first fire, where no date says otherwise
PUT = """INSERT INTO whisk_alarms (namespace, trigger_name, subject, feed, parameters, due_at)
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (namespace, trigger_name) DO UPDATE SET subject = excluded.subject,
    feed = excluded.feed, parameters = excluded.parameters, due_at = excluded.due_at"""
DELETE = "DELETE FROM whisk_alarms WHERE namespace = ? AND trigger_name = ?"


class Alarms:
    """What was due while no node ran: `once` fires at the next start, the others wait for their next time."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        namespaces: Namespaces,
        firing: Firing,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._registry = registry
        self._namespaces = namespaces
        self._firing = firing
        self._clock = clock
        self._alarms: dict[Name, Alarm] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        rows = self._store.query(
            "SELECT namespace, trigger_name, subject, feed, parameters, due_at FROM whisk_alarms"
        )
        for namespace, name, subject, feed, parameters, due_at in rows:
            trigger = Name(namespace, name)
            alarm = Alarm(trigger=trigger, subject=subject, feed=feed, parameters=orjson.loads(parameters))
            due_at = due_at if feed == "once" else alarm.next_after(self._clock())
            self._alarms[trigger] = replace(alarm, due_at=due_at)
        self._task = asyncio.create_task(self._run(), name="alarms")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def feed(self, call: Call) -> Mapping[str, Any]:
        """What a feed's lifecycle asks for; a refusal is an `error` in what it answers."""
        given = {**call.content()}
        try:
            trigger = parse(given.get("triggerName"), call.identity.namespace.name)
            if trigger.namespace != call.identity.namespace.name:
                raise BadAlarm("The trigger is not in the namespace of the caller.")
            parameters = {key: value for key, value in given.items() if key in KNOWN}
            return await self._obey(given.get("lifecycleEvent"), trigger, call, parameters)
        except (BadAlarm, Refusal) as error:
            return {"error": str(error)}

    async def _obey(
        self, event: Any, trigger: Name, call: Call, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        if event in ("CREATE", "UPDATE"):
            before = self._alarms.get(trigger)
            if event == "UPDATE" and before is None:
                raise BadAlarm(f"there is no alarm for the trigger {trigger}")
            if event == "UPDATE" and not parameters:
                raise BadAlarm("no updatable parameters were specified")
            check(parameters, self._clock())
            kept = before.parameters if event == "UPDATE" and before else self._defaults(call.name.name)
            await self._set(trigger, call, {**kept, **parameters})
            return {"status": "success"}
        alarm = self._alarms.get(trigger)
        if event == "DELETE":  # of one that is gone too: a feed that failed half way is cleaned up by this
            await self._forget(trigger)
            return {"status": "success"}
        if event == "READ" and alarm is not None:
            return {"config": alarm.config, "status": _status(alarm)}
        raise BadAlarm(
            f"there is no alarm for the trigger {trigger}"
            if event == "READ"
            else "unsupported lifecycleEvent"
        )

    def _defaults(self, feed: str) -> Mapping[str, Any]:
        return {"startDate": int((self._clock() + FIRST_S) * 1000)} if feed == "interval" else {}

    async def _set(self, trigger: Name, call: Call, parameters: Mapping[str, Any]) -> None:
        feed = call.name.name
        if feed not in FEEDS:
            raise BadAlarm(f"{feed} is no feed of alarms")
        alarm = Alarm(trigger=trigger, subject=call.identity.subject, feed=feed, parameters=parameters)
        due_at = alarm.next_after(self._clock())
        if due_at is None:
            raise BadAlarm("the first scheduled trigger fire is not until after the stop date")
        changed = {**parameters, "dateChanged": int(self._clock() * 1000)}
        await self._keep(replace(alarm, parameters=changed, due_at=due_at))

    async def _keep(self, alarm: Alarm) -> None:
        row = (
            *(alarm.trigger.namespace, alarm.trigger.name, alarm.subject, alarm.feed),
            *(orjson.dumps(alarm.parameters).decode(), alarm.due_at),
        )
        await self._store.write(lambda tx: tx.execute(PUT, row))
        self._alarms[alarm.trigger] = alarm
        self._changed.set()

    async def _forget(self, trigger: Name) -> None:
        row = (trigger.namespace, trigger.name)
        await self._store.write(lambda tx: tx.execute(DELETE, row))
        self._alarms.pop(trigger, None)

    async def _run(self) -> None:
        while True:
            now = self._clock()
            for alarm in [a for a in self._alarms.values() if a.due_at is not None and a.due_at <= now]:
                try:
                    await self._ring(alarm)
                except Exception:  # one alarm's trouble is not the others'
                    log.exception("the alarm of %s failed", alarm.trigger)
            times = [alarm.due_at for alarm in self._alarms.values() if alarm.due_at is not None]
            pause_s = min(
                [max(0.0, min(times) - self._clock()) if times else LONGEST_SLEEP_S, LONGEST_SLEEP_S]
            )
            self._changed.clear()
            try:
                async with asyncio.timeout(pause_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _ring(self, alarm: Alarm) -> None:
        """The next time is on disk before this one fires: a crash between loses a fire, and repeats none."""
        trigger = self._registry.find(alarm.trigger, Trigger)
        identity = self._namespaces.identity(alarm.subject, alarm.trigger.namespace)
        if trigger is None or identity is None:
            await self._forget(alarm.trigger)
            return
        due_at = None if alarm.feed == "once" else alarm.next_after(alarm.due_at or self._clock())
        await self._keep(replace(alarm, due_at=due_at))
        try:
            await self._firing.fire(identity, trigger, alarm.payload, new_id())
        except Refusal as error:
            log.warning("the alarm of %s was not heard: %s", alarm.trigger, error.message)
        if alarm.deletes != "false":
            await self._end(alarm)

    async def _end(self, alarm: Alarm) -> None:
        """With `rules` what hangs on the trigger goes too."""
        rules = self._registry.rules_of(alarm.trigger)
        await self._registry.delete(alarm.trigger, Trigger)
        await self._firing.deactivate(alarm.trigger)
        if alarm.deletes == "rules":
            for rule in rules:
                await self._registry.delete(rule.name, type(rule))
        await self._forget(alarm.trigger)


def _status(alarm: Alarm) -> Mapping[str, Any]:
    changed_ms = alarm.parameters.get("dateChanged", 0)
    changed = datetime.fromtimestamp(changed_ms / 1000, UTC)
    return {
        "active": alarm.due_at is not None,
        "dateChanged": changed_ms,
        "dateChangedISO": changed.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "reason": None,
    }
