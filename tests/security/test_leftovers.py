"""What a sandbox leaves for the next one, which gets its user id and its network: nothing."""

import asyncio

import pytest
from tests.conformance.caller import Caller
from tests.security.conftest import Ground

from lambent.sandbox.base import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

LEAVE = """
import ctypes, time
libc = ctypes.CDLL(None, use_errno=True)
for folder in ('/tmp', '/dev/shm'):
    with open(folder + '/left', 'w') as file: file.write('secret')
    os.chmod(folder + '/left', 0o777)
segment = libc.shmget(4711, 4096, 0o1777)
queue = libc.msgget(4712, 0o1777)
listener = socket.create_server(('0.0.0.0', 8099))
hidden = socket.socket(socket.AF_UNIX); hidden.bind('\\0left'); hidden.listen()
bound = socket.socket(socket.AF_UNIX); bound.bind('/tmp/socket'); bound.listen()
subprocess.Popen(['sleep', '997'], start_new_session=True)
got = [os.getuid(), segment >= 0, queue >= 0]
"""
FIND = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
found = [folder for folder in ('/tmp', '/dev/shm') if os.listdir(folder) not in ([], ['lost+found'])]
if libc.shmget(4711, 4096, 0) >= 0: found.append('shared memory')
if libc.msgget(4712, 0) >= 0: found.append('message queue')
if libc.mq_open(b'/left', 0) >= 0: found.append('named queue')
for kind, address in ((socket.AF_INET, ('127.0.0.1', 8099)), (socket.AF_UNIX, '\\0left')):
    try:
        socket.socket(kind).connect(address)
        found.append(str(address))
    except OSError:
        pass
found += [p for p in os.listdir('/proc') if p.isdigit() and b'997' in open(f'/proc/{p}/cmdline', 'rb').read()]
found += [line for line in open('/proc/net/tcp') if ':1FA3 ' in line]
got = [os.getuid(), found]
"""


async def left(ground: Ground) -> tuple[Sandbox, Caller, int]:
    sandbox, caller = await ground.another("leaver")
    uid, *made = (await caller.call(LEAVE))["got"]
    assert made == [True, True]
    return sandbox, caller, uid


async def test_the_next_sandbox_finds_nothing(ground: Ground) -> None:
    sandbox, _, uid = await left(ground)
    await sandbox.destroy()
    others, found = [], {}
    while uid not in found:  # the launcher has few places, so one of the next gets this one again
        other, caller = await ground.another("finder")
        others.append(other)
        own, things = (await caller.call(FIND))["got"]
        found[own] = things
    await asyncio.gather(*(other.destroy() for other in others))
    assert not any(found.values()), found


async def test_a_new_process_of_the_sandbox_finds_its_scratch_and_nothing_else(ground: Ground) -> None:
    """As on AWS after a crash or a timeout."""
    sandbox, caller, _ = await left(ground)
    caller.process.kill()
    await caller.ended()
    again = Caller(await sandbox.start({"LAMBDA_TASK_ROOT": "/var/task", "_HANDLER": "handler.handler"}))
    await again.ready()
    assert (await again.call(FIND))["got"][1] == ["/tmp"]
    await again.close()
    await sandbox.destroy()
