"""What functions reach besides the platform: the setting, and the network that it makes."""

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Protocol

from lambent.sandbox import forwarding
from lambent.sandbox.base import SandboxError
from lambent.sandbox.network import Hub
from lambent.sandbox.uplink import Uplink

MODES = ("auto", "nat", "host", "none")
SHARED = (
    "WARNING: --network host: functions reach all that this machine reaches: services on its loopback, "
    "SeaweedFS, which asks nobody for a key, abstract sockets, private networks, a cloud's metadata"
)
OBSTACLE = (
    "WARNING: the packet filter of this machine (table {table}) drops what is forwarded, unless a rule of "
    "its own lets links lambent* through: docs/isolation.md"
)
RESOLVER_FILE = Path("/etc/resolv.conf")
RESOLVER_FILE_BYTES = 65536


class Network(Protocol):
    """Where sandboxes get their network namespaces from."""

    host: str  # where functions reach the platform
    listeners: dict[int, socket.socket]  # the platform's, by port; none where functions share the machine's
    names: tuple[socket.socket, ...]  # where functions ask for names: by UDP, by TCP
    resolver: bytes  # what they find as /etc/resolv.conf

    def link(self, index: int) -> int:
        """A namespace for a sandbox, whose number is its own: the descriptor, the caller's to close."""

    def close(self) -> None: ...


class Shared:
    """The machine's own network, for all sandboxes."""

    host = "127.0.0.1"

    def __init__(self) -> None:
        self.listeners: dict[int, socket.socket] = {}
        self.names: tuple[socket.socket, ...] = ()
        with RESOLVER_FILE.open("rb") as file:
            self.resolver = file.read(RESOLVER_FILE_BYTES)
        self._namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def link(self, index: int) -> int:
        return os.dup(self._namespace)

    def close(self) -> None:
        os.close(self._namespace)


@dataclass(frozen=True, slots=True)
class Reach:
    """A mode, and networks that are let through although they are not public."""

    mode: str = "none"
    allowed: tuple[str, ...] = ()

    def network(self, ports: Sequence[int], tag: str, warn: Callable[[str], None]) -> Network:
        """Make it. Raises SandboxError when an uplink was asked for and cannot be had."""
        if self.mode == "host":
            warn(SHARED)
            return Shared()
        if self.mode == "none":
            return Hub(ports)
        try:
            return self._nat(ports, tag, warn)
        except (SandboxError, OSError) as error:
            if self.mode != "auto":
                raise SandboxError(f"network nat: {error}") from error
            warn(f"WARNING: functions reach this node and nothing else, as with --network none: {error}")
            return Hub(ports)

    def _nat(self, ports: Sequence[int], tag: str, warn: Callable[[str], None]) -> Network:
        uplink = Uplink(tag)
        hub = Hub(ports, uplink, [ip_network(network) for network in self.allowed])
        for table in forwarding.obstacles():
            warn(OBSTACLE.format(table=table))
        return hub


PLATFORM_ONLY = Reach()
