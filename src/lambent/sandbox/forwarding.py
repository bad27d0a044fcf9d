"""Whether the machine passes packets on: the first node that needs it tells it to, until the last one ends.

The packet filter remembers that it was told by us. What it holds also keeps the machine from becoming a
router for anybody else, even after a node was killed.
"""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lambent.sandbox import firewall, nftables
from lambent.sandbox.base import SandboxError
from lambent.sandbox.netlink import Netlink

ROUTES6 = Path("/proc/thread-self/net/ipv6_route")
ADVERTISED, REJECTED = 0x40000, 0x200  # flags of a route


@dataclass(frozen=True, slots=True)
class Switch:
    """The kernel's, of one family."""

    family: int
    file: Path

    def on(self) -> bool:
        return self.file.read_text() != "0\n"

    def turn(self, on: bool) -> None:
        try:
            self.file.write_text(str(int(on)))
        except OSError as error:
            raise SandboxError(f"{self.file} cannot be written, set it to 1: {error.strerror}") from error


IPV4 = Switch(nftables.IPV4, Path("/proc/sys/net/ipv4/ip_forward"))
IPV6 = Switch(nftables.IPV6, Path("/proc/sys/net/ipv6/conf/all/forwarding"))


def begin(switches: Sequence[Switch], filters: Netlink) -> None:
    for switch in switches:
        if not switch.on():
            table = firewall.no_router(switch.family, [name for _, name in socket.if_nameindex()])
            filters.remove(table.removed())
            filters.ask(table.made())
            switch.turn(on=True)


def end(filters: Netlink) -> None:
    """As it was, where it was us who changed it."""
    for switch in (IPV4, IPV6):
        if filters.remove(firewall.no_router(switch.family, ()).removed()):
            switch.turn(on=False)


def obstacles() -> list[str]:
    """Tables of the machine that drop what is passed on, unless a rule of theirs lets it through."""
    with Netlink(nftables.PROTOCOL) as filters:
        found = [nftables.hooked(chain, nftables.FORWARD) for chain in filters.dump(nftables.chains())]
    return sorted({table for table, policy in filter(None, found) if policy == nftables.DROPPED})


def default_links6() -> dict[str, bool]:
    """The links of the machine's default routes of IPv6, and whether a router's advertisement made them."""
    found = {}
    for line in ROUTES6.read_text().splitlines() if ROUTES6.exists() else ():
        place, prefix, *_, flags, link = line.split()
        if int(place, 16) == int(prefix, 16) == 0 and not int(flags, 16) & REJECTED:
            found[link] = bool(int(flags, 16) & ADVERTISED)
    return found


def ipv6() -> str:
    """Why functions have no IPv6; empty when they can have it."""
    links = default_links6()
    if not links:
        return "this machine has no default route of IPv6"
    advertised = sorted(link for link, advertised in links.items() if advertised)
    if advertised and not IPV6.on():
        # A machine that forwards is a router, and forgets the routes that it learnt from others.
        return (
            f"{advertised[0]} has its IPv6 route from a router, and would lose it if it forwarded; "
            f"set net.ipv6.conf.{advertised[0]}.accept_ra=2, then net.ipv6.conf.all.forwarding=1"
        )
    return ""
