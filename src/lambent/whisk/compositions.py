"""Compositions: a conductor action says after each step what runs next."""

from collections.abc import Mapping
from typing import Any

import orjson

from lambent.whisk.activation import Activation, Response, Status
from lambent.whisk.call import Budget, Call
from lambent.whisk.errors import Refusal
from lambent.whisk.names import Name, parse
from lambent.whisk.parts import Parts, Whole
from lambent.whisk.resolve import resolve
from lambent.whisk.sequences import LONGEST

TOO_LONG = "Too many actions in the composition."
UNREADABLE = "Failed to parse action name from json value {} during composition."
MISSING = "Failed to resolve action with name '{}' during composition."
FORBIDDEN = "Failed entitlement check for action with name '{}' during composition."

Object = Mapping[str, Any]


async def run(parts: Parts, call: Call) -> Activation:
    """The conductor, then what it names, then the conductor again, until it names nothing."""
    budget = call.budget or Budget(LONGEST, 2 * LONGEST + 1)
    whole = Whole(call)
    payload: Any = call.content()
    state: Object = {}
    while True:
        if budget.conductors == 0:
            response = Response.error(Status.APPLICATION_ERROR, TOO_LONG)
            break
        budget.conductors -= 1
        given = {**payload, **state} if isinstance(payload, dict) else payload
        response = await _conduct(parts, call, given, whole)
        step = orjson.loads(response.result)
        if not isinstance(step, dict) or not response.ok:
            break
        state = _boxed(step["state"], "state") if "state" in step else {}
        parameters = _boxed(step["params"], "value") if "params" in step else None
        if "action" not in step:
            if parameters is not None:
                response = Response(response.status, orjson.dumps(parameters))
            break
        payload = await _next(parts, call, step["action"], parameters or {}, budget, whole)
    return whole.activation(response, conductor=True)


async def _conduct(parts: Parts, call: Call, payload: Any, whole: Whole) -> Response:
    part = call.part(call.resolved, payload)
    activation = await parts.run_primitive(part)
    parts.keep(part, activation)
    whole.add(activation)
    return activation.response


async def _next(
    parts: Parts, call: Call, action: Any, parameters: Object, budget: Budget, whole: Whole
) -> Any:
    """What the conductor gets to see of the next step."""
    name = _name(action, call.identity.namespace.name)
    if name is None:
        return {"error": UNREADABLE.format(orjson.dumps(action).decode())}
    if budget.components == 0:
        return {"error": TOO_LONG}
    try:
        resolved = resolve(parts.registry, name, call.identity)
    except Refusal as error:
        return {"error": (FORBIDDEN if error.status == 403 else MISSING).format(name)}
    if not resolved.is_composition:  # what it calls in turn is counted
        budget.components -= 1
    activation = await parts.run_part(call.part(resolved, dict(parameters), budget))
    whole.add(activation)
    return orjson.loads(activation.response.result)


def _name(action: Any, own: str) -> Name | None:
    """Names without a slash before them are the caller's own."""
    if not isinstance(action, str):
        return None
    try:
        return parse(action if action.startswith("/") else f"/_/{action}", own)
    except Refusal:
        return None


def _boxed(value: Any, key: str) -> Object:
    return value if isinstance(value, dict) else {key: value}
