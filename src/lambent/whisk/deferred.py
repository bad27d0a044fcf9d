"""Calls that nobody waits for: on disk in the engine's queue until they have run."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from lambent.model.invocation import Invocation, Outcome
from lambent.model.names import Target
from lambent.whisk.activation import request_id
from lambent.whisk.call import Call
from lambent.whisk.names import Name
from lambent.whisk.namespaces import Namespaces
from lambent.whisk.resolve import try_resolve
from lambent.whisk.runner import Runner
from lambent.whisk.versions import Versions

SOURCE = "whisk"  # of what the queue holds for us


class Deferred:
    """Puts calls into the queue, and runs those that it takes out. A run's error is in its activation: it is
    not tried again."""

    def __init__(
        self,
        runner: Runner,
        versions: Versions,
        namespaces: Namespaces,
        accept: Callable[[Invocation], Awaitable[None]],
    ) -> None:
        self._runner = runner
        self._versions = versions
        self._namespaces = namespaces
        self._accept = accept

    async def accept(self, call: Call) -> None:
        """Returns once the call is on disk. Raises `Unavailable`."""
        identity = call.identity
        envelope: dict[str, Any] = {
            "subject": identity.subject,
            "namespace": identity.namespace.name,
            "action": list(call.resolved.called),
            "transaction": call.transaction,
            "cause": call.cause,
            "payload": call.content(),
        }
        invocation = Invocation(
            request_id=request_id(call.id),
            target=Target(self._versions.key(call.name)),
            payload=orjson.dumps(envelope),
            source=SOURCE,
            accepted_at=call.accepted_at,
        )
        await self._accept(invocation)

    async def run(self, invocation: Invocation) -> Outcome:
        """What the queue runs. A call whose action or key has gone in the meantime is dropped."""
        envelope: dict[str, Any] = orjson.loads(invocation.payload)
        identity = self._namespaces.identity(envelope["subject"], envelope["namespace"])
        resolved = identity and try_resolve(self._runner.registry, Name(*envelope["action"]), identity)
        if identity is not None and resolved:
            call = Call(
                id=invocation.request_id.replace("-", ""),
                resolved=resolved,
                identity=identity,
                payload=envelope["payload"],
                transaction=envelope["transaction"],
                cause=envelope["cause"],
                queued=True,
                accepted_at=invocation.accepted_at,
            )
            await self._runner.run(call)
        return Outcome(b"", "")
