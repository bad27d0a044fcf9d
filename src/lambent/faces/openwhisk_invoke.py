"""Invocations of OpenWhisk's actions: blocking, result only, and those that nobody waits for."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from lambent.faces.http import Response
from lambent.faces.openwhisk_ask import Ask, answer, parse
from lambent.whisk.activation import Activation, Status
from lambent.whisk.call import Call
from lambent.whisk.deferred import Deferred
from lambent.whisk.errors import NOT_ALLOWED, Refusal, malformed_query
from lambent.whisk.namespaces import Identity
from lambent.whisk.resolve import Resolved
from lambent.whisk.runner import Runner
from lambent.whisk.throttle import Throttle

PAYLOAD_BYTES = 1024 * 1024
WAIT_MS = 60_000
BAD_TIMEOUT = f"Timeout must be number of milliseconds up to {WAIT_MS}."
ID = "x-openwhisk-activation-id"
_STATUS = {Status.SUCCESS: 200, Status.WHISK_ERROR: 500}  # every other one is 502
_EMPTY = (b"", b"{}")


class Invocations:
    """Runs calls for callers who wait, and hands the others to the queue."""

    def __init__(self, runner: Runner, deferred: Deferred, throttle: Throttle) -> None:
        self._runner = runner
        self._deferred = deferred
        self._throttle = throttle
        self._running: set[asyncio.Task[Activation]] = set()

    async def invoke(self, ask: Ask, resolved: Resolved) -> Response:
        body = await ask.read(PAYLOAD_BYTES)
        if body:
            ask.check_type()
        payload = await _payload(body, resolved)
        blocking, result_only = ask.flag("blocking"), ask.flag("result")
        wait_ms = ask.number("timeout", WAIT_MS, WAIT_MS, BAD_TIMEOUT, BAD_TIMEOUT)
        if not wait_ms:
            raise malformed_query("timeout", BAD_TIMEOUT)
        call = Call(
            resolved=resolved,
            identity=ask.identity,
            payload=payload,
            transaction=ask.transaction,
            queued=not blocking,
        )
        self.admit(ask.identity)
        if not blocking:
            return await self.defer(call)
        activation = await self.wait(call, wait_ms / 1000)
        if activation is None:
            return accepted(call)
        return _answer(activation, result_only=result_only)

    def admit(self, identity: Identity) -> None:
        """Raises `Refusal` for one call too many of its namespace."""
        self._throttle.count(identity.namespace)
        self._throttle.check_running(identity.namespace)

    async def defer(self, call: Call) -> Response:
        """Answered once the call is on disk."""
        await self._deferred.accept(call)
        return accepted(call)

    async def wait(self, call: Call, timeout_s: float) -> Activation | None:
        """None when it takes longer; it goes on all the same."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._runner.run(call))
        self._running.add(task)
        over = loop.create_future()  # either of the two; asyncio.wait costs three times as much

        def ended(_: object = None) -> None:
            if not over.done():
                over.set_result(None)

        timer = loop.call_later(timeout_s, ended)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(ended)
        await over
        timer.cancel()
        return task.result() if task.done() else None


async def _payload(body: bytes, resolved: Resolved) -> bytes | Mapping[str, Any]:
    if body in _EMPTY:
        return b"{}"
    payload = await parse(body)
    if not resolved.fixed.isdisjoint(payload):
        raise Refusal(400, NOT_ALLOWED)
    return body


def accepted(call: Call) -> Response:
    return answer({"activationId": call.id}, 202, (ID, call.id))


def _answer(activation: Activation, *, result_only: bool) -> Response:
    response = activation.response
    status = _STATUS.get(response.status, 502)
    header = (ID, activation.id)
    if result_only or response.result.startswith(b"["):  # a list is always answered bare
        return answer(orjson.Fragment(response.result), status, header)
    sequence = activation.annotations["kind"] == "sequence"
    return answer(activation.document(logs=sequence), status, header)
