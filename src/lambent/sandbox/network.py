"""The network of the functions: a hub namespace of the node's own with a point-to-point link to each sandbox.

Nothing is routed from one link to another. The platform's listening sockets live in the hub at one fixed
address, so functions reach these ports and nothing else of the host.
"""

import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute

from lambent.sandbox import syscalls
from lambent.sandbox.base import SandboxError

# Link-local, as AWS uses it for its own services inside a function: no network beyond has this address.
PLATFORM = "169.254.100.1"
HUB_MAC = "02:00:00:00:00:01"
# The sandboxes' own addresses are never seen outside of the hub; this range is for carriers' inner networks.
FIRST_ADDRESS = (100 << 24) + (64 << 16) + 1
BACKLOG = 1024
EVERYWHERE = ("all", "default")


def address(index: int) -> str:
    return socket.inet_ntoa((FIRST_ADDRESS + index).to_bytes(4, "big"))


def mac(index: int) -> str:
    return f"02:00:01:{index >> 16 & 255:02x}:{index >> 8 & 255:02x}:{index & 255:02x}"


class Network:
    """The hub. Namespaces are held by descriptors only, so all of this ends with the launcher."""

    def __init__(self, ports: tuple[int, ...]) -> None:
        self._home = _namespace()
        self._hub = self._new(self._furnish_hub)
        self.listeners = {port: self._inside(self._hub, partial(_listen, port)) for port in ports}
        self._route = self._inside(self._hub, IPRoute)

    def link(self, index: int) -> int:
        """A new network namespace that reaches the platform and nothing else; returns its descriptor."""
        sandbox = self._new(lambda: None)
        name = f"s{index}"
        try:
            peer = {"ifname": "eth0", "net_ns_fd": sandbox, "address": mac(index)}
            self._route.link("add", ifname=name, kind="veth", address=HUB_MAC, peer=peer)
            link = self._route.link_lookup(ifname=name)[0]
            self._route.link("set", index=link, state="up")
            self._route.route("add", dst=f"{address(index)}/32", oif=link, scope="link")
            self._route.neigh("add", dst=address(index), lladdr=mac(index), ifindex=link, state="permanent")
            self._inside(sandbox, lambda: _furnish_sandbox(index))
        except Exception as error:
            os.close(sandbox)
            raise SandboxError(f"the network of sandbox {index} could not be made: {error}") from error
        return sandbox

    def close(self) -> None:
        self._route.close()
        for listener in self.listeners.values():
            listener.close()
        os.close(self._hub)
        os.close(self._home)

    def _new(self, furnish: Callable[[], None]) -> int:
        try:
            syscalls.unshare(syscalls.CLONE_NEWNET)
            made = _namespace()
            furnish()
            return made
        finally:
            syscalls.setns(self._home, syscalls.CLONE_NEWNET)

    def _inside(self, namespace: int, work: Callable[[], Any]) -> Any:
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
        with IPRoute() as route:
            route.link("set", index=1, state="up")
            route.addr("add", index=1, address=PLATFORM, prefixlen=32)


def _furnish_sandbox(index: int) -> None:
    with IPRoute() as route:
        link = route.link_lookup(ifname="eth0")[0]
        route.link("set", index=1, state="up")
        route.link("set", index=link, state="up")
        route.addr("add", index=link, address=address(index), prefixlen=32)
        route.route("add", dst=f"{PLATFORM}/32", oif=link, scope="link")
        route.neigh("add", dst=PLATFORM, lladdr=HUB_MAC, ifindex=link, state="permanent")


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
