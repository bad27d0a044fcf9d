"""The functions: kept in memory for every call, on disk for every change."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from heapq import nlargest
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar

from lambent.model.alias import Alias
from lambent.model.errors import Conflict, InitFailed, InvalidParameter, NotFound, Precondition, Unavailable
from lambent.model.function import CREATING, Code, Reason, State, Version
from lambent.model.lifecycle import (
    CREATED,
    READY,
    Standing,
    Step,
    advance,
    in_transit,
    new_revision,
)
from lambent.model.names import LATEST, FunctionKey, Target
from lambent.model.timestamps import later_stamp
from lambent.store import alias_rows
from lambent.store import version_rows as rows
from lambent.store.base import Store, Transaction
from lambent.store.shelf import stored
from lambent.store.snapshot import Change, Snapshot

log = logging.getLogger(__name__)

T = TypeVar("T")
Prepare = Callable[[Code], Awaitable[None]]
SETTLE_AGAIN_S = 1.0
RECENT = 16

STALE_REVISION = (
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the {api} API to retrieve the latest Revision Id"
)


async def _as_it_is(code: Code) -> None:
    """Nothing has to be done before this code can run."""


async def _at_once(version: Version) -> None:
    """It needs no snapshot."""


class Functions(Snapshot):
    """Every function and version of this store.

    Look-ups read a snapshot in memory that each change refreshes after its commit. A new or updated version
    is completed by a task of its own: `prepare` puts its code in place, `optimize` makes the snapshot of a
    version of SnapStart, then it becomes Active. Either may raise `InitFailed`.
    """

    def __init__(
        self,
        store: Store,
        prepare: Prepare = _as_it_is,
        optimize: Callable[[Version], Awaitable[None]] = _at_once,
    ) -> None:
        super().__init__()
        self._store = store
        self._prepare = prepare
        self._optimize = optimize
        self._tasks: set[asyncio.Task[object]] = set()
        self._recent: list[FunctionKey] = []

    async def load(self) -> None:
        """Read what is stored and end what a killed node had begun."""
        aliases: dict[FunctionKey, dict[str, Alias]] = {}
        for (text,) in self._store.query(
            "SELECT document FROM aliases ORDER BY account, region, name, alias"
        ):
            alias = alias_rows.decode(text)
            aliases.setdefault(alias.key, {})[alias.name] = alias
        unsettled, born = [], []
        for where, group in groupby(self._store.query(rows.ALL), key=itemgetter(0, 1, 2)):
            found, key = tuple(group), FunctionKey(*where)
            laid = stored(found[0][3], tuple([row[4] for row in found]), aliases.get(key, {}))
            self._lay(key, laid)
            born.append((laid.last_modified, key))
            if laid.unsettled:
                unsettled.append(key)
        self._recent = [key for _, key in nlargest(RECENT, born)]
        for key in unsettled:
            function = self.function(key)
            for version in (function.latest, *function.published.values()):
                self._settle_later(version)

    def recent(self) -> list[Version]:
        """What unqualified calls run, of the functions that were changed last before the node started."""
        return [function.serving for function in map(self.peek, self._recent) if function]

    async def close(self) -> None:
        """Stop; what is not complete is completed at the next start."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def create(
        self, version: Version, *, publish: bool = False, tags: Mapping[str, str] | None = None
    ) -> Version:
        """Store a new function; with `publish` its version 1 too, which is then the result."""
        key = version.key
        latest = replace(version, revision_id=new_revision(), last_modified=later_stamp(""))

        def work(tx: Transaction) -> Change:
            if rows.exists(tx, key):
                raise Conflict(f"Function already exist: {key.name}")
            rows.insert_function(tx, key, tags or {})
            rows.save(tx, latest)
            published = (_publish(tx, latest, CREATED),) if publish else ()
            return Change(result=(*published, latest)[0], saved=(latest, *published), tags=dict(tags or {}))

        return await self.change(work)

    async def update(
        self,
        key: FunctionKey,
        change: Callable[[Version], Version],
        *,
        revision_id: str | None = None,
        publish: bool = False,
    ) -> Version:
        """Replace $LATEST by `change` of it, which must be a pure function."""

        def work(tx: Transaction) -> Change:
            before = _latest(tx, key)
            check_revision(before, revision_id, "GetFunction/GetAlias")
            after = advance(change(before), Step.UPDATE)
            after = replace(after, last_modified=later_stamp(before.last_modified))
            rows.save(tx, after)
            published = (_published_before(tx, after) or _publish(tx, after, CREATED),) if publish else ()
            return Change(result=(*published, after)[0], saved=(after, *published))

        return await self.change(work)

    async def publish(
        self,
        key: FunctionKey,
        *,
        description: str | None = None,
        code_sha256: str | None = None,
        revision_id: str | None = None,
    ) -> Version:
        """Give $LATEST a number; the newest version comes back when nothing has changed since."""

        def work(tx: Transaction) -> Change:
            latest = _latest(tx, key)
            check_revision(latest, revision_id, "GetFunction/GetAlias")
            if code_sha256 is not None and code_sha256 != latest.code.sha256:
                raise InvalidParameter(
                    f"CodeSHA256 ({code_sha256}) is different from current CodeSHA256 in $LATEST "
                    f"({latest.code.sha256}). Please try again with the CodeSHA256 in $LATEST."
                )
            after = advance(latest, Step.PUBLISH)
            if newest := _published_before(tx, latest):
                return Change(result=newest)
            rows.save(tx, after)
            version = _publish(tx, after, READY, description)
            return Change(result=version, saved=(after, version))

        return await self.change(work)

    async def delete(self, key: FunctionKey) -> None:
        """Delete the function with all its versions and policies."""

        def work(tx: Transaction) -> Change:
            latest = _latest(tx, key)
            rows.delete_function(tx, key)
            return Change(result=latest, removed=(LATEST,))

        await self.change(work)

    async def delete_version(self, key: FunctionKey, number: str) -> None:
        """Delete one version with its policy; one that is not there is no error, as at AWS."""

        def work(tx: Transaction) -> Change:
            latest = _latest(tx, key)
            if names := [
                alias.name for alias in alias_rows.load_all(tx, key).values() if alias.names(number)
            ]:
                raise Conflict(
                    "Unable to delete version because the following aliases reference it: "
                    f"[{', '.join(names)}]"
                )
            rows.delete_version(tx, key, number)
            return Change(result=latest, removed=(number,))

        await self.change(work)

    async def retag(self, key: FunctionKey, change: Callable[[Mapping[str, str]], Mapping[str, str]]) -> None:
        """Replace the tags by `change` of them."""

        def work(tx: Transaction) -> Change:
            latest = _latest(tx, key)
            tags = change(rows.load_tags(tx, key))
            rows.save_tags(tx, key, tags)
            return Change(result=latest, tags=tags)

        await self.change(work)

    async def revise(
        self,
        target: Target,
        beside: Callable[[Transaction, Version | Alias], None],
        *,
        after: Callable[[], None],
    ) -> None:
        """Give a version or alias a new RevisionId in the transaction in which `beside` changes what
        belongs to it. `after` is called once both are on disk.
        """

        def work(tx: Transaction) -> Change:
            qualifier = target.qualifier or LATEST
            revised = rows.load(tx, target.key, qualifier) or alias_rows.load(tx, target.key, qualifier)
            if revised is None:
                raise NotFound(f"Function not found: {target.arn}")
            beside(tx, revised)
            revised = replace(revised, revision_id=new_revision())
            if isinstance(revised, Version):
                rows.save(tx, revised)
                return Change(result=revised, saved=(revised,))
            alias_rows.save(tx, revised)
            return Change(result=_latest(tx, target.key), aliases=alias_rows.load_all(tx, target.key))

        await self.change(work, after)

    async def change(
        self, work: Callable[[Transaction], Change], after: Callable[[], None] | None = None
    ) -> Version:
        """Run `work` and refresh the snapshot, to the end even when the caller is cancelled."""
        return await asyncio.shield(self._spawn(self._commit(work, after)))

    async def _commit(
        self, work: Callable[[Transaction], Change], after: Callable[[], None] | None
    ) -> Version:
        change = await self._store.write(work)
        self._apply(change)
        if after is not None:
            after()
        for version in change.saved:
            self._settle_later(version)
        return change.result

    def _settle_later(self, version: Version) -> None:
        """$LATEST is settled together with what was published of it, unless that takes a step more."""
        if in_transit(version) and (version.version == LATEST or version.snapstart):
            self._spawn(self._settle(version))

    async def _settle(self, begun: Version) -> None:
        """End the step that `begun` is in; as long as the store cannot write, try again."""
        step, reason = Step.COMPLETE, None
        try:
            for code in begun.packages:
                await self._prepare(code)
            if begun.snapstart:
                await self._optimize(begun)
        except InitFailed as error:
            step, reason = Step.FAIL, Reason(str(error), error.code)
        except Exception as error:
            log.exception("the code of %s cannot be put in place", begun.arn)
            step, reason = Step.FAIL, Reason(str(error), "InternalError")

        def work(tx: Transaction) -> Change:
            latest = _latest(tx, begun.key)
            if begun.snapstart:
                these = [rows.load(tx, begun.key, begun.version)]
            else:
                newest = rows.load_newest(tx, begun.key)
                these = [latest, newest if newest and not newest.snapstart else None]
            ended = [advance(v, step, reason) for v in these if v and in_transit(v) and v.code == begun.code]
            for version in ended:
                rows.save(tx, version)
            return Change(result=latest, saved=tuple(ended))

        while True:
            try:
                await self.change(work)
                return
            except NotFound:  # deleted in the meantime
                return
            except Unavailable as error:
                log.warning("%s stays %s for now: %s", begun.arn, begun.state, error.message)
                await asyncio.sleep(SETTLE_AGAIN_S)

    def _spawn(self, coroutine: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits has it; when nobody does any more, nobody needs it


def check_revision(version: Version | Alias, revision_id: str | None, api: str) -> None:
    """Raises `Precondition` unless the caller knows the latest revision or does not care."""
    if revision_id is not None and revision_id != version.revision_id:
        raise Precondition(STALE_REVISION.format(api=api))


def _latest(tx: Transaction, key: FunctionKey) -> Version:
    latest = rows.load(tx, key)
    if latest is None:
        raise NotFound(f"Function not found: {key.arn}")
    return latest


def _published_before(tx: Transaction, latest: Version) -> Version | None:
    """The newest version, when $LATEST has not changed since it was published."""
    newest = rows.load_newest(tx, latest.key)
    return newest if newest is not None and newest.published_from == latest.fingerprint else None


def _publish(tx: Transaction, latest: Version, at: Standing, description: str | None = None) -> Version:
    version = replace(
        latest,
        version=rows.take_number(tx, latest.key),
        description=latest.description if description is None else description,
        update_reason=None,
        revision_id=new_revision(),
        published_from=latest.fingerprint,
    )
    state, update_status = CREATED if version.snapstart else at
    reason = CREATING if state is State.PENDING else None
    version = replace(version, state=state, state_reason=reason, update_status=update_status)
    rows.save(tx, version)
    return version
