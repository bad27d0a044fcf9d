"""What functions reach: the rules of the hub, and those of the machine for a node's link."""

import socket
from collections.abc import Sequence
from ipaddress import ip_network

from lambent.sandbox import nftables as nft
from lambent.sandbox.nftables import ACCEPT, DROP, Chain, Subnet, Table, rule

CONNECTIONS = 1024  # of one instance at once, as many as AWS lets it open files
QUESTIONS_PER_S = 256  # of one instance to the resolver
NAMES_PORT = 53

# What is no public address: this network, private and carriers' inner ranges, loopback, link-local, reserved
# assignments, relays, benchmarks, multicast, broadcast.
CLOSED4 = """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.88.99.0/24
    192.168.0.0/16 198.18.0.0/15 224.0.0.0/3
"""
# Of IPv6 only 2000::/3 is public, without the tunnels that carry an IPv4 address inside.
CLOSED6 = "::/3 2001::/32 2002::/16 4000::/2 8000::/1"
CLOSED = [ip_network(network) for network in (CLOSED4 + CLOSED6).split()]

# A connection that is refused fails at once, rather than after a timeout.
REFUSING = Chain("refused", (rule(nft.over(socket.IPPROTO_TCP), nft.RESET), nft.PROHIBITED))
REFUSE = nft.jump(REFUSING.name)


def hub(uplink: str, platform: Subnet, allowed: Sequence[Subnet]) -> Table:
    """Instances reach the platform, and over the uplink what is public or allowed; never each other.

    What goes to the platform is not tracked: it is most of the traffic, and is let through by its address.
    """
    arriving = (
        rule(nft.not_arriving(uplink), nft.forged(), DROP),
        rule(nft.destination(platform), nft.UNTRACKED),
    )
    question = nft.port(socket.IPPROTO_UDP, NAMES_PORT)
    to_platform = (
        rule(nft.arriving(uplink), DROP),
        rule(question, nft.above_rate(QUESTIONS_PER_S, "questions"), DROP),
        rule(nft.destination(platform), ACCEPT),
        REFUSE,
    )
    begin = Chain("begin", (rule(nft.above_connections(CONNECTIONS, "connections"), REFUSE), ACCEPT))
    outside = (
        rule(nft.belongs(), ACCEPT),
        rule(nft.arriving(uplink), DROP),
        rule(nft.not_leaving(uplink), REFUSE),
        *(rule(nft.destination(network), nft.jump(begin.name)) for network in allowed),
        *(rule(nft.destination(network), REFUSE) for network in CLOSED),
        nft.jump(begin.name),
    )
    answering = (rule(nft.source(platform), nft.UNTRACKED),)
    leaving = (rule(nft.leaving(uplink), nft.MASQUERADE),)
    chains = (
        REFUSING,
        begin,
        Chain("arriving", arriving, nft.PREROUTING, nft.RAW),
        Chain("platform", to_platform, nft.INPUT),
        Chain("outside", outside, nft.FORWARD, policy=nft.DROPPED),
        Chain("answering", answering, nft.OUTPUT, nft.RAW),
        Chain("leaving", leaving, nft.POSTROUTING, nft.SOURCE_NAT, "nat"),
    )
    return Table("lambent", chains, sets=("questions", "connections"))


def machine(link: str, sources: Sequence[Subnet]) -> Table:
    """What comes over a node's link is passed on under the machine's address, never to the machine itself.

    It is looked at before anything can send it elsewhere: a port that Docker publishes is the machine's, too.
    """
    own = nft.arriving(link)
    groups = (nft.BROADCAST, nft.ANYCAST, nft.MULTICAST)
    arriving = (
        rule(own, nft.bound_for(nft.LOCAL), REFUSE),
        *(rule(own, nft.bound_for(group), DROP) for group in groups),
    )
    back = (rule(nft.leaving(link), nft.belongs(), ACCEPT), rule(nft.leaving(link), DROP))
    leaving = tuple(rule(nft.source(source), nft.MASQUERADE) for source in sources)
    chains = (
        REFUSING,
        Chain("arriving", arriving, nft.PREROUTING, nft.RAW),
        Chain("machine", (rule(own, DROP),), nft.INPUT),
        Chain("back", back, nft.FORWARD),
        Chain("leaving", leaving, nft.POSTROUTING, nft.SOURCE_NAT, "nat"),
    )
    return Table(link, chains, flags=nft.OWNED)


def no_router(family: int, links: Sequence[str]) -> Table:
    """Between these links of the machine nothing is passed on, as before it was told to forward."""
    among = Chain("among", tuple(rule(nft.leaving(link), DROP) for link in links))
    arriving = tuple(rule(nft.arriving(link), nft.jump(among.name)) for link in links)
    return Table("lambent-forwarding", (among, Chain("outside", arriving, nft.FORWARD)), family=family)
