"""Other processes: not seen, not signalled, not outlived, and no twins."""

import json
from pathlib import Path

import pytest
from tests.security.conftest import Ground

from lambent.cli.attempts import PROCESSES

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

SEEN = "got = [open(f'/proc/{p}/cmdline').read() for p in os.listdir('/proc') if p.isdigit()]"


@pytest.mark.parametrize("what", PROCESSES)
async def test_it_is_refused(ground: Ground, what: str) -> None:
    await ground.refused(PROCESSES[what])


async def test_only_its_own_processes_are_seen(ground: Ground) -> None:
    seen = "got = [open(f'/proc/{p}/comm').read().strip() for p in os.listdir('/proc') if p.isdigit()]"
    found = await ground.got(seen)
    assert "init" in found
    assert len(set(found)) == 2  # and the process itself


async def test_the_users_are_different(ground: Ground) -> None:
    theirs = (await ground.neighbour.call("got = os.getuid()"))["got"]
    ours = await ground.got("got = os.getuid()")
    assert ours != theirs
    assert ours > 65535


async def test_signals_for_everybody_reach_nobody_else(ground: Ground) -> None:
    """SIGCONT may be sent to a whole session without the right to: a fork must not stay in its zygote's."""
    listen = "import signal\nheard = []\nsignal.signal(18, lambda *_: heard.append(1)); got = 1"
    assert (await ground.neighbour.call(listen))["got"] == 1
    for target in ("0", "-1"):
        await ground.attempt(f"import signal; signal.signal(18, signal.SIG_IGN); os.kill({target}, 18)")
    assert (await ground.neighbour.call("import time; time.sleep(0.1); got = heard"))["got"] == []
    assert await ground.got("got = os.getsid(0) == os.getpgrp() == os.getpid()")


async def test_a_new_process_finds_no_old_one(ground: Ground) -> None:
    await ground.attempt("subprocess.Popen(['sleep', '999'], start_new_session=True)")
    ground.caller.process.kill()
    await ground.caller.ended()
    assert not [line for line in await ground.got(SEEN) if "999" in line]


async def test_a_child_that_lost_its_parents_is_still_inside(ground: Ground) -> None:
    """Daemons belong to the sandbox's init, are reaped by it, and end with it."""
    code = "subprocess.run(['sh', '-c', '(setsid sleep 998 &) ; exit 0']); got = 1"
    assert await ground.got(code) == 1
    assert [line for line in await ground.got(SEEN) if "998" in line]
    ground.caller.process.kill()
    await ground.caller.ended()
    assert not [line for line in await ground.got(SEEN) if "998" in line]


async def test_a_zygote_holds_no_environment_and_no_socket(ground: Ground) -> None:
    launcher = ground.launched.process.pid
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    zygotes = [
        folder for folder in (Path("/proc", child) for child in children)
        if b"lambent.sandbox.zygote" in (folder / "cmdline").read_bytes()
    ]  # fmt: skip
    assert zygotes
    for folder in zygotes:
        assert (folder / "environ").read_bytes() == b""
        open_ones = {fd.name: str(fd.readlink()) for fd in (folder / "fd").iterdir()}
        del open_ones["1"], open_ones["2"]  # the launcher's own log
        kinds = [name.partition(":")[0] for name in open_ones.values()]
        assert set(kinds) <= {"/dev/null", "anon_inode", "pidfd", "socket"}
        assert kinds.count("socket") <= 3  # the launcher's, and its own to be woken by


async def test_a_fork_finds_no_client_session_or_secret(ground: Ground) -> None:
    """Everything that the zygote has made is here too: a fork is its copy."""
    sandbox, caller = await ground.another()
    code = """
import gc
names = [f"{type(o).__module__}.{type(o).__qualname__}" for o in gc.get_objects()]
made = {n for n in names if n.startswith(("boto", "urllib3.connection", "s3transfer", "requests"))}
kinds = ("Session", "BaseClient", "Credentials", "PoolManager", "HTTPConnectionPool", "SSLContext")
got = sorted(n for n in made if n.rpartition(".")[2] in kinds)
"""
    assert (await caller.call(code))["got"] == []
    await sandbox.destroy()


TWINS = """
import random, secrets, ssl, uuid
inner, outer = ssl.MemoryBIO(), ssl.MemoryBIO()
client = ssl.create_default_context().wrap_bio(inner, outer, server_hostname="example.test")
try:
    client.do_handshake()
except ssl.SSLWantReadError:
    pass
hello = outer.read()[11:43]  # past the record's and the message's header and the version
got = [ssl.RAND_bytes(8).hex(), random.random(), str(uuid.uuid4()), secrets.token_hex(8), hello.hex()]
if "numpy" in sys.modules:
    import numpy
    got += [float(numpy.random.random()), float(numpy.random.default_rng().random())]
"""


async def test_twins_draw_different_numbers(ground: Ground) -> None:
    drawn = [(await caller.call(TWINS))["got"] for caller in (ground.caller, ground.neighbour)]
    assert all(one != other for one, other in zip(*drawn, strict=True)), json.dumps(drawn)
