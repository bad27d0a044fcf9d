"""Admission: how many invocations of a function and of its account run at the same time."""

from lambent.model.errors import Throttled
from lambent.model.limits import ACCOUNT_CONCURRENCY
from lambent.model.names import FunctionKey

UNRESERVED, RESERVED = (
    "ConcurrentInvocationLimitExceeded",
    "ReservedFunctionConcurrentInvocationLimitExceeded",
)


class Places:
    """Running invocations that share a limit; entered by each while it runs."""

    __slots__ = ("limit", "reason", "running")

    def __init__(self, limit: int, reason: str) -> None:
        self.limit = limit
        self.reason = reason
        self.running = 0

    def __enter__(self) -> None:
        if self.running >= self.limit:
            raise Throttled(self.reason, for_ever=not self.limit)
        self.running += 1

    def __exit__(self, *_: object) -> None:
        self.running -= 1


class Admission:
    """Counts what runs, per account and region; a function with reserved concurrency counts for itself."""

    def __init__(self, limit: int = ACCOUNT_CONCURRENCY) -> None:
        self._limit = limit
        self._accounts: dict[tuple[str, str], Places] = {}
        self._reserved: dict[FunctionKey, Places] = {}
        self._places: dict[FunctionKey, Places] = {}  # where a function's calls count: one look-up a call

    def admit(self, key: FunctionKey) -> Places:
        """A place for the block that it guards. Entering raises `Throttled` when there is none."""
        places = self._places.get(key)
        if places is None:
            places = self._places[key] = self._account(key)
        return places

    def reserve(self, key: FunctionKey, count: int | None) -> None:
        """Take so many places of the account for one function alone; None gives them back."""
        account, before = self._account(key), self._reserved.pop(key, None)
        account.limit += (before.limit if before else 0) - (count or 0)
        self._places.pop(key, None)
        if count is not None:
            places = self._reserved[key] = self._places[key] = before or Places(count, RESERVED)
            places.limit = count

    def unreserved(self, account: str, region: str) -> int:
        """The places that no function has for itself."""
        places = self._accounts.get((account, region))
        return places.limit if places else self._limit

    @property
    def running(self) -> int:
        return sum(places.running for places in (*self._accounts.values(), *self._reserved.values()))

    def _account(self, key: FunctionKey) -> Places:
        return self._accounts.setdefault((key.account, key.region), Places(self._limit, UNRESERVED))
