"""The templates that there are, within a budget of memory; every instance is made by way of them."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Container
from typing import Protocol

from lambent.invoke.instance import Instance
from lambent.invoke.template import Stale, Template
from lambent.model.function import Version
from lambent.model.limits import MIB
from lambent.model.names import FunctionKey

log = logging.getLogger(__name__)

ATTEMPTS = 2  # a snapshot may be of a zygote that is gone
Key = tuple[str, str | None]


class Maker(Protocol):
    """What templates and instances are made by."""

    async def make(self, version: Version, tenant: str | None, ahead: bool = False) -> Instance: ...

    async def template(self, version: Version) -> Template:
        """Raises `InitFailed`, `SandboxError`."""

    async def restored(self, version: Version, template: Template) -> Instance:
        """Raises `Stale`, `SnapStartFailed`, `SnapStartTimeout`, `SandboxError`."""


class Templates:
    """One for each version and tenant. The least recently used ones go when all of them take more than the
    budget; one that is gone, or that a restart has lost, is made again when it is needed."""

    def __init__(self, maker: Maker, budget_mb: int) -> None:
        self._maker = maker
        self._budget_bytes = budget_mb * MIB
        self._kept: OrderedDict[Key, tuple[Version, Template]] = OrderedDict()
        self._making: dict[Key, asyncio.Task[Template]] = {}

    async def make(self, version: Version, tenant: str | None, ahead: bool = False) -> Instance:
        """An instance. Raises as the maker does."""
        if not version.snapstart:
            return await self._maker.make(version, tenant, ahead)
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._maker.restored(version, await self.get(version, tenant))
            except Stale:
                continue
        return await self._maker.restored(version, await self.get(version, tenant))

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
                del self._kept[key]

    async def close(self) -> None:
        making = list(self._making.values())
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)
        self._kept.clear()

    async def _make(self, version: Version, tenant: str | None) -> Template:
        template = await self._maker.template(version)
        self._kept[version.identity, tenant] = version, template
        while len(self._kept) > 1 and self._taken_bytes() > self._budget_bytes:
            _, (other, _) = self._kept.popitem(last=False)
            log.info("the template of %s makes room for others", other.arn)
        return template

    def _taken_bytes(self) -> int:
        return sum(template.size_bytes for _, template in self._kept.values())
