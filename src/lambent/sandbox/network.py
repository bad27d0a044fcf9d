"""The network of the functions: a hub namespace of the node's own with a point-to-point link to each sandbox.

Nothing is passed on from one link to another. The platform's listening sockets live in the hub at one fixed
address, and an uplink leads from the hub to what functions may reach beyond.
"""

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from ipaddress import IPv6Address, ip_network
from pathlib import Path
from typing import TypeVar

from lambent.sandbox import firewall, links, nftables, syscalls
from lambent.sandbox.base import SandboxError
from lambent.sandbox.links import End, address, default, local, neighbour, pair, route, up
from lambent.sandbox.netlink import Netlink, Request
from lambent.sandbox.nftables import Subnet
from lambent.sandbox.uplink import MTU, NAME, Uplink

# Link-local, as AWS uses it for its own services inside a function: no network beyond has this address.
PLATFORM = "169.254.100.1"
HUB_MAC = "02:00:00:00:00:01"
# The sandboxes' own addresses are never seen outside of the hub; the range is for carriers' inner networks.
FIRST_ADDRESS = (100 << 24) + (64 << 16) + 1
ADDRESSES = 4_000_000  # then the first ones come again
FIRST_ADDRESS6 = int(IPv6Address("fd6c:616d:6265:6e74::"))
GATEWAY6 = "fe80::1"
BACKLOG = 1024
T = TypeVar("T")
EVERYWHERE = ("all", "default")
LOOPBACK, ETHERNET = 1, 2  # links in every namespace; the hub has one from 2 on for each sandbox


def ip(index: int) -> str:
    return socket.inet_ntoa((FIRST_ADDRESS + index).to_bytes(4, "big"))


def ip6(index: int) -> str:
    return str(IPv6Address(FIRST_ADDRESS6 + index))


def mac(index: int) -> str:
    return f"02:00:01:{index >> 16 & 255:02x}:{index >> 8 & 255:02x}:{index & 255:02x}"


class Hub:
    """Namespaces are held by descriptors only, so all of this ends with the launcher."""

    host = PLATFORM

    def __init__(
        self, ports: Sequence[int], uplink: Uplink | None = None, allowed: Sequence[Subnet] = ()
    ) -> None:
        """Without an uplink functions reach the platform only. An uplink becomes the hub's to close."""
        self.uplink = uplink
        with ExitStack() as made:
            if uplink:
                made.callback(uplink.close)
            self._home = _namespace()
            made.callback(os.close, self._home)
            self._hub, _ = self._new(self._furnish_hub)
            made.callback(os.close, self._hub)
            if uplink:
                self._inside(self._hub, partial(self._let_through, allowed))
                uplink.lead(partial(self._inside, self._hub))
            self.listeners = {port: self._inside(self._hub, partial(_listen, port)) for port in ports}
            self.names: tuple[socket.socket, ...] = (
                self._inside(self._hub, _listen_for_names) if uplink else ()
            )
            self.resolver = f"nameserver {PLATFORM}\n".encode() if uplink else b""
            self._links = self._inside(self._hub, Netlink)
            made.callback(self._links.close)
            for listener in (*self.listeners.values(), *self.names):
                made.callback(listener.close)
            self.close = made.pop_all().close

    def link(self, index: int) -> int:
        """A new network namespace that reaches what the hub lets through, with addresses by its number."""
        index = (index - 1) % ADDRESSES + 1
        sandbox, inside = self._new(Netlink)
        ours, mtu = LOOPBACK + index, self.uplink.mtu if self.uplink else MTU
        ends = (
            End(f"s{index}", ours, HUB_MAC, up=True, mtu=mtu),
            End("eth0", ETHERNET, mac(index), namespace=sandbox, mtu=mtu),
        )
        addresses = [ip(index), *([ip6(index)] if self._ipv6 else [])]
        ways = [to for own in addresses for to in (route(ours, own), neighbour(ours, own, mac(index)))]
        try:
            with inside:
                self._links.ask([pair(*ends), *ways])
                inside.ask([*links.quiet(ETHERNET), up(LOOPBACK), up(ETHERNET), *self._own(index)])
            self._links.ask([links.ready(ours)])
        except Exception as error:
            os.close(sandbox)
            raise SandboxError(f"the network of sandbox {index} could not be made: {error}") from error
        return sandbox

    def _own(self, index: int) -> list[Request]:
        """The sandbox's addresses, and its ways out."""
        own = [
            address(ETHERNET, ip(index)),
            route(ETHERNET, PLATFORM),
            neighbour(ETHERNET, PLATFORM, HUB_MAC),
        ]
        if self.uplink:
            own.append(default(ETHERNET, PLATFORM))
        if self._ipv6:
            own += [address(ETHERNET, ip6(index)), local(ETHERNET, ip6(index))]
            own += [neighbour(ETHERNET, GATEWAY6, HUB_MAC), default(ETHERNET, GATEWAY6)]
        return own

    @property
    def _ipv6(self) -> bool:
        return self.uplink is not None and self.uplink.ipv6

    def _new(self, furnish: Callable[[], T]) -> tuple[int, T]:
        """A new namespace's descriptor, with what `furnish` made in it."""
        try:
            syscalls.unshare(syscalls.CLONE_NEWNET)
            return _namespace(), furnish()
        finally:
            syscalls.setns(self._home, syscalls.CLONE_NEWNET)

    def _inside(self, namespace: int, work: Callable[[], T]) -> T:
        syscalls.setns(namespace, syscalls.CLONE_NEWNET)
        try:
            return work()
        finally:
            syscalls.setns(self._home, syscalls.CLONE_NEWNET)

    def _furnish_hub(self) -> None:
        for which in EVERYWHERE:
            _sysctl(f"ipv4/conf/{which}/rp_filter", 1)  # a sandbox speaks with its own address only
            _sysctl(f"ipv4/conf/{which}/send_redirects", 0)
            _sysctl(f"ipv6/conf/{which}/addr_gen_mode", 1)
            _sysctl(f"ipv6/conf/{which}/disable_ipv6", int(not self._ipv6))
        _sysctl("ipv4/ip_forward", 0)
        with Netlink() as hub:
            hub.ask([up(LOOPBACK), address(LOOPBACK, PLATFORM)])

    def _let_through(self, allowed: Sequence[Subnet]) -> None:
        """In the hub: the rules first, then what they are for."""
        with Netlink(nftables.PROTOCOL) as filters:
            filters.ask(firewall.hub(NAME, ip_network(PLATFORM), allowed).made())
        _sysctl("ipv4/ip_forward", 1)
        if self._ipv6:
            _sysctl("ipv6/conf/all/forwarding", 1)


def _namespace() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _sysctl(name: str, value: int) -> None:
    path = Path("/proc/sys/net") / name
    if path.exists():
        path.write_text(str(value))


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((PLATFORM, port))
    listener.listen(BACKLOG)
    return listener


def _listen_for_names() -> tuple[socket.socket, ...]:
    questions = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    questions.bind((PLATFORM, firewall.NAMES_PORT))
    return questions, _listen(firewall.NAMES_PORT)
