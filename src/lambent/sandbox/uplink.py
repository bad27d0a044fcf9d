"""The uplink of a node's hub: one link to the machine, which passes on what comes over it."""

import fcntl
import os
import re
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network
from pathlib import Path

from lambent.sandbox import firewall, forwarding, links, nftables
from lambent.sandbox.base import SandboxError
from lambent.sandbox.links import End
from lambent.sandbox.netlink import Netlink, Request

PREFIX = "lambent"  # of every node's link on the machine; with the tag it is as long as a name may be
NAME = "uplink"  # of the end in the hub
INDEX = 1 << 30  # beyond every sandbox's
MACHINE_MAC, HUB_MAC = "02:00:00:00:01:01", "02:00:00:00:01:02"
# Pairs of link-local addresses: no other network has them, and clouds use those below.
FIRST, PAIRS = IPv4Address("169.254.172.0"), 80 * 128
TRIE, ROUTES4 = Path("/proc/thread-self/net/fib_trie"), Path("/proc/thread-self/net/route")
ASK_MTU, MTU = 0x8921, 1500
LOCK_TIMEOUT_S = 10.0
LOCK_STEP_S = 0.01

Inside = Callable[[Callable[[], None]], None]


@dataclass(frozen=True, slots=True)
class Pair:
    """The addresses of both ends, of one family."""

    machine: str
    hub: str

    def requests(self, link: int, own: str, other: str, mac: str) -> list[Request]:
        return [links.address(link, own), links.route(link, other), links.neighbour(link, other, mac)]

    def of_machine(self, link: int) -> list[Request]:
        return self.requests(link, self.machine, self.hub, HUB_MAC)

    def of_hub(self) -> list[Request]:
        return [
            *self.requests(INDEX, self.hub, self.machine, MACHINE_MAC),
            links.default(INDEX, self.machine),
        ]


class Uplink:
    """Made in the machine's namespace, where its maker has to be each time."""

    def __init__(self, tag: str) -> None:
        self.name = PREFIX + tag
        self.mtu = _mtu()
        self.no_ipv6 = forwarding.ipv6()  # why there is none
        self._tag = tag
        self._filters = Netlink(nftables.PROTOCOL)  # holds the table: it ends with this socket

    @property
    def ipv6(self) -> bool:
        return not self.no_ipv6

    def lead(self, inside: Inside) -> None:
        """Lead from a hub, which `inside` does work in, to the machine and beyond."""
        with _alone() as namespace, Netlink() as machine:
            machine.remove([links.gone(self.name)])  # the kernel may still be at a killed node's
            pairs = self._pairs()
            sources = [ip_network(pair.hub) for pair in pairs]
            self._filters.ask(firewall.machine(self.name, sources).made())
            forwarding.begin([forwarding.IPV4, forwarding.IPV6][: len(pairs)], self._filters)
            inside(lambda: self._furnish_hub(namespace, pairs))
            link = socket.if_nametoindex(self.name)
            requests = [request for pair in pairs for request in pair.of_machine(link)]
            machine.ask([*links.quiet(link), links.up(link), *requests])
            inside(_settle)

    def close(self) -> None:
        """Leave the machine as it was before the first node."""
        with _alone(), Netlink() as machine:
            machine.remove([links.gone(self.name)])
            if not any(name.startswith(PREFIX) for _, name in socket.if_nameindex()):
                forwarding.end(self._filters)
        self._filters.close()

    def _pairs(self) -> list[Pair]:
        pairs = [_free_pair(int(self._tag, 16))]
        if self.ipv6:
            base = f"fd6c:616d:{self._tag[:4]}:{self._tag[4:]}"
            pairs.append(Pair(f"{base}::1", f"{base}::2"))
        return pairs

    def _furnish_hub(self, machine: int, pairs: Sequence[Pair]) -> None:
        ours = End(NAME, INDEX, HUB_MAC, mtu=self.mtu)
        theirs = End(self.name, 0, MACHINE_MAC, namespace=machine, mtu=self.mtu)
        requests = [request for pair in pairs for request in pair.of_hub()]
        with Netlink() as hub:
            hub.ask([links.pair(ours, theirs), *links.quiet(INDEX), links.up(INDEX), *requests])


def _settle() -> None:
    with Netlink() as hub:
        hub.ask([links.ready(INDEX)])


def _free_pair(wish: int) -> Pair:
    """The wished for pair of addresses, or the next that nothing on this machine knows."""
    used = set(re.findall(r"\|-- (\S+)", TRIE.read_text()))
    for number in range(wish, wish + PAIRS):
        machine = FIRST + number % PAIRS * 2
        if not used & {str(machine), str(machine + 1)}:
            return Pair(str(machine), str(machine + 1))
    raise SandboxError(f"all {PAIRS} pairs of addresses from {FIRST} on are in use")


def _mtu() -> int:
    """Of the links that lead out: nothing larger than this gets anywhere."""
    lines = [line.split() for line in ROUTES4.read_text().splitlines()[1:]]
    out = {line[0] for line in lines if line[1] == line[7] == "00000000"} | set(forwarding.default_links6())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        answers = [fcntl.ioctl(asked, ASK_MTU, struct.pack("16si12x", link.encode(), 0)) for link in out]
    return min((struct.unpack_from("i", answer, 16)[0] for answer in answers), default=MTU)


@contextmanager
def _alone() -> Iterator[int]:
    """No other node changes this namespace meanwhile; its descriptor."""
    namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    try:
        while True:
            try:
                fcntl.flock(namespace, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise SandboxError("another node holds the network of this machine") from None
                time.sleep(LOCK_STEP_S)
        yield namespace
    finally:
        os.close(namespace)
