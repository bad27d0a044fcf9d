"""The packages that every namespace finds: `/whisk.system/utils`, `samples`, `alarms` and `messaging`."""

import ast
import asyncio
from pathlib import Path

from lambent.model.names import DEFAULT_ACCOUNT
from lambent.store.packages import Packages
from lambent.whisk import alarm, alarms, code, subscription, subscriptions
from lambent.whisk.entities import Action, Entity, Package, Pairs
from lambent.whisk.kinds import BUILT_IN, Kinds
from lambent.whisk.names import Name
from lambent.whisk.namespaces import SYSTEM, Namespaces
from lambent.whisk.registry import Registry

CATALOG = Path(__file__).parent / "catalog"
SAMPLES = ("utils", "samples")
FEEDS = {alarms.PACKAGE: alarm.FEEDS, subscriptions.PACKAGE: subscription.FEEDS}
DESCRIPTIONS = {
    "utils": "Building blocks that format and assemble data",
    "samples": "A suite of simple actions to help you get started with OpenWhisk",
    "alarms": "Alarms and periodic utility",
    "messaging": "Kafka's topics as feeds",
}
SUBJECT = "whisk.system"


class System:
    """Is put in place with the first user, and brought up to date with every one that comes later."""

    def __init__(
        self,
        registry: Registry,
        namespaces: Namespaces,
        kinds: Kinds,
        packages: Packages,
    ) -> None:
        self._registry = registry
        self._namespaces = namespaces
        self._kinds = kinds
        self._packages = packages
        self._lock = asyncio.Lock()

    async def install(self, region: str) -> None:
        async with self._lock:
            if self._namespaces.get(SYSTEM) is None:
                await self._namespaces.create(SUBJECT, SYSTEM, DEFAULT_ACCOUNT, region)
            for package in (*SAMPLES, *FEEDS):
                name = Name(SYSTEM, package)
                if self._registry.find(name, Package) is None:
                    about = ({"key": "description", "value": DESCRIPTIONS[package]},)
                    await self._put(Package(name=name, publish=True, annotations=about))
            for package, feeds in FEEDS.items():
                for feed in feeds:
                    await self._put_feed(Name(SYSTEM, feed, package))
            for path, source in await asyncio.to_thread(_sources):
                await self._put_action(Name(SYSTEM, path.stem, path.parent.name), source)

    async def _put_feed(self, name: Name) -> None:
        if self._registry.find(name, Action) is None:
            pairs = ({"key": "feed", "value": True}, {"key": "exec", "value": BUILT_IN})
            await self._put(Action(name=name, kind=BUILT_IN, annotations=pairs, publish=True))

    async def _put_action(self, name: Name, source: bytes) -> None:
        """Unless it is there as it should be."""
        kind = self._kinds.resolve("python:default")
        packed = code.pack(kind, source, binary=False)
        stored = await self._packages.put(packed, own=True)
        before = self._registry.find(name, Action)
        if before is None or (before.code, before.kind) != (stored, kind):
            await self._put(
                Action(
                    name=name, kind=kind, code=stored, publish=True, annotations=_annotations(kind, source)
                )
            )

    async def _put(self, entity: Entity) -> None:
        await self._registry.put(entity.name, type(entity), lambda _: entity)


def _sources() -> list[tuple[Path, bytes]]:
    return [(path, path.read_bytes()) for path in sorted(CATALOG.glob("*/*.py"))]


def _annotations(kind: str, source: bytes) -> Pairs:
    """What `wsk package get --summary` prints of an action is in its source."""
    tree = ast.parse(source)
    given = next(node.value for node in tree.body if isinstance(node, ast.Assign))  # PARAMETERS
    return (
        {"key": "description", "value": str(ast.get_docstring(tree)).removesuffix(".")},
        {"key": "parameters", "value": [{"name": name} for name in ast.literal_eval(given)]},
        {"key": "provide-api-key", "value": False},
        {"key": "exec", "value": kind},
    )
