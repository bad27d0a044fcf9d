"""The same attempts against the walls of a node that an ordinary user started."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.conformance.caller import Caller
from tests.sandbox.conftest import sandbox_on, start_in, write_code
from tests.sandbox.launched import Config, launch

from lambent.cli.attempts import HANDLER, QUICK, REFUSALS
from lambent.sandbox.programs import chown_tree
from lambent.sandbox.users import FUNCTION, users

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user"),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def attacker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Caller]:
    data = tmp_path_factory.mktemp("userns") / "data"
    launched = await launch(data, Config(uid=users(data).node))
    sandbox = await sandbox_on(launched, write_code(data, "attempts", HANDLER))
    yield await start_in(launched, sandbox)
    for opened in launched.callers:
        await opened.close()
    assert await launched.end() == 0
    await launched.host.close()


@pytest.mark.parametrize("attempt", QUICK.values(), ids=list(QUICK))
async def test_it_is_refused(attacker: Caller, attempt: str) -> None:
    answer = await attacker.call(attempt)
    assert answer.get("refused") in REFUSALS, answer


async def test_it_has_no_privilege_in_a_namespace_of_its_own(attacker: Caller) -> None:
    status = (await attacker.call("got = open('/proc/self/status').read()"))["got"]
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {facts[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
    assert set(facts["Uid"].split()) == {str(FUNCTION)}
    mapped = await attacker.call("got = open('/proc/self/uid_map').read().split()")
    assert mapped["got"] == [str(FUNCTION), "0", "1"]


async def test_scratch_has_its_size(attacker: Caller) -> None:
    fill = "with open('/tmp/big', 'wb') as file:\n    for _ in range(600): file.write(bytes(1 << 20))"
    assert "No space left" in (await attacker.call(fill))["text"]
    await attacker.call("os.unlink('/tmp/big')")


async def test_processes_are_counted_for_each_sandbox(attacker: Caller) -> None:
    fork = """
import signal
pids = []
try:
    while True:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        pids.append(pid)
except OSError as error:
    got = [len(pids), error.errno]
finally:
    for pid in pids:
        os.kill(pid, 9)
    for pid in pids:
        os.waitpid(pid, 0)
"""
    answer = await attacker.call(fork)
    assert answer["got"][0] < 1024, json.dumps(answer)


V1 = Path("/sys/fs/cgroup/memory")


@pytest.mark.skipif(not (V1 / "cgroup.procs").exists(), reason="control groups are of version 2 here")
async def test_memory_is_bound_where_its_group_is_delegated(tmp_path: Path) -> None:
    data = tmp_path / "data"
    uid = users(data).node
    group = V1 / f"lambent-delegated-{uid}"
    group.mkdir()
    chown_tree(group, uid, uid)
    launched = await launch(data, Config(uid=uid, groups=(group,)))
    try:
        sandbox = await sandbox_on(launched, write_code(data, "attempts", HANDLER))
        caller = await start_in(launched, sandbox)
        await caller.send(b"\"got = len(b'x' * (300 << 20))\"")
        ended = await caller.ended()
        assert (ended.signal, ended.out_of_memory) == (9, True)
    finally:
        for opened in launched.callers:
            await opened.close()
        assert await launched.end() == 0
        await launched.host.close()
        group.rmdir()
