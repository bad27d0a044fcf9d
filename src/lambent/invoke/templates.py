"""The templates that there are, within a budget of memory; every instance is made by way of them."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Container
from typing import Protocol

from lambent.invoke.instance import Instance
from lambent.invoke.spares import Key, Spares
from lambent.invoke.template import Stale, Template
from lambent.model.function import Version
from lambent.model.limits import MIB
from lambent.model.names import FunctionKey

log = logging.getLogger(__name__)

ATTEMPTS = 2  # a snapshot may be of a zygote that is gone
SPARE_MB = 8  # what there must be left for an instance in waiting


class Maker(Protocol):
    """What templates and instances are made by."""

    async def make(self, version: Version, tenant: str | None, ahead: bool = False) -> Instance: ...

    async def template(self, version: Version) -> Template:
        """Raises `InitFailed`, `SandboxError`."""

    async def spare(self, version: Version, template: Template) -> Instance:
        """Raises `Stale`, `SandboxError`."""

    async def restored(self, version: Version, template: Template, spare: Instance | None = None) -> Instance:
        """Raises `Stale`, `SnapStartFailed`, `SnapStartTimeout`, `SandboxError`."""


class Templates:
    """One for each version and tenant. The least recently used ones go when all of them take more than the
    budget, their instances in waiting first; one that is gone, or that a restart has lost, is made again when
    it is needed."""

    def __init__(
        self, maker: Maker, budget_mb: int, memory_is_short: Callable[[], bool] = lambda: False
    ) -> None:
        self._maker = maker
        self._memory_is_short = memory_is_short
        self._spares = Spares(maker.spare, self._has_room)
        self._budget_bytes = budget_mb * MIB
        self._kept: OrderedDict[Key, tuple[Version, Template]] = OrderedDict()
        self._making: dict[Key, asyncio.Task[Template]] = {}

    async def make(self, version: Version, tenant: str | None, ahead: bool = False) -> Instance:
        """An instance. Raises as the maker does."""
        if not version.snapstart:
            return await self._maker.make(version, tenant, ahead)
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._begin(version, tenant)
            except Stale:
                continue
        return await self._begin(version, tenant)

    async def prepare(self, version: Version) -> None:
        """Have a template before the first call. Raises as the maker does."""
        await self.get(version, None)

    async def get(self, version: Version, tenant: str | None) -> Template:
        """The one there is, or a new one, which all who ask meanwhile wait for."""
        key = version.identity, tenant
        if key in self._kept:
            template = self._kept[key][1]
            if not template.stale:
                self._kept.move_to_end(key)
                return template
        if key not in self._making:
            task = self._making[key] = asyncio.create_task(self._make(version, tenant))
            task.add_done_callback(lambda _: self._making.pop(key))
        return await asyncio.shield(self._making[key])

    def retire(self, function: FunctionKey, still: Container[str]) -> None:
        """The function changed: `still` are the identities of its versions whose templates are needed."""
        for key, (version, _) in list(self._kept.items()):
            if version.key == function and version.identity not in still:
                self._drop(key)

    async def close(self) -> None:
        making = list(self._making.values())
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)
        await self._spares.close()
        self._kept.clear()

    def census(self) -> dict[str, int]:
        """How many there are, with how many instances in waiting, and their memory."""
        mb = self._taken_bytes() // MIB
        return {"snapshots": len(self._kept), "spares": len(self._spares), "memory_mb": mb}

    async def _begin(self, version: Version, tenant: str | None) -> Instance:
        template = await self.get(version, tenant)
        spare = self._spares.take((version.identity, tenant))
        self._expect(version, tenant, template)
        return await self._maker.restored(version, template, spare)

    def _expect(self, version: Version, tenant: str | None, template: Template) -> None:
        if template.has_snapshot:
            self._spares.expect((version.identity, tenant), version, template)

    async def _make(self, version: Version, tenant: str | None) -> Template:
        template = await self._maker.template(version)
        self._kept[version.identity, tenant] = version, template
        while self._taken_bytes() > self._budget_bytes and self._spares.drop_one():
            pass
        while len(self._kept) > 1 and self._taken_bytes() > self._budget_bytes:
            log.info("the template of %s makes room for others", next(iter(self._kept.values()))[0].arn)
            self._drop(next(iter(self._kept)))
        self._expect(version, tenant, template)
        return template

    def _drop(self, key: Key) -> None:
        del self._kept[key]
        self._spares.drop(key)

    def _has_room(self) -> bool:
        """For one more instance in waiting."""
        return self._taken_bytes() + SPARE_MB * MIB <= self._budget_bytes and not self._memory_is_short()

    def _taken_bytes(self) -> int:
        snapshots = sum(template.size_bytes for _, template in self._kept.values())
        return snapshots + self._spares.taken_bytes
