"""Provisioned concurrency: instances of published versions that are made ahead and kept warm."""

from collections import Counter
from dataclasses import dataclass

from lambent.invoke.pool import Pool
from lambent.model.function import Version
from lambent.model.names import FunctionKey, Target
from lambent.store.function_settings import FunctionSettings, Kind
from lambent.store.functions import Functions

IN_PROGRESS, READY, FAILED = "IN_PROGRESS", "READY", "FAILED"


@dataclass(frozen=True, slots=True)
class Supply:
    """How far what was asked for is there. `reason` is AWS's code of a failure."""

    allocated: int
    status: str
    reason: str | None = None


class Provisioned:
    """Keeps in the pool what the functions' owners have asked for."""

    def __init__(self, settings: FunctionSettings, functions: Functions, pool: Pool) -> None:
        self._settings = settings
        self._functions = functions
        self._pool = pool
        self._kept: dict[FunctionKey, dict[str, Version]] = {}  # by their identity
        settings.on_change(self.refresh)
        functions.on_change(self.refresh)  # an alias may name another version now
        for key in settings.functions():
            self.refresh(key)

    def refresh(self, key: FunctionKey) -> None:
        """Tell the pool how many of which of a function's versions it is to keep."""
        wanted: Counter[str] = Counter()
        versions: dict[str, Version] = {}
        for qualifier, document in self._settings.of(Kind.PROVISIONED, key).items():
            for version, count in self._shares(Target(key, qualifier), document["count"]):
                versions[version.identity] = version
                wanted[version.identity] += count
        for identity, version in (self._kept.pop(key, {}) | versions).items():
            self._pool.keep(version, wanted[identity])
        if versions:
            self._kept[key] = versions

    def supply(self, target: Target) -> Supply:
        """How it stands with what is set on a version or alias."""
        document = self._settings.get(Kind.PROVISIONED, target)
        wanted: int = document["count"] if document else 0
        allocated = 0
        for version, count in self._shares(target, wanted):
            there, problem = self._pool.kept(version)
            if problem:
                return Supply(0, FAILED, problem)
            allocated += min(count, there)
        return Supply(allocated, READY if allocated >= wanted else IN_PROGRESS)

    def _shares(self, target: Target, count: int) -> list[tuple[Version, int]]:
        """The versions behind a qualifier, and how many instances each gets by the alias's weights."""
        function = self._functions.peek(target.key)
        if function is None:
            return []
        alias = function.aliases.get(target.qualifier or "")
        if alias is None:
            version = function.published.get(target.qualifier or "")
            return [(version, count)] if version else []
        besides = {name: round(weight * count) for name, weight in alias.weights.items()}
        parts = {alias.version: count - sum(besides.values()), **besides}
        return [
            (function.published[name], n) for name, n in parts.items() if name in function.published and n
        ]
