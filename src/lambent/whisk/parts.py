"""What sequences and compositions share: calls within a call, and the activation over them."""

from typing import Protocol

from lambent.whisk.activation import Activation, Response
from lambent.whisk.call import Call
from lambent.whisk.kinds import SEQUENCE
from lambent.whisk.registry import Registry


class Parts(Protocol):
    """The runner, as they need it."""

    registry: Registry

    async def run_part(self, call: Call) -> Activation: ...

    async def run_primitive(self, call: Call) -> Activation: ...

    def keep(self, call: Call, activation: Activation) -> None: ...


class Whole:
    """Gathers the activations of the parts for the record of the whole."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._parts: list[Activation] = []

    def add(self, activation: Activation) -> None:
        self._parts.append(activation)

    def activation(self, response: Response, **annotations: object) -> Activation:
        """Its duration is the sum of its parts', its memory the largest of theirs, its logs are their ids."""
        call, parts = self._call, self._parts
        start = parts[0].start if parts else int(call.accepted_at * 1000)
        memory_mb = max((part.annotations["limits"]["memory"] for part in parts), default=0)
        annotations["topmost"] = call.cause is None
        if call.cause is not None:
            annotations["causedBy"] = "sequence"
        if call.resolved.binding is not None:
            annotations["binding"] = str(call.resolved.binding)
        return Activation(
            id=call.id,
            namespace=call.identity.namespace.name,
            subject=call.identity.subject,
            name=call.name,
            version=call.action.version,
            start=start,
            end=parts[-1].end if parts else start,
            duration=sum(part.duration or 0 for part in parts),
            response=response,
            annotations={
                "path": str(call.name),
                "waitTime": max(0, start - int(call.accepted_at * 1000)),
                "kind": SEQUENCE,
                "limits": {
                    **call.action.limits.document(),
                    "memory": memory_mb or call.action.limits.memory_mb,
                },
                **annotations,
            },
            logs=tuple(part.id for part in parts),
            cause=call.cause,
        )
