"""What a hostile function reaches through the uplink of a real launcher, on a machine of the test's own."""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest
import pytest_asyncio
from tests.conformance.caller import Caller
from tests.sandbox.conftest import process_on, write_code
from tests.sandbox.internet import (
    INNER,
    MACHINE,
    MACHINE6,
    OTHER,
    OTHER6,
    PORT,
    PRIVATE,
    PUBLIC,
    PUBLIC6,
    Internet,
    reached,
)
from tests.sandbox.launched import Config, Launched, launch

from lambent.sandbox import resolver
from lambent.sandbox.network import PLATFORM, ip, ip6
from lambent.sandbox.reach import Reach
from lambent.sandbox.users import tag

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

DOOR, STORE, DATAGRAMS = 9000, 8333, 5000
REFUSED = {"ConnectionRefusedError", "OSError", "PermissionError"}
CONNECT = "got = socket.create_connection(({host!r}, {port}), 5).recv(100).decode()"
SEND = """
with socket.socket({family}, socket.SOCK_DGRAM) as s:
    s.connect(({host!r}, {port}))
    s.send(b'secret')
"""
ADDRESSES = {b"\7private\7example": PRIVATE[0], b"\6public\7example": PUBLIC}


@dataclass
class Ground:
    world: Internet
    launched: Launched
    function: Caller
    neighbour: Caller
    names: socket.socket
    datagrams: socket.socket
    machine: list[str]  # all its addresses

    async def attempt(self, code: str) -> dict[str, str]:
        answer: dict[str, str] = await self.function.call(code)
        return answer


def answer_of(question: bytes) -> bytes:
    """One A record for the names that are known, none for others and for AAAA."""
    name, kind = question[12 : question.index(b"\0", 12)], question[question.index(b"\0", 12) + 1 :][:2]
    found = [ip for known, ip in ADDRESSES.items() if known == name and kind == b"\0\1"]
    head = question[:2] + struct.pack(">HHHHH", 0x8180, 1, len(found), 0, 0)
    end = question.index(b"\0", 12) + 5
    records = [b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + ip_address(ip).packed for ip in found]
    return head + question[12:end] + b"".join(records)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """The resolver of the machine is a stand-in at a public address."""
    data = tmp_path_factory.mktemp("reach") / "data"
    world = Internet()
    with pytest.MonkeyPatch.context() as patch:
        configuration = data.parent / "resolv.conf"
        configuration.write_text(f"nameserver {PUBLIC}\n")
        patch.setattr(resolver, "CONFIGURATION", configuration)
        launched = await launch(data, Config(ports=(DOOR,), reach=Reach("nat")))
    world.listen(world.machine)
    world.listen(world.machine, STORE)
    function = await process_on(launched, write_code(data))
    neighbour = await process_on(launched, write_code(data))
    trie = Path("/proc/thread-self/net/fib_trie").read_text()
    own = [MACHINE, OTHER, INNER, min(re.findall(r"\|-- (169\.254\.\S+)", trie)), MACHINE6, OTHER6]
    own.append(f"fd6c:616d:{tag(data)[:4]}:{tag(data)[4:]}::1")
    datagrams = world.datagrams(world.far, DATAGRAMS)
    names = world.datagrams(world.far, 53, f"::ffff:{PUBLIC}")
    names.setblocking(False)
    yield Ground(world, launched, function, neighbour, names, datagrams, own)
    for caller in launched.callers:
        await caller.close()
    assert await launched.end() == 0
    await launched.host.close()
    world.close()


def answer_names(ground: Ground) -> None:
    text, client = ground.names.recvfrom(512)
    ground.names.sendto(answer_of(text), client)


@pytest.mark.parametrize(("host", "seen"), [(PUBLIC, MACHINE), (PUBLIC6, MACHINE6)])
async def test_what_is_public_is_reached_as_the_machine(ground: Ground, host: str, seen: str) -> None:
    assert await ground.attempt(CONNECT.format(host=host, port=PORT)) == {"got": seen}


@pytest.mark.parametrize("host", PRIVATE)
async def test_what_is_not_public_is_not_reached(ground: Ground, host: str) -> None:
    assert reached(host)
    answer = await ground.attempt(CONNECT.format(host=host, port=PORT))
    assert answer.get("refused") in REFUSED, answer


async def test_no_port_of_the_machine_is_reached_at_any_address(ground: Ground) -> None:
    for host in ground.machine:
        for port in (PORT, STORE):
            assert reached(host, port)
            answer = await ground.attempt(CONNECT.format(host=host, port=port))
            assert answer.get("refused") in REFUSED, (host, answer)


async def test_no_datagram_gets_there_either(ground: Ground) -> None:
    here = ground.world.datagrams(ground.world.machine, DATAGRAMS)
    for host in (*ground.machine, *PRIVATE):
        family = "socket.AF_INET6" if ":" in host else "socket.AF_INET"
        await ground.attempt(SEND.format(family=family, host=host, port=DATAGRAMS))
    for received in (here, ground.datagrams):
        with pytest.raises(TimeoutError):
            received.recv(100)


async def test_another_instance_is_not_reached(ground: Ground) -> None:
    listen = "sys.kept = socket.create_server(('::', 8080), family=socket.AF_INET6, dualstack_ipv6=True)"
    assert "refused" not in await ground.neighbour.call(listen)
    own = "s = socket.socket({}, socket.SOCK_DGRAM); s.connect(({!r}, 9)); got = s.getsockname()[0]"
    theirs = [
        (await ground.neighbour.call(own.format(family, host)))["got"]
        for family, host in (("socket.AF_INET", PUBLIC), ("socket.AF_INET6", PUBLIC6))
    ]
    assert theirs[0] in map(ip, range(1000))
    assert theirs[1] in map(ip6, range(1000))
    for host in theirs:
        connect = f"socket.create_connection(({host!r}, 8080), 5)"
        assert "refused" not in await ground.neighbour.call(connect)
        assert (await ground.attempt(connect)).get("refused") in REFUSED


async def test_the_platform_is_reached_at_its_doors_only(ground: Ground) -> None:
    door = await ground.attempt(f"s = socket.create_connection(({PLATFORM!r}, {DOOR}), 5)")
    assert "refused" not in door
    for port in (PORT, STORE, DOOR + 1):
        answer = await ground.attempt(CONNECT.format(host=PLATFORM, port=port))
        assert answer.get("refused") == "ConnectionRefusedError"


async def test_names_are_known_and_open_nothing(ground: Ground) -> None:
    loop = asyncio.get_running_loop()
    loop.add_reader(ground.names, answer_names, ground)
    try:
        assert await ground.attempt(CONNECT.format(host="public.example", port=PORT)) == {"got": MACHINE}
        resolved = await ground.attempt("got = socket.gethostbyname('private.example')")
        assert resolved == {"got": PRIVATE[0]}
        refused = await ground.attempt(CONNECT.format(host="private.example", port=PORT))
        assert refused["refused"] == "ConnectionRefusedError"
        unknown = await ground.attempt("socket.gethostbyname('nobody.example')")
        assert unknown["refused"] == "gaierror"
    finally:
        loop.remove_reader(ground.names)


async def test_a_source_of_its_own_choice_is_refused(ground: Ground) -> None:
    bind = "s = socket.socket(); s.setsockopt(0, {}, 1); s.bind(('100.64.0.99', 0)); s.connect(({!r}, 80))"
    transparent, freebind = 19, 15
    for option in (transparent, freebind):
        answer = await ground.attempt(bind.format(option, PUBLIC))
        assert "refused" in answer


async def test_waiting_for_an_answer_is_over_soon(ground: Ground) -> None:
    """Nothing above was refused by silence: that would hide a hole behind a short timeout."""
    code = f"""
import time
began = time.monotonic()
for host in {[*PRIVATE, *ground.machine]}:
    try: socket.create_connection((host, 80), 5)
    except OSError: pass
got = time.monotonic() - began
"""
    taken = await ground.attempt(code)
    assert float(taken["got"]) < 5
