"""Sequences: actions one after another, each with what the one before has answered."""

from collections.abc import Iterable

from lambent.whisk.activation import Activation, Response, Status
from lambent.whisk.call import Call, Steps
from lambent.whisk.entities import Action
from lambent.whisk.errors import Refusal
from lambent.whisk.kinds import SEQUENCE
from lambent.whisk.names import Name
from lambent.whisk.namespaces import Identity
from lambent.whisk.parts import Parts, Whole
from lambent.whisk.registry import Registry
from lambent.whisk.resolve import resolve, try_resolve

LONGEST = 50  # actions, those of sequences within it counted
NONE = "No component specified for the sequence."
MISSING = "Sequence component does not exist."
CIRCLE = "Sequence may not refer to itself."
TOO_LONG = "Too many actions in the sequence."


async def run(parts: Parts, call: Call) -> Activation:
    """Ends at the first component that fails."""
    whole = Whole(call)
    steps = call.steps or Steps(LONGEST)
    payload = call.payload
    response = Response.error(Status.WHISK_ERROR, NONE)
    for name in call.action.components:
        resolved = try_resolve(parts.registry, name, call.identity)
        if resolved is None:
            response = Response.error(Status.APPLICATION_ERROR, MISSING)
            break
        if resolved.action.kind != SEQUENCE:
            if not steps.left:  # one within it has grown since it was made
                response = Response.error(Status.APPLICATION_ERROR, TOO_LONG)
                break
            steps.left -= 1
        activation = await parts.run_part(call.part(resolved, payload, steps=steps))
        whole.add(activation)
        response = activation.response
        if not response.ok:
            break
        payload = response.result
    return whole.activation(response)


def check(registry: Registry, own: Name, components: tuple[Name, ...], identity: Identity) -> None:
    """Raises `Refusal` for a sequence that is empty, too long, a circle, or of what is not there."""
    if not components:
        raise Refusal(400, NONE)
    if _length(registry, own, components, identity, depth=0) > LONGEST:
        raise Refusal(400, TOO_LONG)


def _length(registry: Registry, own: Name, components: Iterable[Name], identity: Identity, depth: int) -> int:
    """How many actions run."""
    if depth > LONGEST:
        raise Refusal(400, TOO_LONG)
    length = 0
    for name in components:
        if name == own:
            raise Refusal(400, CIRCLE)
        action = _component(registry, name, identity)
        if action.name == own:
            raise Refusal(400, CIRCLE)
        within = action.components if action.kind == SEQUENCE else ()
        length += _length(registry, own, within, identity, depth + 1) if within else 1
        if length > LONGEST:
            return length
    return length


def _component(registry: Registry, name: Name, identity: Identity) -> Action:
    try:
        return resolve(registry, name, identity).action
    except Refusal as error:
        if error.status == 403:
            raise
        raise Refusal(400, MISSING) from None
