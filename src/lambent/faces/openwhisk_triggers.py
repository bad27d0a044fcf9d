"""OpenWhisk's triggers: create, read, fire, delete."""

from lambent.faces.http import Response
from lambent.faces.openwhisk_ask import Ask, answer, parse
from lambent.faces.openwhisk_documents import trigger_document, trigger_summary
from lambent.faces.openwhisk_entity import read_given
from lambent.faces.openwhisk_invoke import ID, PAYLOAD_BYTES
from lambent.whisk.entities import Pairs, Trigger
from lambent.whisk.errors import EXISTS, Refusal
from lambent.whisk.firing import Firing
from lambent.whisk.names import SEGMENT
from lambent.whisk.registry import Registry

HIDDEN = ("authorization",)  # a rule's action need not see its caller's key


class Triggers:
    """One method a verb; the path is NAME."""

    deepest = 1

    def __init__(self, registry: Registry, firing: Firing) -> None:
        self._registry = registry
        self._firing = firing

    async def list(self, ask: Ask) -> Response:
        ask.check_own()
        return ask.list(map(trigger_summary, self._registry.of(ask.namespace, Trigger)))

    async def get(self, ask: Ask) -> Response:
        name = ask.name
        ask.check_own(name)
        return answer(self._shown(self._registry.get(name, Trigger)))

    async def put(self, ask: Ask) -> Response:
        name = ask.name
        ask.check_own(name)
        overwrite = ask.flag("overwrite")
        given = read_given(await ask.document())

        def change(before: Trigger | None) -> Trigger:
            if before is not None and not overwrite:
                raise Refusal(409, EXISTS)
            if before is None:
                _check_feed(given.annotations or ())
            return given.apply(before or Trigger(name=name), before)

        return answer(self._shown(await self._registry.put(name, Trigger, change)))

    async def delete(self, ask: Ask) -> Response:
        name = ask.name
        ask.check_own(name)
        gone = self._shown(await self._registry.delete(name, Trigger))
        await self._firing.deactivate(name)
        return answer(gone)

    async def post(self, ask: Ask) -> Response:
        name = ask.name
        ask.check_own(name)
        trigger = self._registry.get(name, Trigger)
        body = await ask.read(PAYLOAD_BYTES)
        if body:
            ask.check_type()
        payload = await parse(body) if body else {}
        headers = {key: value for key, value in ask.request.headers.items() if key not in HIDDEN}
        around = {"__ow_headers": headers}
        fired = await self._firing.fire(ask.identity, trigger, payload, ask.transaction, around=around)
        return Response(204) if fired is None else answer({"activationId": fired}, 202, (ID, fired))

    def _shown(self, trigger: Trigger) -> dict[str, object]:
        return trigger_document(trigger, self._registry.rules_of(trigger.name))


def _check_feed(annotations: Pairs) -> None:
    """Whether it is a path; the feed itself is the client's to call."""
    value = next((pair["value"] for pair in annotations if pair["key"] == "feed"), "any")
    parts = [part for part in value.split("/") if part] if isinstance(value, str) else []
    if not parts or not all(SEGMENT.fullmatch(part) for part in parts):
        raise Refusal(400, "Feed name is not valid")
