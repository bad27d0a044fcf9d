"""The functions in memory: what every call looks up, refreshed by every change."""

import bisect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lambent.model.alias import Alias
from lambent.model.errors import NotFound
from lambent.model.function import Function, Version
from lambent.model.lifecycle import STALE, UPDATING, standing
from lambent.model.names import LATEST, FunctionKey, Target
from lambent.store.shelf import Shelf, Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one transaction did to a function. `result` is what the caller gets."""

    result: Version
    saved: tuple[Version, ...] = ()
    removed: tuple[str, ...] = ()  # versions and aliases; $LATEST stands for the whole function
    tags: Mapping[str, str] | None = None
    aliases: Mapping[str, Alias] | None = None  # all that the function has now


class Snapshot:
    """Every function and version, without a database in the way."""

    def __init__(self) -> None:
        self._functions = Shelf()
        self._names: dict[tuple[str, str], list[str]] = {}  # sorted, by account and region
        self._listeners: list[Callable[[FunctionKey], None]] = []

    def on_change(self, listener: Callable[[FunctionKey], None]) -> None:
        """Call `listener` whenever what a call of the function would run has changed or gone."""
        self._listeners.append(listener)

    def find(self, target: Target) -> Version | None:
        """What a call of `target` runs."""
        try:
            function = self._functions[target.key]
        except KeyError:
            return None
        if target.qualifier is None or target.qualifier == LATEST:
            return function.serving
        version = function.published.get(target.qualifier)
        if version is None and (alias := function.aliases.get(target.qualifier)):
            return self.find(Target(target.key, alias.pick()))
        return version

    def get(self, target: Target) -> Version:
        """What a call of `target` runs. Raises `NotFound`."""
        version = self.find(target)
        if version is None:
            raise NotFound(f"Function not found: {target.arn}")
        return version

    def described(self, target: Target) -> Version:
        """The version as its owner sees it, an update in progress included. Raises `NotFound`."""
        function = self.peek(target.key)
        if function is not None:
            alias = function.aliases.get(target.qualifier or "")
            qualifier = alias.version if alias else target.qualifier or LATEST
            version = function.latest if qualifier == LATEST else function.published.get(qualifier)
            if version is not None:
                return version
        raise NotFound(f"Function not found: {target.arn}")

    def revision(self, target: Target) -> str:
        """The RevisionId of a version or an alias. Raises `NotFound`."""
        alias = self.function(target.key).aliases.get(target.qualifier or "")
        return alias.revision_id if alias else self.described(target).revision_id

    def function(self, key: FunctionKey) -> Function:
        """Raises `NotFound`."""
        function = self.peek(key)
        if function is None:
            raise NotFound(f"Function not found: {key.arn}")
        return function

    def peek(self, key: FunctionKey) -> Function | None:
        try:
            return self._functions[key]
        except KeyError:
            return None

    def exists(self, key: FunctionKey) -> bool:
        return self._functions.holds(key)

    def names(self, account: str, region: str, after: str = "") -> list[str]:
        """The functions' names in order, those behind `after`."""
        names = self._names.get((account, region), [])
        return names[bisect.bisect_right(names, after) :]

    def identities(self, key: FunctionKey) -> set[str]:
        """What calls of the function may run now, none of them when it is gone."""
        function = self.peek(key)
        versions = (function.serving, *function.published.values()) if function else ()
        return {version.identity for version in versions}

    def digests(self) -> set[str]:
        """The packages that any version needs."""
        return self._functions.digests()

    def _apply(self, change: Change) -> None:
        key = change.result.key
        before = self.peek(key)
        if LATEST in change.removed:
            del self._functions[key]
            self._names[key.account, key.region].remove(key.name)
        else:
            for version in change.saved:
                self._put(version)
            self._adjust(key, change)
        after = self.peek(key)
        if (
            change.removed
            or change.aliases is not None
            or (before and before.serving) is not (after and after.serving)
        ):
            for listener in self._listeners:
                listener(key)

    def _adjust(self, key: FunctionKey, change: Change) -> None:
        function = self._functions[key]
        if change.tags is not None:
            function = replace(function, tags=change.tags)
        if change.aliases is not None:
            function = replace(function, aliases=change.aliases)
        if change.removed:
            left = {n: v for n, v in function.published.items() if n not in change.removed}
            function = replace(function, published=left)
        self._functions[key] = function

    def _lay(self, key: FunctionKey, stored: Stored) -> None:
        """Take in a function as it is stored; they come in the order of their keys."""
        self._functions.lay(key, stored)
        self._names.setdefault((key.account, key.region), []).append(key.name)

    def _put(self, version: Version) -> None:
        key = version.key
        function = self.peek(key)
        if function is None:
            function = Function(latest=version, serving=version)
            bisect.insort(self._names.setdefault((key.account, key.region), []), key.name)
        elif version.version == LATEST:
            function = replace(function, latest=version, serving=_serving(function, version))
        else:
            function = replace(function, published={**function.published, version.version: version})
        self._functions[key] = function


def _serving(function: Function, latest: Version) -> Version:
    """What calls run now that $LATEST is this: until an update is complete, what they ran before."""
    before = function.serving
    same = (latest.last_modified, latest.state) == (before.last_modified, before.state)
    return before if same or standing(latest) in (UPDATING, STALE) else latest
