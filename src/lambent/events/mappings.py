"""The event source mappings: in memory for those who poll, on disk for every change."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace

import orjson

from lambent.model.errors import InUse, NotFound, Unavailable
from lambent.model.mapping import EventSourceMapping, State
from lambent.model.names import FunctionKey, Target
from lambent.store.base import Store, Transaction

log = logging.getLogger(__name__)

SETTLE_AGAIN_S = 1.0
NO_MAPPING = "The resource you requested does not exist."
IN_USE = "Cannot {what} the event source mapping because it is in use."
_SAVE = """INSERT INTO mappings (uuid, account, region, document) VALUES (?, ?, ?, ?)
    ON CONFLICT (uuid) DO UPDATE SET document = excluded.document"""

Listener = Callable[[EventSourceMapping], None]


class Mappings:
    """Every mapping of every account. A change is answered on its way, and completed by a task of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mappings: dict[str, EventSourceMapping] = {}
        self._listeners: list[Listener] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def load(self) -> None:
        """Read what is stored and complete what a killed node had begun."""
        for (document,) in self._store.query("SELECT document FROM mappings"):
            mapping = _decode(document)
            self._mappings[mapping.uuid] = mapping
            if not mapping.is_settled:
                self._settle_soon(mapping)

    def on_change(self, listener: Listener) -> None:
        """Call `listener` with every mapping that has changed or is about to go."""
        self._listeners.append(listener)

    def all(self) -> list[EventSourceMapping]:
        return list(self._mappings.values())

    def get(self, account: str, region: str, uuid: str) -> EventSourceMapping:
        """Raises `NotFound` with Lambda's words."""
        mapping = self._mappings.get(uuid)
        if mapping is None or (mapping.account, mapping.region) != (account, region):
            raise NotFound(NO_MAPPING)
        return mapping

    def owned_by(self, account: str, region: str) -> list[EventSourceMapping]:
        found = [m for m in self._mappings.values() if (m.account, m.region) == (account, region)]
        return sorted(found, key=lambda mapping: mapping.uuid)

    async def create(self, mapping: EventSourceMapping) -> EventSourceMapping:
        await self._save(mapping)
        self._settle_soon(mapping)
        return mapping

    async def update(self, before: EventSourceMapping, after: EventSourceMapping) -> EventSourceMapping:
        """Raises `InUse` while another change is under way."""
        self._check_settled(before.uuid, "update")
        await self._save(after)
        self._settle_soon(after)
        return after

    async def retag(self, mapping: EventSourceMapping, tags: Mapping[str, str]) -> None:
        await self._save(replace(mapping, tags=tags))

    async def delete(self, mapping: EventSourceMapping) -> EventSourceMapping:
        """Raises `InUse` while another change is under way."""
        self._check_settled(mapping.uuid, "delete")
        going = replace(mapping, state=State.DELETING)
        await self._save(going)
        self._settle_soon(going)
        return going

    async def close(self) -> None:
        """What is not complete is completed at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _check_settled(self, uuid: str, what: str) -> None:
        mapping = self._mappings.get(uuid)
        if mapping is None:
            raise NotFound(NO_MAPPING)
        if not mapping.is_settled:
            raise InUse(IN_USE.format(what=what))

    async def _save(self, mapping: EventSourceMapping) -> None:
        row = (mapping.uuid, mapping.account, mapping.region, _encode(mapping))
        before = self._mappings.get(mapping.uuid)
        self._mappings[mapping.uuid] = mapping  # before the disk has it: a second change must see this one
        try:
            await self._store.write(lambda tx: tx.execute(_SAVE, row))
        except Unavailable:
            self._put_back(mapping.uuid, before)
            raise
        self._tell(mapping)

    def _put_back(self, uuid: str, before: EventSourceMapping | None) -> None:
        if before is None:
            del self._mappings[uuid]
        else:
            self._mappings[uuid] = before

    def _tell(self, mapping: EventSourceMapping) -> None:
        for listener in self._listeners:
            listener(mapping)

    def _settle_soon(self, mapping: EventSourceMapping) -> None:
        task = asyncio.create_task(self._settle(mapping))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settle(self, begun: EventSourceMapping) -> None:
        while True:
            try:
                if begun.state is State.DELETING:
                    await self._store.write(lambda tx: _remove(tx, begun.uuid))
                    self._mappings.pop(begun.uuid, None)
                else:
                    await self._save(self._mappings[begun.uuid].settled())
                return
            except Unavailable as error:
                log.warning("mapping %s stays %s for now: %s", begun.uuid, begun.state, error.message)
                await asyncio.sleep(SETTLE_AGAIN_S)


def _remove(tx: Transaction, uuid: str) -> None:
    tx.execute("DELETE FROM mappings WHERE uuid = ?", (uuid,))


def _encode(mapping: EventSourceMapping) -> str:
    target = [*mapping.target.key, mapping.target.qualifier]
    return orjson.dumps({**asdict(mapping), "target": target}).decode()


def _decode(document: str) -> EventSourceMapping:
    told = orjson.loads(document)
    *key, qualifier = told["target"]
    told["target"] = Target(FunctionKey(*key), qualifier)
    told["state"] = State(told["state"])
    told["filters"] = tuple(told["filters"])
    return EventSourceMapping(**told)
