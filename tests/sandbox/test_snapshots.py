"""Snapshots of processes: whole on every Python, apart in every copy, refused where they would not be."""

import asyncio
import os
import struct
from pathlib import Path

import pytest
from tests.conformance.caller import Caller
from tests.sandbox.conftest import RUN, Up, process_on, sandbox_on, write_code
from tests.sandbox.launched import Config, Launched, this_interpreter
from tests.sandbox.snapshots import begin, restored, send, snapshot, tell
from tests.sandbox.test_zygotes import zygotes_of
from tests.security.test_processes import TWINS

from lambent.invoke.observed import TOUCHED_BYTES
from lambent.runtimes.catalog import Catalog
from lambent.runtimes.python import frames
from lambent.runtimes.python.checkpoint import FAILED
from lambent.runtimes.python.snapstart import STALE

pytestmark = pytest.mark.slow

COPIES = 100
INTERPRETERS = Catalog.find().interpreters
# Has something in every corner of memory, and open.
FULL = (
    RUN
    + """
import asyncio, bz2, ctypes, decimal, signal, sqlite3, ssl, threading, zlib

INIT = os.urandom(8).hex()
HEAP = [{"number": n, "text": str(n) * 20} for n in range(50_000)]
TABLE = sqlite3.connect(":memory:")
TABLE.execute("CREATE TABLE t (x)")
TABLE.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(1000)])
with open("/tmp/left", "w") as out:
    out.write("left by init")
FILE = open("/tmp/left")
FILE.read(5)
LOOP = asyncio.new_event_loop()
READ, WRITE = os.pipe()
ELSEWHERE = socket.socketpair()[0]
HEARD = []
signal.signal(signal.SIGUSR1, lambda *_: HEARD.append(1))
os.umask(0o27)
"""
)
LOOK = """
thread = threading.Thread(target=HEARD.append, args=(2,)); thread.start(); thread.join()
os.kill(os.getpid(), signal.SIGUSR1)
LOOP.call_soon_threadsafe(HEARD.append, 3)
os.write(WRITE, b"x")
child = os.fork()
if child == 0:
    os._exit(sum(len(one["text"]) for one in HEAP) % 100)
got = {
    "heap": HEAP[49_999]["number"], "table": TABLE.execute("SELECT SUM(x) FROM t").fetchone()[0],
    "file": FILE.read(), "loop": LOOP.run_until_complete(asyncio.sleep(0.01, "woke")),
    "pipe": os.read(READ, 1).decode(), "elsewhere": ELSEWHERE.recv(1).decode(), "heard": sorted(HEARD),
    "umask": os.umask(0o27), "child": os.waitpid(child, 0)[1] >> 8,
}
del HEAP[:]
"""
# Memory that only one invocation writes: half of the pages of each megabyte.
FAULTS = """
import resource
AREA = bytearray(4 << 20)
"""
WORK = """
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for place in range(0, len(AREA), 8192):
    AREA[place] = 1
got = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
"""
THREAD = (
    RUN + "\nimport threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
)
CHILD = RUN + "\nsubprocess.Popen(['sleep', '60'])\n"
SHARED = RUN + "\nimport mmap\nSHARED = mmap.mmap(-1, 4096)\n"
GONE = RUN + "\nimport tempfile\nFILE = tempfile.TemporaryFile()\n"


@pytest.mark.parametrize("runtime", INTERPRETERS)
async def test_a_copy_goes_on_where_init_ended(up: Up, data: Path, runtime: str) -> None:
    interpreter = INTERPRETERS[runtime]
    launched = await up(Config(interpreters=(interpreter,)))
    code = write_code(data, text=FULL)
    file, problem = await snapshot(launched, code, interpreter=interpreter)
    assert problem == ""
    inits = set()
    for _ in range(2):
        caller = await restored(launched, code, file, interpreter=interpreter)
        got = (await caller.call(LOOK))["got"]
        assert got == {
            "heap": 49_999,
            "table": 499_500,
            "file": "by init",
            "loop": "woke",
            "pipe": "x",
            "elsewhere": "",
            "heard": [1, 2, 3],
            "umask": 0o27,
            "child": sum(len(str(n)) * 20 for n in range(50_000)) % 100,
        }
        inits.add((await caller.call("got = INIT"))["got"])
    assert len(inits) == 1


async def test_copies_are_apart(up: Up, data: Path) -> None:
    """Each has its own user, network, /tmp and processes, and none can change what others begin with."""
    launched = await up()
    code = write_code(data)
    file, _ = await snapshot(launched, code)
    size = os.fstat(file).st_size
    first = await restored(launched, code, file, own={"WHO": "first"})
    second = await restored(launched, code, file, own={"WHO": "second"})
    who = "got = [os.getuid(), os.readlink('/proc/self/ns/net'), os.environ['WHO']]"
    ones, others = [(await caller.call(who))["got"] for caller in (first, second)]
    assert all(one != other for one, other in zip(ones, others, strict=True))
    assert ones[2] == "first"
    await first.call("open('/tmp/x', 'w').write('mine'); got = 1")
    assert (await second.call("got = os.listdir('/tmp')"))["got"] == []
    seen = await first.call("got = [p for p in os.listdir('/proc') if p.isdigit()]")
    assert sorted(seen["got"]) == ["1", "2"]
    links = await first.call(
        "got = subprocess.check_output(['ls', '-l', f'/proc/{os.getpid()}/fd'], text=True)"
    )
    assert "memfd" not in links["got"]
    assert "got" not in await first.call("import ctypes; os.setuid(0)")
    assert os.fstat(file).st_size == size


async def test_memory_that_is_given_back_is_empty(up: Up, data: Path) -> None:
    """Allocators rely on zeros after MADV_DONTNEED, where the snapshot would come to light again."""
    launched = await up()
    text = RUN + "\nimport mmap\nAREA = mmap.mmap(-1, 1 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
    code = write_code(data, text=text + "AREA[:] = b'x' * (1 << 20)\n")
    file, problem = await snapshot(launched, code)
    assert problem == ""
    caller = await restored(launched, code, file)
    give = "import ctypes\nstart = ctypes.addressof(ctypes.c_char.from_buffer(AREA))\n"
    give += "got = [ctypes.CDLL(None).madvise(ctypes.c_void_p(start), 1 << 20, 4), AREA[0]]"
    refused, first = (await caller.call(give))["got"]
    assert (refused, first) == (-1, ord("x"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (THREAD, "threads"),
        (CHILD, "processes"),
        (SHARED, "shares memory"),
        (GONE, "open"),
    ],
)
async def test_what_cannot_be_copied_is_said(up: Up, data: Path, text: str, why: str) -> None:
    launched = await up()
    _, problem = await snapshot(launched, write_code(data, text=text))
    assert why in problem


async def test_the_snapshot_of_a_lost_zygote_fits_nobody(up: Up, data: Path) -> None:
    launched = await up()
    code = write_code(data)
    file, _ = await snapshot(launched, code)
    for pid in zygotes_of(launched.process.pid):
        os.kill(pid, 9)
    await asyncio.sleep(0)
    caller = await begin(launched, code, file, "restored")
    assert (await caller.ended()).status == STALE


async def test_a_broken_snapshot_ends_its_own_process_only(up: Up, data: Path) -> None:
    launched = await up()
    code = write_code(data)
    file, _ = await snapshot(launched, code)
    size = os.fstat(file).st_size
    for place in range(size // 2 & ~7, size - 4096, 8192):
        os.pwrite(file, b"\xff" * 64, place)
    caller = await begin(launched, code, file, "restored")
    ended = await caller.ended()
    assert ended.status in (1, FAILED) or ended.signal
    assert (await (await process_on(launched, code)).call("got = 1"))["got"] == 1


async def test_credentials_are_asked_for(up: Up, data: Path) -> None:
    launched = await up()
    code = write_code(data)
    file, _ = await snapshot(launched, code)
    caller = await restored(launched, code, file)
    ask = """
import json, urllib.error, urllib.request
uri = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
def ask(token, uri=uri):
    try:
        request = urllib.request.Request(uri, headers={"Authorization": token})
        return json.load(urllib.request.urlopen(request, timeout=10))
    except urllib.error.HTTPError as error:
        return error.code
token = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
got = [ask(token), ask("x"), ask(token, uri + "x")]
"""
    answer, without, elsewhere = (await caller.call(ask))["got"]
    assert answer["SecretAccessKey"] == "secret"
    assert (without, elsewhere) == (401, 404)


async def test_a_hundred_copies_are_no_twins(up: Up, data: Path) -> None:
    """Of a template that has used TLS and drawn numbers."""
    launched = await up(Config(interpreters=(this_interpreter(),), max_sandboxes=COPIES + 20))
    used = "\nscope = dict(globals())\nexec(TWINS, scope)\nDRAWN = scope['got']\n"
    code = write_code(data, text=RUN + f"TWINS = {TWINS!r}" + used)
    file, problem = await snapshot(launched, code)
    assert problem == ""
    drawn = []
    for _ in range(COPIES // 10):
        callers = await asyncio.gather(*(restored(launched, code, file) for _ in range(10)))
        drawn += [(await caller.call(TWINS))["got"] for caller in callers]
    drawn.append((await callers[0].call("got = DRAWN"))["got"])
    for number, kind in enumerate(("RAND_bytes", "random", "uuid4", "secrets", "TLS client random")):
        assert len({one[number] for one in drawn}) == COPIES + 1, kind


async def test_what_the_first_touched_is_brought_in_for_the_next(up: Up, data: Path) -> None:
    """Before it knows who it is; a list that a process has made up harms itself at most."""
    launched = await up()
    code = write_code(data, text=RUN + FAULTS)
    file, problem = await snapshot(launched, code)
    assert problem == ""
    first = await waiting(launched, code, file, b"")
    await tell(first, {"WHO": "first"}, meta=b"{}")
    await first.ready()
    faults = (await first.call(WORK))["got"]
    kind, _, touched = await first.frame()
    assert kind == frames.TOUCHED
    assert len(touched) <= TOUCHED_BYTES
    second = await waiting(launched, code, file, touched)
    await tell(second, {"WHO": "second"})
    await second.ready()
    assert (await second.call(WORK))["got"] < faults / 4
    assert (await second.call("got = os.environ['WHO']"))["got"] == "second"
    invented = struct.pack("=6Q", 22, 1 << 62, 4096 | 23, 1 << 40, 9 << 60, 7) + b"x"
    third = await waiting(launched, code, file, invented[:-1])
    await tell(third, {})
    await third.ready()


async def waiting(launched: Launched, code: Path, file: int, touched: bytes) -> Caller:
    """A process that has all but an identity."""
    sandbox = await sandbox_on(launched, code, memory_mb=1024)
    caller = Caller(await sandbox.start({"_LAMBENT_SNAPSTART": "restored"}, file))
    launched.callers.append(caller)
    await send(caller, frames.TOUCHED, touched)
    assert (await caller.frame())[0] == frames.LAID
    return caller
