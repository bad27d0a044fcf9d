"""Admission: how many invocations of an account run at the same time."""

from lambent.model.errors import Throttled
from lambent.model.limits import ACCOUNT_CONCURRENCY


class Places:
    """An account's running invocations; entered by each while it runs."""

    __slots__ = ("limit", "running")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.running = 0

    def __enter__(self) -> None:
        if self.running >= self.limit:
            raise Throttled("ConcurrentInvocationLimitExceeded")
        self.running += 1

    def __exit__(self, *_: object) -> None:
        self.running -= 1


class Admission:
    """Counts what runs, per account."""

    def __init__(self, limit: int = ACCOUNT_CONCURRENCY) -> None:
        self._limit = limit
        self._accounts: dict[str, Places] = {}

    def admit(self, account: str) -> Places:
        """A place for the block that it guards. Entering raises `Throttled` when there is none."""
        places = self._accounts.get(account)
        if places is None:
            places = self._accounts[account] = Places(self._limit)
        return places

    @property
    def running(self) -> int:
        return sum(places.running for places in self._accounts.values())
