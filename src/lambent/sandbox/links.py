"""Links, addresses, routes and neighbours of a network namespace, as netlink requests."""

import os
import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_address

from lambent.sandbox.netlink import NEW, Request, attribute, nested

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_NEWADDR, RTM_NEWROUTE, RTM_NEWNEIGH = 16, 17, 18, 20, 24, 28
IFF_UP = 1
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINKINFO, IFLA_AF_SPEC, IFLA_NET_NS_FD = 1, 3, 4, 18, 26, 28
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER = 1, 2, 1
IFLA_INET6_ADDR_GEN_MODE, GENERATE_NONE = 8, 1
IFA_ADDRESS, IFA_LOCAL = 1, 2
IFA_F_NODAD = 2
RTA_DST, RTA_OIF, RTA_GATEWAY = 1, 4, 5
RTNH_F_ONLINK = 4
NDA_DST, NDA_LLADDR = 1, 2
NUD_PERMANENT = 0x80
RT_TABLE_MAIN, RT_TABLE_LOCAL, RTPROT_STATIC = 254, 255, 4
RTN_UNICAST, RTN_LOCAL = 1, 2
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK = 0, 253

LINK = struct.Struct("=BxHiII")  # family, type, index, flags, change
ADDRESS = struct.Struct("=BBBBI")  # family, prefix, flags, scope, index
ROUTE = struct.Struct("=BBBBBBBBI")  # family, prefix, source prefix, tos, table, protocol, scope, type, flags
NEIGHBOUR = struct.Struct("=BxxxiHBB")  # family, index, state, flags, type
INTEGER = struct.Struct("=i")
KNOWS_IPV6 = os.path.exists("/proc/sys/net/ipv6")


@dataclass(frozen=True, slots=True)
class End:
    """One end of a pair of links. The kernel takes the index that it is given, so nobody looks it up."""

    name: str
    index: int  # 0: the next that is free
    mac: str
    namespace: int | None = None  # a descriptor; None is the socket's own
    up: bool = False
    mtu: int = 1500

    def encoded(self) -> bytes:
        flags = IFF_UP if self.up else 0
        given = b"" if self.namespace is None else attribute(IFLA_NET_NS_FD, INTEGER.pack(self.namespace))
        return b"".join(
            (
                LINK.pack(socket.AF_UNSPEC, 0, self.index, flags, flags),
                attribute(IFLA_IFNAME, self.name.encode() + b"\0"),
                attribute(IFLA_ADDRESS, _mac(self.mac)),
                attribute(IFLA_MTU, INTEGER.pack(self.mtu)),
                given,
            )
        )


def pair(end: End, peer: End) -> Request:
    """A veth pair. Only `end` can be up from the start: the peer is made first, with nothing behind it."""
    kind = attribute(IFLA_INFO_KIND, b"veth")
    data = attribute(IFLA_INFO_DATA, attribute(VETH_INFO_PEER, peer.encoded()))
    body = end.encoded() + attribute(IFLA_LINKINFO, kind + data)
    return Request(f"link {end.name}", RTM_NEWLINK, NEW, body)


def up(index: int) -> Request:
    return Request(f"link {index} up", RTM_NEWLINK, 0, LINK.pack(socket.AF_UNSPEC, 0, index, IFF_UP, IFF_UP))


def quiet(index: int) -> list[Request]:
    """No IPv6 address of its own making, so that nothing is sent when the link comes up."""
    if not KNOWS_IPV6:
        return []
    mode = attribute(IFLA_INET6_ADDR_GEN_MODE, bytes([GENERATE_NONE]))
    body = LINK.pack(socket.AF_UNSPEC, 0, index, 0, 0) + nested(IFLA_AF_SPEC, nested(socket.AF_INET6, mode))
    return [Request(f"link {index} quiet", RTM_NEWLINK, 0, body)]


def ready(index: int) -> Request:
    """Of a link whose other end came up later: the kernel drops what it sends until it has looked at it."""
    return Request(f"look at link {index}", RTM_GETLINK, 0, LINK.pack(socket.AF_UNSPEC, 0, index, 0, 0))


def gone(name: str) -> Request:
    body = LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + attribute(IFLA_IFNAME, name.encode() + b"\0")
    return Request(f"end of link {name}", RTM_DELLINK, 0, body)


def address(link: int, ip: str) -> Request:
    """An address without a network around it; nobody else on the link is asked whether it is free."""
    family, own = _packed(ip)
    head = ADDRESS.pack(family, len(own) * 8, IFA_F_NODAD, 0, link)
    return Request(f"address {ip}", RTM_NEWADDR, NEW, head + attribute(IFA_LOCAL, own))


def route(link: int, ip: str) -> Request:
    """To one host, directly on the link."""
    family, there = _packed(ip)
    head = _route(family, len(there) * 8, RT_SCOPE_LINK, 0)
    to = attribute(RTA_DST, there) + attribute(RTA_OIF, INTEGER.pack(link))
    return Request(f"route to {ip}", RTM_NEWROUTE, NEW, head + to)


def local(link: int, ip: str) -> Request:
    """The own address's route, which IPv6 else makes some time later: until then nothing is let in."""
    family, own = _packed(ip)
    head = ROUTE.pack(family, len(own) * 8, 0, 0, RT_TABLE_LOCAL, RTPROT_STATIC, 0, RTN_LOCAL, 0)
    to = attribute(RTA_DST, own) + attribute(RTA_OIF, INTEGER.pack(link))
    return Request(f"local route to {ip}", RTM_NEWROUTE, NEW, head + to)


def default(link: int, gateway: str) -> Request:
    """To everywhere, over a gateway on the link."""
    family, there = _packed(gateway)
    head = _route(family, 0, RT_SCOPE_UNIVERSE, RTNH_F_ONLINK)
    over = attribute(RTA_GATEWAY, there) + attribute(RTA_OIF, INTEGER.pack(link))
    return Request(f"default route over {gateway}", RTM_NEWROUTE, NEW, head + over)


def neighbour(link: int, ip: str, mac: str) -> Request:
    """A permanent one: nobody has to ask for it, and nobody can take its place."""
    family, there = _packed(ip)
    head = NEIGHBOUR.pack(family, link, NUD_PERMANENT, 0, 0)
    who = attribute(NDA_DST, there) + attribute(NDA_LLADDR, _mac(mac))
    return Request(f"neighbour {ip}", RTM_NEWNEIGH, NEW, head + who)


def _route(family: int, prefix: int, scope: int, flags: int) -> bytes:
    return ROUTE.pack(family, prefix, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, scope, RTN_UNICAST, flags)


def _packed(ip: str) -> tuple[int, bytes]:
    there = ip_address(ip)
    return (socket.AF_INET if there.version == 4 else socket.AF_INET6), there.packed


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
