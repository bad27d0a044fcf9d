"""Lambda's functions as actions: `/_/lambda/NAME`, those of the namespace's account and region."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from lambent.model.function import Version
from lambent.model.invocation import Invocation, Outcome
from lambent.model.names import FunctionKey, Target
from lambent.whisk.activation import request_id
from lambent.whisk.call import Call
from lambent.whisk.entities import Action, Entity, Limits, Package
from lambent.whisk.kinds import LAMBDA
from lambent.whisk.names import Name
from lambent.whisk.namespaces import Namespaces

PACKAGE = "lambda"


class Lending:
    """Gives an action for a function that is there, and calls the function when the action is."""

    def __init__(
        self,
        namespaces: Namespaces,
        find: Callable[[Target], Version | None],
        invoke: Callable[[Invocation], Awaitable[Outcome]],
    ) -> None:
        self._namespaces = namespaces
        self._find = find
        self._invoke = invoke

    def entity(self, name: Name) -> Entity | None:
        """The package, or an action in it; None for everything else."""
        if (name.package, name.name) == ("", PACKAGE):
            return Package(name=name)
        target = self._target(name) if name.package == PACKAGE else None
        version = self._find(target) if target else None
        if version is None:
            return None
        limits = Limits(int(version.timeout_s * 1000), version.memory_mb)
        annotations = ({"key": "exec", "value": LAMBDA}, {"key": "provide-api-key", "value": False})
        return Action(name=name, kind=LAMBDA, limits=limits, annotations=annotations)

    async def run(self, call: Call) -> Mapping[str, Any]:
        """What the function answers; what is no object is boxed, since actions answer objects."""
        target = self._target(call.name)
        if target is None:
            return {"error": "The namespace is gone."}
        invocation = Invocation(
            request_id=request_id(call.id),
            target=target,
            payload=call.arguments(),
            source="async" if call.queued else "api",
            accepted_at=call.accepted_at,
        )
        outcome = await self._invoke(invocation)
        answer = orjson.loads(outcome.payload or b"null")
        if not outcome.ok:
            return {"error": answer}
        return answer if isinstance(answer, dict) else {"value": answer}

    def _target(self, name: Name) -> Target | None:
        namespace = self._namespaces.get(name.namespace)
        if namespace is None:
            return None
        return Target(FunctionKey(namespace.account, namespace.region, name.name))
