"""Sandboxes made ahead: how many wait, whose they are, and what happens to one that dies."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.sandbox.conftest import Up, process_on, write_code
from tests.sandbox.launched import WAIT_S, Config, Launched, this_interpreter
from tests.sandbox.test_zygotes import libraries, zygotes_of

from lambent.sandbox.shells import READY

pytestmark = pytest.mark.slow

AS_FEW = 200  # pages that a start still waits for; of some 700 that it writes to
PLAIN, OWN_COPY = frozenset[str](), frozenset({"ahead"})  # the second one's zygote is another


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def owner(pid: int) -> int:
    """-1 for a process that has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except FileNotFoundError:
        return -1


def faults(pid: int) -> int:
    """How often a page had to be made or copied for a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])


def stems(launched: Launched) -> list[list[int]]:
    """The processes of each zygote that wait, as root, for a sandbox to be theirs."""
    return [
        [child for child in children(zygote) if owner(child) == 0]
        for zygote in zygotes_of(launched.process.pid)
    ]


async def until_they_number(launched: Launched, *wanted: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while sorted(map(len, stems(launched))) != sorted(wanted):
            await asyncio.sleep(0.01)


async def test_as_many_wait_as_may_and_each_serves_once(up: Up, data: Path) -> None:
    launched = await up()
    code = write_code(data)
    first = await process_on(launched, code)
    await until_they_number(launched, READY)
    waiting = stems(launched)[0]
    second = await process_on(launched, code)
    await until_they_number(launched, READY)
    assert len(set(waiting) - set(stems(launched)[0])) == 1
    assert (await first.call("got = os.getppid()"))["got"] == 0  # its parent is outside of its namespace
    assert (await second.call("got = sorted(os.listdir('/tmp'))"))["got"] == []


async def test_what_a_start_writes_to_has_been_copied_before(up: Up, data: Path) -> None:
    """As a rehearsal has shown: a stem's own copies of pages are made while it waits."""
    launched = await up()
    code = write_code(data, text="def handler(event, context):\n    return {}\n")
    await process_on(launched, code)
    await until_they_number(launched, READY)
    before = {pid: faults(pid) for pid in stems(launched)[0]}
    await (await process_on(launched, code)).call("")
    (taken,) = (pid for pid in before if owner(pid) != 0)
    assert faults(taken) - before[taken] < AS_FEW


async def test_zygotes_share_the_pool_as_they_are_asked(up: Up, data: Path) -> None:
    interpreter = replace(this_interpreter(), libraries=libraries(data.parent / "libraries"))
    launched = await up(Config(interpreters=(interpreter,)))
    code = write_code(data)
    (code / "ahead.py").write_text("")
    for own in (PLAIN, OWN_COPY, PLAIN, OWN_COPY):
        await process_on(launched, code, interpreter=interpreter, own_packages=own)
    await until_they_number(launched, READY // 2, READY // 2)
    for _ in range(READY):
        await process_on(launched, code, interpreter=interpreter, own_packages=OWN_COPY)
    await until_they_number(launched, 0, READY)


async def test_a_stem_that_dies_is_not_made_again_for_ever(up: Up, data: Path) -> None:
    launched = await up()
    code = write_code(data)
    await process_on(launched, code)
    await until_they_number(launched, READY)
    os.kill(stems(launched)[0][0], 9)
    await until_they_number(launched, READY - 1)
    for _ in range(READY + 1):
        caller = await process_on(launched, code)
        assert (await caller.call("got = 1"))["got"] == 1
    await until_they_number(launched, 0)
