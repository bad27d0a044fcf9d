"""A call: an activation that is to be."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from lambent.whisk.activation import new_id
from lambent.whisk.entities import Action
from lambent.whisk.names import Name
from lambent.whisk.namespaces import Identity
from lambent.whisk.parameters import arguments
from lambent.whisk.resolve import Resolved

Payload = bytes | Mapping[str, Any] | list[Any]  # bytes: JSON that nobody had to look into


@dataclass(slots=True)
class Budget:
    """What a composition may still do, with all compositions within it."""

    components: int
    conductors: int


@dataclass(slots=True)
class Steps:
    """How many actions a sequence may still run, with all sequences within it."""

    left: int


@dataclass(slots=True, kw_only=True)  # a frozen one takes three times as long to make
class Call:
    """Who invokes which action with what. `cause` is the activation that it is a part of."""

    resolved: Resolved
    identity: Identity
    payload: Payload
    transaction: str
    id: str = field(default_factory=new_id)
    cause: str | None = None
    queued: bool = False
    budget: Budget | None = None  # of the composition that it is a part of
    steps: Steps | None = None  # of the sequence that it is a part of
    accepted_at: float = field(default_factory=time.time)

    @property
    def action(self) -> Action:
        return self.resolved.action

    @property
    def name(self) -> Name:
        return self.resolved.action.name

    def part(
        self,
        resolved: Resolved,
        payload: Payload,
        budget: Budget | None = None,
        steps: Steps | None = None,
    ) -> "Call":
        """A call within this one."""
        return Call(
            resolved=resolved,
            identity=self.identity,
            payload=payload,
            transaction=self.transaction,
            cause=self.id,
            queued=self.queued,
            budget=budget or self.budget,
            steps=steps,
        )

    def arguments(self) -> bytes:
        """The JSON that the action gets: what it has inherited, its own parameters, the payload over them."""
        inherited = arguments(self.resolved.parameters)
        if isinstance(self.payload, bytes) and not inherited:
            return self.payload
        content = self.content()
        return orjson.dumps({**inherited, **content} if isinstance(content, dict) else content)

    def content(self) -> Any:
        """The payload as JSON has it."""
        return orjson.loads(self.payload) if isinstance(self.payload, bytes) else self.payload
