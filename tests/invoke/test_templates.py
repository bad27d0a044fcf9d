"""Templates: one for a version, made once for all who wait, and no more of them than fit."""

import asyncio
import dataclasses
import os
from typing import cast

import pytest
from tests.invoke.test_pool import VERSION

from lambent.invoke.instance import Instance
from lambent.invoke.template import Stale, Template
from lambent.invoke.templates import Templates
from lambent.model.errors import InitFailed
from lambent.model.function import Version
from lambent.model.limits import MIB
from lambent.sandbox.base import SandboxError

SNAPSTART = {"SnapStart": {"ApplyOn": "PublishedVersions"}}


def published(number: int) -> Version:
    return dataclasses.replace(VERSION, version=str(number), kept=SNAPSTART)


class Workshop:
    """Makes templates of a size, and says what it made."""

    def __init__(self, size_bytes: int = MIB) -> None:
        self.size_bytes = size_bytes
        self.made: list[str] = []
        self.error: Exception | None = None
        self.stale: list[Template] = []

    async def make(self, version: Version, tenant: str | None, ahead: bool = False) -> Instance:
        return cast(Instance, "plain")

    async def template(self, version: Version) -> Template:
        self.made.append(version.version)
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        template = Template("token")
        os.ftruncate(template.file, self.size_bytes)
        return template

    async def spare(self, version: Version, template: Template) -> Instance:
        raise SandboxError("none here")

    async def restored(self, version: Version, template: Template, spare: Instance | None = None) -> Instance:
        if template in self.stale:
            template.stale = True
            raise Stale("stale")
        return cast(Instance, template)


def templates(workshop: Workshop, budget_mb: int = 100) -> Templates:
    return Templates(workshop, budget_mb)


async def test_only_published_versions_of_snapstart_have_one() -> None:
    workshop = Workshop()
    made = templates(workshop)
    for version in (VERSION, dataclasses.replace(VERSION, kept=SNAPSTART)):
        assert cast(object, await made.make(version, None)) == "plain"
    assert workshop.made == []


async def test_all_who_wait_get_the_same() -> None:
    workshop = Workshop()
    made = templates(workshop)
    got = await asyncio.gather(*(made.make(published(1), None) for _ in range(20)))
    assert len(set(map(id, got))) == 1
    assert workshop.made == ["1"]


async def test_tenants_share_none() -> None:
    workshop = Workshop()
    made = templates(workshop)
    assert await made.make(published(1), "blue") is not await made.make(published(1), "green")


async def test_the_least_recently_used_makes_room() -> None:
    workshop = Workshop(MIB)
    made = templates(workshop, budget_mb=2)
    for number in (1, 2, 1, 3, 1, 2):
        await made.make(published(number), None)
    assert workshop.made == ["1", "2", "3", "2"]


async def test_one_that_is_larger_than_the_budget_is_kept_alone() -> None:
    workshop = Workshop(5 * MIB)
    made = templates(workshop, budget_mb=1)
    for number in (1, 1, 2, 2):
        await made.make(published(number), None)
    assert workshop.made == ["1", "2"]


async def test_a_stale_one_is_made_again() -> None:
    workshop = Workshop()
    made = templates(workshop)
    workshop.stale.append(await made.get(published(1), None))
    await made.make(published(1), None)
    assert workshop.made == ["1", "1"]


async def test_a_failed_one_is_tried_again_by_the_next() -> None:
    workshop = Workshop()
    made = templates(workshop)
    workshop.error = InitFailed("no", "FunctionError.RuntimeInitError")
    with pytest.raises(InitFailed):
        await made.prepare(published(1))
    workshop.error = None
    await made.prepare(published(1))
    assert workshop.made == ["1", "1"]


async def test_a_version_that_is_gone_has_none() -> None:
    workshop = Workshop()
    made = templates(workshop)
    for number in (1, 2):
        await made.prepare(published(number))
    made.retire(VERSION.key, {published(2).identity})
    for number in (1, 2):
        await made.prepare(published(number))
    assert workshop.made == ["1", "2", "1"]


def test_a_sealed_snapshot_is_written_by_nobody() -> None:
    template = Template("token")
    os.write(template.file, b"whole")
    template.seal()
    for attempt in (lambda: os.pwrite(template.file, b"x", 0), lambda: os.ftruncate(template.file, 0)):
        with pytest.raises(PermissionError):
            attempt()
