"""How much a namespace may ask for: by the minute on the clock, and at the same time."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from lambent.whisk.errors import Refusal
from lambent.whisk.namespaces import Namespace

PER_MINUTE = "Too many requests in the last minute (count: {}, allowed: {})."
CONCURRENT = "Too many concurrent requests in flight (count: {}, allowed: {})."


@dataclass(slots=True)
class _Window:
    minute: int = 0
    count: int = 0


class Throttle:
    """Counts by namespace. What is refused counts too, as in OpenWhisk."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, str], _Window] = {}
        self._running: dict[str, int] = {}

    def count(self, namespace: Namespace, limit: str = "invocationsPerMinute") -> None:
        """One more request. Raises `Refusal` when it is one too many in this minute."""
        window = self._windows.setdefault((namespace.name, limit), _Window())
        minute = int(self._clock() // 60)
        if window.minute != minute:
            window.minute, window.count = minute, 0
        window.count += 1
        allowed = namespace.limit(limit)
        if window.count > allowed:
            raise Refusal(429, PER_MINUTE.format(window.count, allowed))

    def check_running(self, namespace: Namespace) -> None:
        """Raises `Refusal` when as many run as may."""
        running, allowed = self._running.get(namespace.name, 0), namespace.limit("concurrentInvocations")
        if running >= allowed:
            raise Refusal(429, CONCURRENT.format(running, allowed))

    def begin(self, namespace: Namespace) -> None:
        """An invocation runs, until `end`."""
        self._running[namespace.name] = self._running.get(namespace.name, 0) + 1

    def end(self, namespace: Namespace) -> None:
        left = self._running[namespace.name] = self._running[namespace.name] - 1
        if not left:
            del self._running[namespace.name]
