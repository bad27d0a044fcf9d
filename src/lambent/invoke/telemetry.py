"""What happens in a sandbox, as events for the extensions that subscribed to them."""

import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from lambent.records.report import billed_ms, timestamp
from lambent.runtimes.telemetry_api import Subscription
from lambent.runtimes.telemetry_sender import Sender

KEPT_BYTES = 256 * 1024  # of events from before somebody subscribes, who gets them too
LINE_BYTES = 256 * 1024
FLUSH_S = 0.5


class Telemetry:
    """The events of one process, and who is sent them. Each subscriber needs a socket of the sandbox's."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._sockets: list[socket.socket] = []
        self._senders: list[Sender] = []
        self._early: list[tuple[str, bytes]] | None = []  # kind and event; None once it is too late
        self._early_bytes = 0
        self._partial = {"function": b"", "extension": b""}
        self._environment = environment
        self._began = self._started = time.perf_counter()
        self._request_id = ""
        self._init_ms: float | None = None  # that no invocation has reported

    @property
    def wanted(self) -> bool:
        """Whether somebody has subscribed, or still may."""
        return self._early is not None or bool(self._senders)

    def furnish(self, descriptors: Iterable[int]) -> None:
        self._sockets += [socket.socket(fileno=descriptor) for descriptor in descriptors]

    def subscribe(self, wanted: Subscription) -> bool:
        if not self._sockets:
            return False
        sender = Sender(wanted, self._sockets.pop())
        self._senders.append(sender)
        for kind, event in self._early or ():
            if kind in wanted.types:
                sender.add(event)
        told = {"name": wanted.name, "state": "Subscribed", "types": sorted(wanted.types)}
        self._platform("telemetrySubscription", told)
        return True

    def output(self, kind: str, data: bytes) -> None:
        """What the function or an extension printed, as it came."""
        if not self.wanted:
            return
        *lines, partial = (self._partial[kind] + data).split(b"\n")
        self._partial[kind] = partial[-LINE_BYTES:]
        for line in lines:
            self._add(kind, kind, line.decode(errors="replace") + "\n")

    def init_started(self) -> None:
        env = self._environment
        self._platform(
            "initStart",
            {
                **_ON_DEMAND,
                "functionName": env.get("AWS_LAMBDA_FUNCTION_NAME", ""),
                "functionVersion": env.get("AWS_LAMBDA_FUNCTION_VERSION", ""),
            },
        )

    def init_done(self) -> None:
        self._init_ms = _ms_since(self._began)
        self._platform("initRuntimeDone", {**_ON_DEMAND, "status": "success"})
        self._platform("initReport", {**_ON_DEMAND, "metrics": {"durationMs": round(self._init_ms, 3)}})
        self._early = None
        self._rest(idle=True)

    def extension_ready(self, name: str, events: Iterable[str]) -> None:
        self._platform("extension", {"name": name, "state": "Ready", "events": sorted(events)})

    def started(self, request_id: str, version: str, tracing: Mapping[str, str]) -> None:
        self._started, self._request_id = time.perf_counter(), request_id
        self._rest(idle=False)
        self._platform("start", {"requestId": request_id, "version": version, "tracing": tracing})

    def runtime_done(self, status: str, produced_bytes: int) -> None:
        metrics = {"durationMs": round(_ms_since(self._started), 3), "producedBytes": produced_bytes}
        told = {"requestId": self._request_id, "status": status, "metrics": metrics}
        self._platform("runtimeDone", told)

    def report(self, status: str, memory_peak_mb: Callable[[], int]) -> None:
        if not self.wanted:
            return
        duration_ms, init_ms = _ms_since(self._started), self._init_ms
        self._init_ms = None
        memory_mb = int(self._environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"))
        metrics: dict[str, float] = {
            "durationMs": round(duration_ms, 3),
            "billedDurationMs": billed_ms(duration_ms, init_ms),
            "memorySizeMB": memory_mb,
            "maxMemoryUsedMB": min(memory_peak_mb(), memory_mb),
        }
        if init_ms is not None:
            metrics["initDurationMs"] = round(init_ms, 3)
        told = {"requestId": self._request_id, "status": status, "metrics": metrics}
        self._platform("report", told)
        self._rest(idle=True)

    async def flush(self) -> None:
        for sender in self._senders:
            await sender.flush(FLUSH_S)

    def close(self) -> None:
        for sender in self._senders:
            sender.close()
        for unused in self._sockets:
            unused.close()

    def _rest(self, idle: bool) -> None:
        for sender in self._senders:
            sender.rest(idle)

    def _platform(self, name: str, record: Mapping[str, Any]) -> None:
        if self.wanted:
            self._add("platform", f"platform.{name}", record)

    def _add(self, kind: str, name: str, record: Mapping[str, Any] | str) -> None:
        event = orjson.dumps({"time": timestamp(time.time()), "type": name, "record": record})
        if self._early is not None and self._early_bytes < KEPT_BYTES:
            self._early.append((kind, event))
            self._early_bytes += len(event)
        for sender in self._senders:
            if kind in sender.subscription.types:
                sender.add(event)


_ON_DEMAND = {"initializationType": "on-demand", "phase": "init"}


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
