"""A machine and an internet of the test's own: namespaces without a way out, so no packet leaves here."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TypeVar

from lambent.sandbox import forwarding, links, syscalls
from lambent.sandbox.links import End, address, default, pair, route, up
from lambent.sandbox.netlink import Netlink

MACHINE, MACHINE6 = "203.0.113.2", "2001:db8::2"  # of the link to the internet
OTHER, OTHER6 = "198.51.100.99", "2001:db8:99::9"  # more of the machine's own
INNER = "10.77.0.1"
GATEWAY, GATEWAY6 = "203.0.113.1", "2001:db8::1"
PUBLIC, PUBLIC6 = "198.51.100.7", "2001:db8:7::7"
# What is out there, too, and answers whoever gets that far.
PRIVATE = (
    "10.1.2.3",
    "172.20.0.9",
    "192.168.7.7",
    "100.100.1.1",
    "169.254.169.254",
    "169.254.170.2",
    "198.18.0.1",
    "192.0.0.8",
    "fd12:3456::7",
    "fd00:ec2::254",
    "2002:a01:203::1",
    "64:ff9b::a01:203",
)
PORT = 80
NEARBY_MAC, FAR_MAC = "02:00:00:00:02:01", "02:00:00:00:02:02"
ANSWER_S, SILENCE_S, END_S = 5.0, 0.3, 30.0
T = TypeVar("T")


def namespace() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def within(there: int) -> Iterator[None]:
    """Let this thread be in a network namespace; what it opens stays there."""
    home = namespace()
    syscalls.setns(there, syscalls.CLONE_NEWNET)
    try:
        yield
    finally:
        syscalls.setns(home, syscalls.CLONE_NEWNET)
        os.close(home)


def inside(there: int, work: Callable[[], T]) -> T:
    with within(there):
        return work()


def reached(host: str, port: int = PORT, timeout_s: float = ANSWER_S) -> str | None:
    """How a server that says who calls it sees this caller; None when nobody answers."""
    with suppress(OSError), socket.create_connection((host, port), timeout_s) as connection:
        return connection.recv(100).decode()
    return None


def eventually(true: Callable[[], bool]) -> None:
    """Wait for what the kernel does behind a process that has ended."""
    deadline = time.monotonic() + END_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Internet:
    """The calling thread becomes the machine, with one link to everything else, until `close`."""

    def __init__(self, *, ipv6: bool = True) -> None:
        self._made = ExitStack()
        self._home = namespace()
        self._made.callback(os.close, self._home)
        self._made.callback(syscalls.setns, self._home, syscalls.CLONE_NEWNET)
        self.far = self._new()
        with Netlink() as netlink:
            netlink.ask([up(1), *[address(1, ip) for ip in (PUBLIC, PUBLIC6, *PRIVATE)]])
        self.machine = self._new()
        with Netlink() as netlink:
            netlink.ask([up(1)])
        near = self.join(self.far, "eth0", (MACHINE, MACHINE6), (GATEWAY, GATEWAY6))
        with Netlink() as netlink:
            netlink.ask([default(near, GATEWAY), *([default(near, GATEWAY6)] if ipv6 else [])])
            netlink.ask([address(1, ip) for ip in (OTHER, OTHER6, INNER)])
        self.listen(self.far)

    def join(self, there: int, name: str, ours: tuple[str, ...], theirs: tuple[str, ...]) -> int:
        """A link from this namespace to another one; its index here."""
        with Netlink() as netlink:
            netlink.ask([pair(End(name, 0, NEARBY_MAC), End(f"far-{name}", 0, FAR_MAC, namespace=there))])
        index = socket.if_nametoindex(name)
        _furnish(index, ours, theirs, FAR_MAC)
        with within(there):
            _furnish(socket.if_nametoindex(f"far-{name}"), theirs, ours, NEARBY_MAC)
        return index

    def listen(self, there: int, port: int = PORT) -> None:
        """Tell everybody who connects, at any address of a namespace, who they are."""
        with within(there):
            listener = socket.create_server(
                ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=2000
            )
        thread = threading.Thread(target=_greet, args=[listener], daemon=True)
        thread.start()

        def end() -> None:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()

        self._made.callback(end)

    def datagrams(self, there: int, port: int, host: str = "::") -> socket.socket:
        """What comes in by UDP, over either family."""
        with within(there):
            received = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            received.bind((host, port))
        received.settimeout(SILENCE_S)
        self._made.callback(received.close)
        return received

    def new(self) -> int:
        """Another namespace, with nothing in it."""
        made = self._new()
        syscalls.setns(self.machine, syscalls.CLONE_NEWNET)
        return made

    def close(self) -> None:
        self._made.close()

    def _new(self) -> int:
        syscalls.unshare(syscalls.CLONE_NEWNET)
        if forwarding.IPV4.on():  # as the machine of the tests is told to while a node runs on it
            forwarding.IPV4.turn(on=False)
        made = namespace()
        self._made.callback(os.close, made)
        return made


def _furnish(index: int, own: tuple[str, ...], others: tuple[str, ...], mac: str) -> None:
    ways = [request for ip in others for request in (route(index, ip), links.neighbour(index, ip, mac))]
    with Netlink() as netlink:
        netlink.ask([*links.quiet(index), up(index), *(address(index, ip) for ip in own), *ways])


def _greet(listener: socket.socket) -> None:
    while True:
        try:
            connection, peer = listener.accept()
        except OSError:
            listener.close()
            return
        with suppress(OSError), connection:
            connection.sendall(peer[0].removeprefix("::ffff:").encode())
