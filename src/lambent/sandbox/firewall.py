"""What functions reach: the rules of the hub, and those of the machine for a node's link."""

import socket
from collections.abc import Sequence
from ipaddress import ip_network

from lambent.sandbox import nftables
from lambent.sandbox.nftables import (
    ACCEPT,
    DROP,
    DROPPED,
    FORWARD,
    INPUT,
    MASQUERADE,
    OUTPUT,
    POSTROUTING,
    PREROUTING,
    RAW,
    REJECT,
    SOURCE_NAT,
    UNTRACKED,
    Chain,
    Subnet,
    Table,
    rule,
)

CONNECTIONS = 1024  # of one instance at once, as many as AWS lets it open files
QUESTIONS_PER_S = 256  # of one instance to the resolver
NAMES_PORT = 53

# What is no public address: this network, private and carriers' inner ranges, loopback, link-local, reserved
# assignments, relays, benchmarks, multicast, broadcast. Of IPv6 only 2000::/3 is public, without the tunnels
# that carry an IPv4 address inside.
CLOSED = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "224.0.0.0/3",
            "::/3",
            "2001::/32",
            "2002::/16",
            "4000::/2",
            "8000::/1",
        ),
    )
)


def hub(uplink: str, platform: Subnet, allowed: Sequence[Subnet]) -> Table:
    """Instances reach the platform, and over the uplink what is public or allowed; never each other.

    What goes to the platform is not tracked: it is most of the traffic, and is let through by its address.
    """
    elsewhere = nftables.not_leaving(uplink)
    return Table(
        "lambent",
        (
            Chain(
                "arriving",
                (
                    rule(nftables.not_arriving(uplink), nftables.forged(), DROP),
                    rule(nftables.destination(platform), UNTRACKED),
                ),
                PREROUTING,
                RAW,
            ),
            Chain("answering", (rule(nftables.source(platform), UNTRACKED),), OUTPUT, RAW),
            Chain(
                "platform",
                (
                    rule(nftables.arriving(uplink), DROP),
                    rule(
                        nftables.port(socket.IPPROTO_UDP, NAMES_PORT),
                        nftables.above_rate(QUESTIONS_PER_S, "questions"),
                        DROP,
                    ),
                    rule(nftables.destination(platform), ACCEPT),
                    REJECT,
                ),
                INPUT,
            ),
            Chain(
                "outside",
                (
                    rule(nftables.belongs(), ACCEPT),
                    rule(nftables.arriving(uplink), DROP),
                    rule(elsewhere, REJECT),
                    *(rule(nftables.destination(network), nftables.jump("begin")) for network in allowed),
                    *(rule(nftables.destination(network), REJECT) for network in CLOSED),
                    nftables.jump("begin"),
                ),
                FORWARD,
                policy=DROPPED,
            ),
            Chain(
                "begin",
                (rule(nftables.above_connections(CONNECTIONS, "connections"), REJECT), ACCEPT),
            ),
            Chain("leaving", (rule(nftables.leaving(uplink), MASQUERADE),), POSTROUTING, SOURCE_NAT, "nat"),
        ),
        sets=("questions", "connections"),
    )


def machine(link: str, sources: Sequence[Subnet]) -> Table:
    """What comes over a node's link is passed on under the machine's address, never to the machine itself.

    It is looked at before anything can send it elsewhere: a port that Docker publishes is the machine's, too.
    """
    own = nftables.arriving(link)
    others = (nftables.BROADCAST, nftables.ANYCAST, nftables.MULTICAST)
    return Table(
        link,
        (
            Chain(
                "arriving",
                (
                    rule(own, nftables.bound_for(nftables.LOCAL), REJECT),
                    *(rule(own, nftables.bound_for(kind), DROP) for kind in others),
                ),
                PREROUTING,
                RAW,
            ),
            Chain("machine", (rule(own, DROP),), INPUT),
            Chain(
                "back",
                (
                    rule(nftables.leaving(link), nftables.belongs(), ACCEPT),
                    rule(nftables.leaving(link), DROP),
                ),
                FORWARD,
            ),
            Chain(
                "leaving",
                tuple(rule(nftables.source(source), MASQUERADE) for source in sources),
                POSTROUTING,
                SOURCE_NAT,
                "nat",
            ),
        ),
        flags=nftables.OWNED,
    )


def no_router(family: int, links: Sequence[str]) -> Table:
    """Between these links of the machine nothing is passed on, as before it was told to forward."""
    among = Chain("among", tuple(rule(nftables.leaving(link), DROP) for link in links))
    arriving = tuple(rule(nftables.arriving(link), nftables.jump(among.name)) for link in links)
    return Table("lambent-forwarding", (among, Chain("outside", arriving, FORWARD)), family=family)
