"""The network of the functions: a hub namespace of the node's own with a point-to-point link to each sandbox.

Nothing is routed from one link to another. The platform's listening sockets live in the hub at one fixed
address, so functions reach these ports and nothing else of the host.
"""

import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from lambent.sandbox import syscalls
from lambent.sandbox.base import SandboxError
from lambent.sandbox.netlink import End, Netlink, address, neighbour, pair, route, up

# Link-local, as AWS uses it for its own services inside a function: no network beyond has this address.
PLATFORM = "169.254.100.1"
HUB_MAC = "02:00:00:00:00:01"
# The sandboxes' own addresses are never seen outside of the hub; this range is for carriers' inner networks.
FIRST_ADDRESS = (100 << 24) + (64 << 16) + 1
BACKLOG = 1024
T = TypeVar("T")
EVERYWHERE = ("all", "default")
LOOPBACK, ETHERNET = 1, 2  # links in every namespace; the hub has one from 2 on for each sandbox


def ip(index: int) -> str:
    return socket.inet_ntoa((FIRST_ADDRESS + index).to_bytes(4, "big"))


def mac(index: int) -> str:
    return f"02:00:01:{index >> 16 & 255:02x}:{index >> 8 & 255:02x}:{index & 255:02x}"


class Network:
    """The hub. Namespaces are held by descriptors only, so all of this ends with the launcher."""

    def __init__(self, ports: tuple[int, ...]) -> None:
        self._home = _namespace()
        self._hub, _ = self._new(self._furnish_hub)
        self.listeners = {port: self._inside(self._hub, partial(_listen, port)) for port in ports}
        self._links = self._inside(self._hub, Netlink)

    def link(self, index: int) -> int:
        """A new network namespace that reaches the platform and nothing else; returns its descriptor."""
        sandbox, inside = self._new(Netlink)
        ours, own = LOOPBACK + index, ip(index)
        try:
            with inside:
                ends = (
                    End(f"s{index}", ours, HUB_MAC, up=True),
                    End("eth0", ETHERNET, mac(index), namespace=sandbox),
                )
                self._links.ask([pair(*ends), route(ours, own), neighbour(ours, own, mac(index))])
                inside.ask(
                    [
                        up(LOOPBACK),
                        up(ETHERNET),
                        address(ETHERNET, own),
                        route(ETHERNET, PLATFORM),
                        neighbour(ETHERNET, PLATFORM, HUB_MAC),
                    ]
                )
        except Exception as error:
            os.close(sandbox)
            raise SandboxError(f"the network of sandbox {index} could not be made: {error}") from error
        return sandbox

    def close(self) -> None:
        self._links.close()
        for listener in self.listeners.values():
            listener.close()
        os.close(self._hub)
        os.close(self._home)

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
            _sysctl(f"ipv6/conf/{which}/disable_ipv6", 1)
            _sysctl(f"ipv4/conf/{which}/rp_filter", 1)  # a sandbox speaks with its own address only
        _sysctl("ipv4/ip_forward", 0)
        with Netlink() as hub:
            hub.ask([up(LOOPBACK), address(LOOPBACK, PLATFORM)])


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
