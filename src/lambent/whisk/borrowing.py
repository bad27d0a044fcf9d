"""Actions as functions: Lambda's API calls `pkg/hello` as `pkg-hello`, while no function has that name."""

import orjson

from lambent.model.errors import NotFound, Throttled
from lambent.model.invocation import Invocation, Outcome
from lambent.model.names import LATEST, FunctionKey, Target
from lambent.whisk.activation import Activation
from lambent.whisk.call import Call
from lambent.whisk.deferred import Deferred
from lambent.whisk.entities import Action
from lambent.whisk.errors import Refusal
from lambent.whisk.kinds import BUILT_IN
from lambent.whisk.names import Name, function_name
from lambent.whisk.namespaces import SYSTEM, Namespaces
from lambent.whisk.registry import Registry
from lambent.whisk.resolve import resolve
from lambent.whisk.runner import Runner
from lambent.whisk.throttle import Throttle


class Borrowing:
    """Finds actions by the names that `lambent whisk export` gives their functions."""

    def __init__(
        self,
        registry: Registry,
        namespaces: Namespaces,
        runner: Runner,
        deferred: Deferred,
        throttle: Throttle,
    ) -> None:
        self._registry = registry
        self._namespaces = namespaces
        self._runner = runner
        self._deferred = deferred
        self._throttle = throttle
        self._names: dict[FunctionKey, Name] | None = None  # None once something has changed
        registry.on_change(self._forget)

    def has(self, target: Target) -> bool:
        return target.qualifier in (None, LATEST) and target.key in self._index()

    async def invoke(self, invocation: Invocation) -> Outcome:
        """Run it, or accept it when nobody waits. Raises `NotFound`, `Throttled`, `Unavailable`."""
        call = self._call(invocation)
        try:
            self._throttle.count(call.identity.namespace)
            self._throttle.check_running(call.identity.namespace)
        except Refusal:
            raise Throttled("CallerRateLimitExceeded") from None
        if not call.queued:
            return _outcome(await self._runner.run(call))
        await self._deferred.accept(call)
        return Outcome(b"", LATEST)

    def _call(self, invocation: Invocation) -> Call:
        name = self._index().get(invocation.target.key)
        owner = name and self._namespaces.owner(name.namespace)
        if name is None or owner is None:
            raise NotFound(f"Function not found: {invocation.target.key.arn}")
        event = orjson.loads(invocation.payload)
        return Call(
            id=invocation.request_id.replace("-", ""),
            resolved=resolve(self._registry, name, owner),
            identity=owner,
            payload=event if isinstance(event, dict) else {"value": event},
            transaction=invocation.request_id,
            queued=invocation.source == "async",
            accepted_at=invocation.accepted_at,
        )

    def _index(self) -> dict[FunctionKey, Name]:
        """Of two actions with one name the first counts, in the order of the alphabet."""
        if self._names is None:
            self._names = {}
            actions = (a for a in self._registry.everywhere(Action) if a.kind != BUILT_IN)
            for name in sorted(action.name for action in actions):
                space = self._namespaces.get(name.namespace)
                if space is not None and space.name != SYSTEM:
                    key = FunctionKey(space.account, space.region, function_name(name.local))
                    self._names.setdefault(key, name)
        return self._names

    def _forget(self, _: Name) -> None:
        self._names = None


def _outcome(activation: Activation) -> Outcome:
    response = activation.response
    if response.ok:
        return Outcome(response.result, LATEST)
    error = orjson.loads(response.result)["error"]
    message = error if isinstance(error, str) else orjson.dumps(error).decode()
    told = {"errorMessage": message, "errorType": response.status.text}
    return Outcome(orjson.dumps(told), LATEST, "Unhandled")
