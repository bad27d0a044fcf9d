"""OpenWhisk's parts of one node, put together."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from lambent.invoke.admission import Admission
from lambent.invoke.invoker import Invoker, Settle
from lambent.invoke.pool import Pool
from lambent.model.invocation import Invocation
from lambent.store.base import Store
from lambent.whisk.activations import Activations
from lambent.whisk.alarms import Alarms
from lambent.whisk.deferred import Deferred
from lambent.whisk.firing import Firing
from lambent.whisk.kinds import Kinds
from lambent.whisk.namespaces import Namespaces
from lambent.whisk.registry import Registry
from lambent.whisk.runner import Runner
from lambent.whisk.throttle import Throttle
from lambent.whisk.versions import Versions


class Whisk:
    """What is stored is there at once; `connect` gives it the engine that runs actions."""

    runner: Runner
    deferred: Deferred
    firing: Firing
    alarms: Alarms

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
    ) -> None:
        """The invoker of actions: the same as that of functions, over the same pool."""
        invoker = Invoker(self.versions.get, admission, pool, settle)
        self.versions.on_change(pool.retire)
        self.runner = Runner(self.registry, self.versions, self.activations, self.throttle, invoker.invoke)
        self.deferred = Deferred(self.runner, self.versions, self.namespaces, accept)
        self.firing = Firing(self.registry, self.activations, self.deferred, self.throttle)
        self.alarms = Alarms(self._store, self.registry, self.namespaces, self.firing)
        self.runner.built_in = self.alarms.feed
        self.alarms.start()

    async def close(self) -> None:
        await self.alarms.close()
        await self.activations.close()
