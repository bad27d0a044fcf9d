"""Readiness: the last deployed first, one after the other, and no failure in the way of the rest."""

import asyncio
import dataclasses

from tests.invoke.test_pool import VERSION

from lambent.invoke.readiness import WAITING, Readiness
from lambent.model.function import State, Version
from lambent.sandbox.base import SandboxError


def versions(count: int) -> list[Version]:
    return [dataclasses.replace(VERSION, last_modified=f"{number:04}") for number in range(count)]


async def prepared(*calls: list[Version], expected: int) -> list[str]:
    """What was prepared, in order; every third fails."""
    done: list[str] = []
    enough = asyncio.Event()

    async def prepare(version: Version | None) -> None:
        assert version is not None
        done.append(version.last_modified)
        if len(done) == expected:
            enough.set()
        if len(done) % 3 == 0:
            raise SandboxError("no")

    readiness = Readiness(prepare)
    for call in calls:
        readiness.expect(call)
    async with asyncio.timeout(10):
        await enough.wait()
    await readiness.close()
    return done


async def test_the_last_deployed_come_first() -> None:
    assert await prepared(versions(4), expected=4) == ["0003", "0002", "0001", "0000"]


async def test_so_many_and_no_more() -> None:
    done = await prepared(versions(5 * WAITING), expected=WAITING)
    assert done[0] == f"{5 * WAITING - 1:04}"
    assert len(done) == WAITING


async def test_what_cannot_run_is_left_out() -> None:
    pending = dataclasses.replace(VERSION, state=State.PENDING, last_modified="9")
    assert await prepared([pending, *versions(1)], expected=1) == ["0000"]


async def test_it_can_be_closed_while_it_works() -> None:
    began = asyncio.Event()

    async def prepare(version: Version | None) -> None:
        began.set()
        await asyncio.Event().wait()

    readiness = Readiness(prepare)
    readiness.expect(versions(3))
    async with asyncio.timeout(10):
        await began.wait()
        await readiness.close()


async def test_where_nothing_is_deployed_a_plain_function_is_expected() -> None:
    done: asyncio.Future[Version | None] = asyncio.get_running_loop().create_future()

    async def prepare(version: Version | None) -> None:
        done.set_result(version)

    readiness = Readiness(prepare)
    readiness.expect_a_first()
    async with asyncio.timeout(10):
        assert await done is None
    await readiness.close()
