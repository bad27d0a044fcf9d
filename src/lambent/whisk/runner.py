"""The runner: takes a call of an action to its activation."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from lambent.model.errors import PlatformError
from lambent.model.invocation import TIMED_OUT, Invocation, Outcome, Run
from lambent.model.names import Target
from lambent.whisk import compositions, sequences
from lambent.whisk.activation import MISSING_LOGS, Activation, Response, Status, request_id
from lambent.whisk.activations import Activations
from lambent.whisk.call import Call
from lambent.whisk.kinds import SEQUENCE
from lambent.whisk.outcomes import response_of
from lambent.whisk.output import Output
from lambent.whisk.parameters import gets_key
from lambent.whisk.registry import Registry
from lambent.whisk.throttle import Throttle
from lambent.whisk.versions import Versions

Elsewhere = Callable[[Call], Awaitable[Mapping[str, Any]]]
Invoke = Callable[[Invocation], Awaitable[Outcome]]


class Runner:
    """Runs primitive actions by the engine's invoker, and what is made of actions by itself."""

    def __init__(
        self,
        registry: Registry,
        versions: Versions,
        activations: Activations,
        throttle: Throttle,
        invoke: Invoke,
    ) -> None:
        self.registry = registry
        self._versions = versions
        self._activations = activations
        self._throttle = throttle
        self._invoke = invoke
        self.elsewhere: dict[str, Elsewhere] = {}  # by kind: what runs actions that are no code of ours

    async def run(self, call: Call) -> Activation:
        """A call from outside; everything within it counts as one."""
        namespace = call.identity.namespace
        self._throttle.begin(namespace)
        try:
            return await self.run_part(call)
        finally:
            self._throttle.end(namespace)

    async def run_part(self, call: Call) -> Activation:
        """A call of an action on its own, or as a part of another one."""
        action = call.action
        if action.kind == SEQUENCE:
            activation = await sequences.run(self, call)
        elif action.kind in self.elsewhere:
            activation = await self._run_elsewhere(call)
        elif call.resolved.is_composition:
            activation = await compositions.run(self, call)
        else:
            activation = await self.run_primitive(call)
        self.keep(call, activation)
        return activation

    async def run_primitive(self, call: Call) -> Activation:
        """One run of code; the activation is the caller's to keep."""
        action = call.action
        output = Output(action.limits.logs_mb)
        invocation = Invocation(
            request_id=request_id(call.id),
            target=Target(self._versions.key(call.name)),
            payload=call.arguments(),
            source="async" if call.queued else "api",
            client_context=_context(call),
            tenant=call.identity.namespace.tenant,
            accepted_at=call.accepted_at,
            hear=output.hear,
        )
        try:
            outcome = await self._invoke(invocation)
        except PlatformError as error:
            return _activation(call, Response.error(Status.WHISK_ERROR, error.message))
        return _activation(call, response_of(action, outcome), outcome.run, output.lines)

    async def _run_elsewhere(self, call: Call) -> Activation:
        started_at = time.time()
        try:
            result = await self.elsewhere[call.action.kind](call)
        except PlatformError as error:
            return _activation(call, Response.error(Status.WHISK_ERROR, error.message))
        status = Status.APPLICATION_ERROR if "error" in result else Status.SUCCESS
        took_ms = round((time.time() - started_at) * 1000)
        made = _activation(call, Response(status, orjson.dumps(result)))
        return made._replace(start=made.start - took_ms, duration=took_ms)

    def keep(self, call: Call, activation: Activation) -> None:
        if call.identity.namespace.stores_activations:
            self._activations.add(activation)


def _context(call: Call) -> str:
    """What our runtimes put into the environment of the run."""
    given = {"namespace": call.identity.namespace.name, "transaction_id": call.transaction}
    if gets_key(call.action):
        given["api_key"] = call.identity.auth
    return orjson.dumps({"custom": given}).decode()


def _activation(
    call: Call, response: Response, run: Run | None = None, logs: tuple[str, ...] = ()
) -> Activation:
    now = time.time()
    start_s = run.started_at if run else now
    duration = round(run.duration_ms + (run.init_ms or 0)) if run else 0
    start = int(start_s * 1000)
    if response.status is Status.DEVELOPER_ERROR:
        logs = (*logs, MISSING_LOGS)
    return Activation(
        id=call.id,
        namespace=call.identity.namespace.name,
        subject=call.identity.subject,
        name=call.name,
        version=call.action.version,
        start=start,
        end=start + duration,
        duration=duration,
        response=response,
        annotations=_annotations(call, run, start_s),
        logs=logs,
        cause=call.cause,
    )


def _annotations(call: Call, run: Run | None, start_s: float) -> dict[str, Any]:
    action = call.action
    init_ms = run.init_ms if run else None
    waited_ms = (start_s - call.accepted_at) * 1000 - (init_ms or 0)
    annotations = {
        "path": str(action.name),
        "waitTime": max(0, round(waited_ms)),
        "kind": action.kind,
        "timeout": run is not None and run.error_type == TIMED_OUT,
        "limits": action.limits.document(),
    }
    if init_ms is not None:
        annotations["initTime"] = round(init_ms)
    if call.resolved.binding is not None:
        annotations["binding"] = str(call.resolved.binding)
    if call.cause is not None:
        annotations["causedBy"] = "sequence"
    return annotations
