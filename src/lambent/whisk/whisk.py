"""OpenWhisk's parts of one node, put together."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lambent.invoke.admission import Admission
from lambent.invoke.invoker import Invoker, Settle
from lambent.invoke.pool import Pool
from lambent.model.function import Version
from lambent.model.invocation import Invocation
from lambent.store.base import Store
from lambent.store.snapshot import Snapshot
from lambent.whisk import alarms, subscriptions
from lambent.whisk.activations import Activations
from lambent.whisk.alarms import Alarms
from lambent.whisk.borrowing import Borrowing
from lambent.whisk.call import Call
from lambent.whisk.deferred import Deferred
from lambent.whisk.firing import Firing
from lambent.whisk.kinds import BUILT_IN, LAMBDA, Kinds
from lambent.whisk.lending import Lending
from lambent.whisk.namespaces import Namespaces
from lambent.whisk.registry import Registry
from lambent.whisk.runner import Invoke, Runner
from lambent.whisk.subscriptions import Subscriptions
from lambent.whisk.throttle import Throttle
from lambent.whisk.versions import Versions


class Whisk:
    """What is stored is there at once; `connect` gives it the engine that runs actions."""

    runner: Runner
    deferred: Deferred
    firing: Firing
    alarms: Alarms
    borrowing: Borrowing
    subscriptions: Subscriptions

    def __init__(self, store: Store, activations: Activations, runtimes: Sequence[str]) -> None:
        self._store = store
        self.activations = activations
        self.kinds = Kinds.of(runtimes)
        self.throttle = Throttle()
        self.namespaces = Namespaces(store)
        self.registry = Registry(store)
        self.versions = Versions(self.registry, self.namespaces, self.kinds)
        self.namespaces.load()
        self.registry.load()

    @classmethod
    async def open(cls, store: Store, path: Path, runtimes: Sequence[str]) -> "Whisk":
        return cls(store, await Activations.open(path), runtimes)

    def connect(
        self,
        admission: Admission,
        pool: Pool,
        settle: Settle,
        accept: Callable[[Invocation], Awaitable[None]],
        functions: Snapshot,
        call_function: Invoke,
        brokers: frozenset[str],
        expect: Callable[[Iterable[Version]], None],
    ) -> None:
        """Actions have an invoker as functions have, over the same pool; functions are lent as actions."""
        invoker = Invoker(self.versions.get, admission, pool, settle)
        self.versions.on_change(pool.retire)
        self.registry.on_change(lambda name: expect(self.versions.serving(name)))
        self.runner = Runner(self.registry, self.versions, self.activations, self.throttle, invoker.invoke)
        self.deferred = Deferred(self.runner, self.versions, self.namespaces, accept)
        self.firing = Firing(self.registry, self.activations, self.deferred, self.throttle)
        self.alarms = Alarms(self._store, self.registry, self.namespaces, self.firing)
        lending = Lending(self.namespaces, functions.find, call_function)
        self.registry.lend = lending.entity
        self.borrowing = Borrowing(self.registry, self.namespaces, self.runner, self.deferred, self.throttle)
        self.subscriptions = Subscriptions(self._store, self.registry, self.namespaces, self.firing, brokers)
        self._feeds = {alarms.PACKAGE: self.alarms.feed, subscriptions.PACKAGE: self.subscriptions.feed}
        self.runner.elsewhere = {BUILT_IN: self._feed, LAMBDA: lending.run}
        self.alarms.start()
        self.subscriptions.start()

    async def _feed(self, call: Call) -> Mapping[str, Any]:
        return await self._feeds[call.name.package](call)

    async def close(self) -> None:
        await self.subscriptions.close()
        await self.alarms.close()
        await self.activations.close()
