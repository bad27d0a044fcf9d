"""What functions reach over the hub, against stand-ins: from sandboxes' namespaces, without sandboxes."""

import os
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from tests.sandbox.conftest import in_a_child
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
    SILENCE_S,
    Internet,
    inside,
    reached,
    within,
)

from lambent.sandbox import firewall, forwarding, network, nftables, uplink
from lambent.sandbox.base import SandboxError
from lambent.sandbox.links import address, default
from lambent.sandbox.netlink import Netlink
from lambent.sandbox.network import PLATFORM, Hub
from lambent.sandbox.nftables import Chain, Table
from lambent.sandbox.reach import Reach
from lambent.sandbox.uplink import Uplink

pytestmark = pytest.mark.slow

DOOR = 9000
TAG, OTHER_TAG = "0badcafe", "0badcaff"
Connect = Callable[..., Hub]


@pytest.fixture
def connect(world: Internet) -> Iterator[Connect]:
    """Hubs with an uplink; they are closed with the test, if they are not yet."""
    hubs: list[Hub] = []

    def make(tag: str = TAG, allowed: tuple[str, ...] = ()) -> Hub:
        hub = Reach("nat", allowed).network((DOOR,), tag, warnings.append)
        assert isinstance(hub, Hub)
        hubs.append(hub)
        return hub

    warnings: list[str] = []
    yield make
    for hub in hubs:
        hub.close()
    assert warnings == []


@pytest.fixture
def links() -> Iterator[Callable[[Hub, int], int]]:
    opened: list[int] = []

    def link(hub: Hub, index: int) -> int:
        opened.append(hub.link(index))
        return opened[-1]

    yield link
    for descriptor in opened:
        os.close(descriptor)


Link = Callable[[Hub, int], int]


def tables() -> list[str]:
    """The tables with chains in this namespace."""
    with Netlink(nftables.PROTOCOL) as filters:
        found = [
            nftables.hooked(chain, hook) for hook in range(5) for chain in filters.dump(nftables.chains())
        ]
    return sorted({table for table, _ in filter(None, found)})


def ends() -> set[str]:
    """The link-local addresses that the machine knows: of both ends of each node's link."""
    return set(re.findall(r"\|-- (169\.254\.\S+)", Path("/proc/thread-self/net/fib_trie").read_text()))


def is_forwarding() -> tuple[bool, bool]:
    return forwarding.IPV4.on(), forwarding.IPV6.on()


def test_what_is_public_sees_the_machine(connect: Connect, links: Link) -> None:
    sandbox = links(connect(), 1)
    assert inside(sandbox, lambda: reached(PUBLIC)) == MACHINE
    assert inside(sandbox, lambda: reached(PUBLIC6)) == MACHINE6


@pytest.mark.parametrize("host", PRIVATE)
def test_what_is_not_public_is_out_of_reach_at_once(connect: Connect, links: Link, host: str) -> None:
    sandbox = links(connect(), 1)
    assert reached(host), "it is there, and the machine itself reaches it"

    with pytest.raises(ConnectionRefusedError):
        inside(sandbox, lambda: socket.create_connection((host, PORT), 5))


def test_what_is_allowed_is_reached_and_no_more(connect: Connect, links: Link) -> None:
    sandbox = links(connect(allowed=("10.1.0.0/16", "fd12:3456::/32")), 1)
    open_to_it = [host for host in PRIVATE if inside(sandbox, lambda host=host: reached(host))]  # type: ignore[misc]
    assert open_to_it == ["10.1.2.3", "fd12:3456::7"]


@pytest.mark.parametrize("allowed", [(), ("0.0.0.0/0", "::/0")])
def test_no_address_of_the_machine_is_reached(
    world: Internet, connect: Connect, links: Link, allowed: tuple[str, ...]
) -> None:
    hub = connect(allowed=allowed)
    sandbox = links(hub, 1)
    world.listen(world.machine)
    own = [MACHINE, OTHER, INNER, min(ends()), MACHINE6, OTHER6, "fd6c:616d:bad:cafe::1"]
    assert all(map(reached, own)), "they are there"
    assert [host for host in own if inside(sandbox, lambda host=host: reached(host))] == []  # type: ignore[misc]


def test_instances_do_not_reach_each_other(world: Internet, connect: Connect, links: Link) -> None:
    hub = connect(allowed=("0.0.0.0/0", "::/0"))
    one, two = links(hub, 1), links(hub, 2)
    world.listen(two)
    theirs = [network.ip(2), network.ip6(2)]
    assert all(inside(two, lambda host=host: reached(host)) for host in theirs)  # type: ignore[misc]
    assert [host for host in theirs if inside(one, lambda host=host: reached(host))] == []  # type: ignore[misc]


@pytest.mark.parametrize(
    ("family", "own", "other"), [(4, network.ip(1), network.ip(2)), (6, network.ip6(1), network.ip6(2))]
)
def test_an_instance_cannot_speak_as_another(
    world: Internet, connect: Connect, links: Link, family: int, own: str, other: str
) -> None:
    hub = connect()
    one, _ = links(hub, 1), links(hub, 2)
    received = world.datagrams(world.far, 5000)

    def send(source: str) -> None:
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        with socket.socket(kind, socket.SOCK_DGRAM) as sender:
            transparent = (socket.IPPROTO_IP, 19) if family == 4 else (socket.IPPROTO_IPV6, 75)
            sender.setsockopt(*transparent, 1)
            sender.bind((source, 0))
            sender.sendto(source.encode(), (PUBLIC if family == 4 else PUBLIC6, 5000))

    inside(one, lambda: send(other))
    inside(one, lambda: send(own))
    assert received.recv(100).decode() == own


def test_the_platform_is_reached_at_its_ports_only(world: Internet, connect: Connect, links: Link) -> None:
    hub = connect()
    sandbox = links(hub, 1)

    def attempt() -> str:
        with socket.create_connection((PLATFORM, DOOR), 5) as connection:
            own: str = connection.getsockname()[0]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((PLATFORM, DOOR + 1), 5)
        return own

    assert inside(sandbox, attempt) == network.ip(1)


def test_nobody_outside_reaches_in(world: Internet, connect: Connect, links: Link) -> None:
    hub = connect()
    world.listen(links(hub, 1))
    assert len(ends()) == 2
    inner = [*ends(), network.ip(1), network.ip6(1), PLATFORM, "fd6c:616d:bad:cafe::2"]

    def from_far() -> list[str]:
        index = socket.if_nametoindex("far-eth0")
        with Netlink() as netlink:
            netlink.ask([default(index, MACHINE), default(index, MACHINE6)])
        return [ip for ip in inner for port in (PORT, DOOR) if reached(ip, port, SILENCE_S)]

    assert inside(world.far, from_far) == []


@pytest.mark.parametrize("was_on", [False, True])
def test_the_machine_is_as_before_when_the_last_node_has_ended(
    world: Internet, connect: Connect, links: Link, was_on: bool
) -> None:
    for switch in (forwarding.IPV4, forwarding.IPV6):
        switch.turn(was_on)
    before = socket.if_nameindex()
    first, second = connect(), connect(OTHER_TAG)
    assert is_forwarding() == (True, True)
    first.close()
    assert inside(links(second, 1), lambda: reached(PUBLIC)) == MACHINE
    second.close()
    assert is_forwarding() == (was_on, was_on)
    assert tables() == []
    assert socket.if_nameindex() == before


def test_nodes_side_by_side_have_addresses_of_their_own(connect: Connect, links: Link) -> None:
    hubs = [connect(), connect(OTHER_TAG), connect("0badbabe")]
    assert [inside(links(hub, 1), lambda: reached(PUBLIC)) for hub in hubs] == [MACHINE] * 3
    assert len(ends()) == 6


def test_an_address_that_is_in_use_is_left_alone(connect: Connect, links: Link) -> None:
    first = uplink._free_pair(int(TAG, 16))
    with Netlink() as netlink:
        netlink.ask([address(1, first.hub)])
    sandbox = links(connect(), 1)
    assert inside(sandbox, lambda: reached(PUBLIC)) == MACHINE
    assert first.machine not in ends()


def test_the_machine_becomes_no_router_for_others(world: Internet, connect: Connect) -> None:
    lan = world.new()
    world.join(lan, "eth1", ("10.50.0.1",), ("10.50.0.2",))
    world.listen(lan)
    for there, index, way in ((lan, "far-eth1", "10.50.0.1"), (world.far, "far-eth0", MACHINE)):
        with within(there), Netlink() as netlink:
            netlink.ask([default(socket.if_nametoindex(index), way)])
    attempt = partial(inside, world.far, lambda: reached("10.50.0.2", PORT, SILENCE_S))
    assert attempt() is None
    connect()
    assert is_forwarding() == (True, True)
    assert attempt() is None
    with Netlink(nftables.PROTOCOL) as filters:
        filters.remove(firewall.no_router(nftables.IPV4, ()).removed())
    assert attempt() == "203.0.113.1", "without the rule it would be one"


def test_what_a_killed_node_left_is_swept(world: Internet, connect: Connect, links: Link) -> None:
    """All that a launcher has goes with its process, but for the switch and the table that tells of it."""
    code = f"""
        from lambent.sandbox.reach import Reach
        hub = Reach("nat").network((), {TAG!r}, print)
        os.kill(os.getpid(), 9)
    """
    with pytest.raises(AssertionError):
        in_a_child(code)
    assert is_forwarding() == (True, True)
    assert set(tables()) <= {"lambent-forwarding"}
    hub = connect()
    assert inside(links(hub, 1), lambda: reached(PUBLIC)) == MACHINE
    hub.close()
    assert is_forwarding() == (False, False)
    assert tables() == []


def test_a_table_that_drops_what_is_forwarded_is_told(world: Internet) -> None:
    warnings: list[str] = []
    chain = Chain("FORWARD", (), nftables.FORWARD, policy=nftables.DROPPED)
    with Netlink(nftables.PROTOCOL) as filters:
        filters.ask(Table("docker-like", (chain,)).made())
    Reach("nat").network((), TAG, warnings.append).close()
    assert len(warnings) == 1
    assert "docker-like" in warnings[0]


def test_an_instance_has_only_so_many_connections(
    world: Internet, connect: Connect, links: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firewall, "CONNECTIONS", 20)
    hub = connect()
    greedy, other = links(hub, 1), links(hub, 2)

    def many() -> None:
        for port in range(6000, 6030):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender, suppress(OSError):
                sender.bind(("", port))
                sender.sendto(b"1", (PUBLIC, 5000))

    received = world.datagrams(world.far, 5000)
    inside(greedy, many)
    inside(other, many)
    assert len(list(all_of(received))) == 40


def all_of(received: socket.socket) -> Iterator[bytes]:
    with suppress(TimeoutError):
        while True:
            yield received.recv(100)


def test_an_instance_asks_for_only_so_many_names_a_second(
    connect: Connect, links: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firewall, "QUESTIONS_PER_S", 50)
    hub = connect()
    greedy, other = links(hub, 1), links(hub, 2)

    def ask() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(200):
                sender.sendto(b"?", (PLATFORM, 53))

    inside(greedy, ask)
    inside(other, ask)
    hub.names[0].settimeout(0.2)
    found = Counter(client[0] for _, client in questions_at(hub.names[0]))
    assert all(50 <= found[network.ip(index)] < 120 for index in (1, 2)), found


def questions_at(listener: socket.socket) -> Iterator[tuple[bytes, tuple[str, int]]]:
    with suppress(TimeoutError):
        while True:
            yield listener.recvfrom(100)


def test_without_a_way_out_over_ipv6_functions_have_ipv4_only(links: Link) -> None:
    world = Internet(ipv6=False)
    try:
        hub = Reach("nat").network((DOOR,), TAG, print)
        assert isinstance(hub, Hub)
        sandbox = links(hub, 1)
        assert inside(sandbox, lambda: reached(PUBLIC)) == MACHINE
        assert inside(sandbox, lambda: Path("/proc/thread-self/net/if_inet6").read_text().split()[5::6]) == [
            "lo"
        ]
        assert is_forwarding() == (True, False)
        hub.close()
    finally:
        world.close()


def test_without_an_uplink_there_is_the_platform_only(world: Internet, links: Link) -> None:
    hub = Reach("none").network((DOOR,), TAG, print)
    assert isinstance(hub, Hub)
    sandbox = links(hub, 1)
    assert inside(sandbox, lambda: [reached(PUBLIC), reached(PUBLIC6), reached(MACHINE)]) == [None] * 3
    inside(sandbox, lambda: socket.create_connection((PLATFORM, DOOR), 5).close())
    assert (hub.names, hub.resolver) == ((), b"")
    assert tables() == []
    hub.close()


def test_the_machines_own_network_is_shared_when_asked_for(world: Internet) -> None:
    warnings: list[str] = []
    made = Reach("host").network((DOOR,), TAG, warnings.append)
    sandbox = made.link(1)
    assert os.path.sameopenfile(sandbox, world.machine)
    assert made.resolver == Path("/etc/resolv.conf").read_bytes()
    assert "no key" not in made.host
    assert "loopback" in warnings[0]
    os.close(sandbox)
    made.close()


def test_where_there_can_be_no_uplink_it_is_told(world: Internet, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []

    def fail(self: Uplink, inside: object) -> None:
        raise SandboxError("table lambent: Operation not supported")

    monkeypatch.setattr(Uplink, "lead", fail)
    with pytest.raises(SandboxError, match="nat: table lambent: Operation not supported"):
        Reach("nat").network((), TAG, warnings.append)
    assert warnings == []
    Reach("auto").network((), TAG, warnings.append).close()
    assert "Operation not supported" in warnings[0]


def test_a_node_has_room_for_1200_instances(world: Internet, connect: Connect, links: Link) -> None:
    hub = connect()
    sandboxes = [links(hub, index) for index in range(1, 1201)]
    for sandbox in (sandboxes[0], sandboxes[600], sandboxes[-1]):
        assert inside(sandbox, lambda: [reached(PUBLIC), reached(PUBLIC6)]) == [MACHINE, MACHINE6]
        inside(sandbox, lambda: socket.create_connection((PLATFORM, DOOR), 5).close())
