"""OpenWhisk's rules: which trigger calls which action, and whether it does now."""

from dataclasses import replace
from typing import Any

from lambent.faces.http import Response
from lambent.faces.openwhisk_ask import Ask, answer
from lambent.faces.openwhisk_documents import rule_document, rule_summary
from lambent.faces.openwhisk_entity import read_given
from lambent.whisk.entities import Rule, Trigger
from lambent.whisk.errors import EXISTS, Refusal, forbidden, malformed
from lambent.whisk.firing import Firing
from lambent.whisk.names import Name, parse
from lambent.whisk.namespaces import Identity
from lambent.whisk.registry import Registry
from lambent.whisk.resolve import resolve

STATES = {"active": True, "inactive": False}
INCOMPLETE = "rule requires a valid trigger and a valid action"
NO_TRIGGER = "Only rules with existing triggers can be activated"


class Rules:
    """One method a verb; the path is NAME."""

    deepest = 1

    def __init__(self, registry: Registry, firing: Firing) -> None:
        self._registry = registry
        self._firing = firing

    async def list(self, ask: Ask) -> Response:
        """Without their status, for which clients ask one by one."""
        ask.check_own()
        return ask.list(map(rule_summary, self._registry.of(ask.namespace, Rule)))

    async def get(self, ask: Ask) -> Response:
        name = ask.name
        ask.check_own(name)
        return answer(rule_document(self._registry.get(name, Rule)))

    async def put(self, ask: Ask) -> Response:
        name = ask.name
        ask.check_own(name)
        overwrite = ask.flag("overwrite")
        body = await ask.document()
        given = read_given(body)
        trigger = _place(body.get("trigger"), ask.identity)
        action = _place(body.get("action"), ask.identity)

        def change(before: Rule | None) -> Rule:
            if before is not None and not overwrite:
                raise Refusal(409, EXISTS)
            calls, called = (trigger, action) if before is None else (before.trigger, before.action)
            calls, called = trigger or calls, action or called
            if calls is None or called is None:
                raise Refusal(400, INCOMPLETE)
            self._check(calls, called, ask.identity)
            made = replace(
                before or Rule(name=name, trigger=calls, action=called), trigger=calls, action=called
            )
            return given.apply(made, before)

        return answer(rule_document(await self._registry.put(name, Rule, change)))

    async def delete(self, ask: Ask) -> Response:
        name = ask.name
        ask.check_own(name)
        gone = await self._registry.delete(name, Rule)
        return answer(rule_document(replace(gone, active=False)))

    async def post(self, ask: Ask) -> Response:
        """Switch it on or off."""
        name = ask.name
        ask.check_own(name)
        body = await ask.document()
        if "status" not in body:
            raise malformed("key not found: status")
        status = body["status"]
        if not isinstance(status, str) or status not in STATES:
            raise malformed(f"requirement failed: {status} is not a recognized rule state")
        rule = self._registry.get(name, Rule)
        if STATES[status] and self._registry.find(rule.trigger, Trigger) is None:
            raise Refusal(404, NO_TRIGGER)
        await self._firing.set_active(name, active=STATES[status])
        return Response(200, [("Content-Type", "text/plain; charset=UTF-8")], b"OK")

    def _check(self, trigger: Name, action: Name, identity: Identity) -> None:
        if trigger.namespace != identity.namespace.name:
            raise forbidden(str(trigger))
        if self._registry.find(trigger, Trigger) is None:
            raise Refusal(400, f"trigger /{trigger} does not exist")
        try:
            resolve(self._registry, action, identity)
        except Refusal as error:
            if error.status == 403:
                raise
            raise Refusal(400, f"action /{action} does not exist") from None


def _place(given: Any, identity: Identity) -> Name | None:
    """A name as a string, or as {"path", "name"}."""
    if given is None or given == "":
        return None
    if isinstance(given, dict):
        given = f"/{given.get('path')}/{given.get('name')}"
    return parse(given, identity.namespace.name)
