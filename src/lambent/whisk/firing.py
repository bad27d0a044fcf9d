"""Firing a trigger: every active rule's action is called, and the trigger has an activation of its own."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import orjson

from lambent.model.errors import PlatformError, Throttled
from lambent.whisk.activation import Activation, Response, Status, new_id
from lambent.whisk.activations import Activations
from lambent.whisk.call import Call
from lambent.whisk.deferred import Deferred
from lambent.whisk.entities import Rule, Trigger
from lambent.whisk.errors import Refusal
from lambent.whisk.names import Name
from lambent.whisk.namespaces import Identity
from lambent.whisk.parameters import arguments
from lambent.whisk.registry import Registry
from lambent.whisk.resolve import resolve
from lambent.whisk.throttle import Throttle

NOTHING: Mapping[str, Any] = MappingProxyType({})
INACTIVE = "Rule '{}' is inactive, action '{}' was not activated."


class Firing:
    """Rules call by the queue, each on its own: what one action does is nothing to the others."""

    def __init__(
        self, registry: Registry, activations: Activations, deferred: Deferred, throttle: Throttle
    ) -> None:
        self._registry = registry
        self._activations = activations
        self._deferred = deferred
        self._throttle = throttle

    async def fire(
        self,
        identity: Identity,
        trigger: Trigger,
        payload: Mapping[str, Any],
        transaction: str,
        *,
        around: Mapping[str, Any] = NOTHING,
        sure: bool = False,
    ) -> str | None:
        """The activation's id; None when no rule is active. What is `around` the payload rules get as well.

        Raises `Refusal` for one too many in a minute; to be `sure`, also `PlatformError` where the call of a
        rule could not be kept.
        """
        self._throttle.count(identity.namespace, "firesPerMinute")
        rules = self._registry.rules_of(trigger.name)
        if not any(rule.active for rule in rules):
            return None
        given = {**arguments(trigger.parameters), **around, **payload}
        activation_id = new_id()
        told = await asyncio.gather(*(self._obey(rule, identity, given, transaction, sure) for rule in rules))
        if identity.namespace.stores_activations:
            self._activations.add(_activation(identity, trigger, payload, activation_id, told))
        return activation_id

    async def deactivate(self, trigger: Name) -> None:
        """The rules of a trigger that is gone."""
        for rule in self._registry.rules_of(trigger):
            await self.set_active(rule.name, active=False)

    async def set_active(self, name: Name, *, active: bool) -> None:
        def change(before: Rule | None) -> Rule:
            return replace(before or self._registry.get(name, Rule), active=active)

        await self._registry.put(name, Rule, change)

    async def _obey(
        self, rule: Rule, identity: Identity, payload: Mapping[str, Any], transaction: str, sure: bool
    ) -> str:
        """What the trigger's record says about the rule, as JSON text."""
        about = {"rule": str(rule.name), "action": str(rule.action)}
        if not rule.active:
            return _line(Status.APPLICATION_ERROR, about, error=INACTIVE.format(rule.name, rule.action))
        try:
            resolved = resolve(self._registry, rule.action, identity)
            self._throttle.count(identity.namespace)
            self._throttle.check_running(identity.namespace)
            call = Call(
                resolved=resolved,
                identity=identity,
                payload=payload,
                transaction=transaction,
                queued=True,
            )
            await self._deferred.accept(call)
        except (Refusal, PlatformError) as error:
            if sure and isinstance(error, PlatformError):
                raise
            failed = isinstance(error, PlatformError) and not isinstance(error, Throttled)
            status = Status.WHISK_ERROR if failed else Status.APPLICATION_ERROR
            return _line(status, about, error=error.message)
        return _line(Status.SUCCESS, about, activationId=call.id)


def _line(status: Status, about: Mapping[str, str], **more: str) -> str:
    success = status is Status.SUCCESS
    return orjson.dumps({"statusCode": int(status), "success": success, **more, **about}).decode()


def _activation(
    identity: Identity, trigger: Trigger, payload: Mapping[str, Any], activation_id: str, told: list[str]
) -> Activation:
    """It has no end."""
    return Activation(
        id=activation_id,
        namespace=identity.namespace.name,
        subject=identity.subject,
        name=trigger.name,
        version=trigger.version,
        start=int(time.time() * 1000),
        end=None,
        duration=None,
        response=Response(Status.SUCCESS, orjson.dumps(payload)),
        annotations={},
        logs=tuple(told),
    )
