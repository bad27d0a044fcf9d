"""Netlink, as far as sandboxes need it: links, addresses, routes and neighbours, many in one system call."""

import errno
import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from lambent.sandbox.base import SandboxError

RTM_NEWLINK, RTM_NEWADDR, RTM_NEWROUTE, RTM_NEWNEIGH = 16, 20, 24, 28
NLMSG_ERROR = 2
NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE = 1, 4, 0x200, 0x400
NEW = NLM_F_CREATE | NLM_F_EXCL

IFF_UP = 1
IFLA_ADDRESS, IFLA_IFNAME, IFLA_LINKINFO, IFLA_NET_NS_FD = 1, 3, 18, 28
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER = 1, 2, 1
IFA_LOCAL = 2
RTA_DST, RTA_OIF = 1, 4
NDA_DST, NDA_LLADDR = 1, 2
NUD_PERMANENT = 0x80
RT_TABLE_MAIN, RTPROT_STATIC, RT_SCOPE_LINK, RTN_UNICAST = 254, 4, 253, 1

HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
ATTRIBUTE = struct.Struct("=HH")  # length, type
LINK = struct.Struct("=BxHiII")  # family, type, index, flags, change
ADDRESS = struct.Struct("=BBBBI")  # family, prefix, flags, scope, index
ROUTE = struct.Struct("=BBBBBBBBI")  # family, prefix, source prefix, tos, table, protocol, scope, type, flags
NEIGHBOUR = struct.Struct("=BxxxiHBB")  # family, index, state, flags, type
REPLY = struct.Struct("=i")
RECEIVE_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Request:
    """One change; `what` is for the error's text."""

    what: str
    kind: int
    flags: int
    body: bytes


@dataclass(frozen=True, slots=True)
class End:
    """One end of a pair of links. The kernel takes the index that it is given, so nobody looks it up."""

    name: str
    index: int
    mac: str
    namespace: int | None = None  # a descriptor; None is the socket's own
    up: bool = False

    def encoded(self) -> bytes:
        flags = IFF_UP if self.up else 0
        given = b"" if self.namespace is None else _attribute(IFLA_NET_NS_FD, REPLY.pack(self.namespace))
        return b"".join(
            (
                LINK.pack(socket.AF_UNSPEC, 0, self.index, flags, flags),
                _attribute(IFLA_IFNAME, self.name.encode() + b"\0"),
                _attribute(IFLA_ADDRESS, _mac(self.mac)),
                given,
            )
        )


def pair(end: End, peer: End) -> Request:
    """A veth pair. Only `end` can be up from the start: the peer is made first, with nothing behind it."""
    kind = _attribute(IFLA_INFO_KIND, b"veth")
    data = _attribute(IFLA_INFO_DATA, _attribute(VETH_INFO_PEER, peer.encoded()))
    body = end.encoded() + _attribute(IFLA_LINKINFO, kind + data)
    return Request(f"link {end.name}", RTM_NEWLINK, NEW, body)


def up(index: int) -> Request:
    return Request(f"link {index} up", RTM_NEWLINK, 0, LINK.pack(socket.AF_UNSPEC, 0, index, IFF_UP, IFF_UP))


def address(link: int, ip: str) -> Request:
    body = ADDRESS.pack(socket.AF_INET, 32, 0, 0, link) + _attribute(IFA_LOCAL, socket.inet_aton(ip))
    return Request(f"address {ip}", RTM_NEWADDR, NEW, body)


def route(link: int, ip: str) -> Request:
    """To one host, directly on the link."""
    head = ROUTE.pack(socket.AF_INET, 32, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, RT_SCOPE_LINK, RTN_UNICAST, 0)
    to = _attribute(RTA_DST, socket.inet_aton(ip)) + _attribute(RTA_OIF, REPLY.pack(link))
    return Request(f"route to {ip}", RTM_NEWROUTE, NEW, head + to)


def neighbour(link: int, ip: str, mac: str) -> Request:
    """A permanent one: nobody has to ask for it, and nobody can take its place."""
    head = NEIGHBOUR.pack(socket.AF_INET, link, NUD_PERMANENT, 0, 0)
    who = _attribute(NDA_DST, socket.inet_aton(ip)) + _attribute(NDA_LLADDR, _mac(mac))
    return Request(f"neighbour {ip}", RTM_NEWNEIGH, NEW, head + who)


class Netlink:
    """A socket to the network namespace that it was made in, wherever its owner goes afterwards."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)

    def ask(self, requests: Sequence[Request]) -> None:
        """Make changes in their order. Raises SandboxError with the first that failed."""
        last = len(requests) - 1
        messages = [
            _message(request, number, NLM_F_ACK if number == last else 0)
            for number, request in enumerate(requests)
        ]
        self._socket.sendall(b"".join(messages))
        failures: list[tuple[int, int]] = []
        number = -1
        while number != last:  # the kernel answers before it returns from the call above
            number, code = _reply(self._socket.recv(RECEIVE_BYTES, socket.MSG_DONTWAIT))
            if code:
                failures.append((number, code))
        for number, code in failures:
            raise SandboxError(f"{requests[number].what}: {os.strerror(code)}")

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> "Netlink":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _message(request: Request, number: int, flags: int) -> bytes:
    length = HEADER.size + len(request.body)
    return HEADER.pack(length, request.kind, NLM_F_REQUEST | request.flags | flags, number, 0) + request.body


def _reply(data: bytes) -> tuple[int, int]:
    """The number of the request that is answered, and its errno."""
    _, kind, _, number, _ = HEADER.unpack_from(data)
    if kind != NLMSG_ERROR:
        return number, errno.EPROTO
    (code,) = REPLY.unpack_from(data, HEADER.size)
    return number, -code


def _attribute(kind: int, data: bytes) -> bytes:
    length = ATTRIBUTE.size + len(data)
    return ATTRIBUTE.pack(length, kind) + data + bytes(-length % 4)


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
