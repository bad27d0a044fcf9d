"""AWS's quota of cpu: bound after init, free for the next one, not there unless it was asked for."""

from pathlib import Path

import pytest
from tests.sandbox.conftest import Up, sandbox_on, start_in, write_code
from tests.sandbox.launched import Config

from lambent.sandbox.client import LauncherSandbox
from lambent.sandbox.quota import Quota

BURN = """
import time
began, used = time.monotonic(), time.process_time()
while time.monotonic() - began < 1: pass
got = time.process_time() - used
"""


@pytest.mark.parametrize(
    ("name", "bound", "free"),
    [("cpu.max", "40000 20000", "max 20000"), ("cpu.cfs_quota_us", "40000", "-1")],
)
def test_both_versions_are_told_in_their_words(tmp_path: Path, name: str, bound: str, free: str) -> None:
    file = tmp_path / name
    file.touch()
    quota = Quota(str(file), 2 * 1769)
    quota.bind()
    assert file.read_text() == bound
    file.write_text("")
    quota.release()
    assert file.read_text() == free
    file.unlink()
    quota.bind()  # the sandbox has gone
    Quota("", 128).bind()


@pytest.mark.slow
async def test_a_capped_function_gets_its_share_once_init_is_over(up: Up, data: Path) -> None:
    launched = await up(Config(cpu="cap"))
    sandbox = await sandbox_on(launched, write_code(data), memory_mb=442)  # a quarter of a core
    assert isinstance(sandbox, LauncherSandbox)
    for _ in range(2):
        caller = await start_in(launched, sandbox)
        assert Path(sandbox.quota._file).read_text().split()[0] in ("-1", "max")
        sandbox.hold_to_share()
        assert (await caller.call(BURN))["got"] < 0.35
        caller.process.kill()
        await caller.ended()


@pytest.mark.slow
async def test_nothing_is_capped_unless_it_was_asked_for(up: Up, data: Path) -> None:
    launched = await up()
    sandbox = await sandbox_on(launched, write_code(data), memory_mb=128)
    caller = await start_in(launched, sandbox)
    sandbox.hold_to_share()
    assert (await caller.call(BURN))["got"] > 0.2
