"""Admission: how many invocations of an account run at the same time."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from lambent.model.errors import Throttled
from lambent.model.limits import ACCOUNT_CONCURRENCY


class Admission:
    """Counts what runs, per account."""

    def __init__(self, limit: int = ACCOUNT_CONCURRENCY) -> None:
        self._limit = limit
        self._running: Counter[str] = Counter()

    @contextmanager
    def admit(self, account: str) -> Iterator[None]:
        """A place among the account's running invocations. Raises `Throttled` when there is none."""
        if self._running[account] >= self._limit:
            raise Throttled("ConcurrentInvocationLimitExceeded")
        self._running[account] += 1
        try:
            yield
        finally:
            self._running[account] -= 1

    @property
    def running(self) -> int:
        return self._running.total()
