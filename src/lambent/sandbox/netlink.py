"""Netlink's wire: requests with attributes, many in one system call, answered before it returns."""

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lambent.sandbox.base import SandboxError

NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_EXCL, NLM_F_CREATE, NLM_F_APPEND = (
    1,
    4,
    0x300,
    0x200,
    0x400,
    0x800,
)
NEW = NLM_F_CREATE | NLM_F_EXCL
NESTED = 0x8000

HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
ATTRIBUTE = struct.Struct("=HH")  # length, type
REPLY = struct.Struct("=i")
RECEIVE_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Request:
    """One change or question; `what` is for the error's text."""

    what: str
    kind: int
    flags: int
    body: bytes


class Netlink:
    """A socket to the network namespace that it was made in, wherever its owner goes afterwards."""

    def __init__(self, protocol: int = socket.NETLINK_ROUTE) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)

    def ask(self, requests: Sequence[Request]) -> None:
        """Make changes in their order. Raises SandboxError with the first that failed."""
        for number, code in self._exchange(requests):
            raise SandboxError(f"{requests[number].what}: {os.strerror(code)}")

    def remove(self, requests: Sequence[Request]) -> bool:
        """Make changes that take something away; False when it is not there."""
        for number, code in self._exchange(requests):
            if code not in (errno.ENOENT, errno.ENODEV):
                raise SandboxError(f"{requests[number].what}: {os.strerror(code)}")
            return False
        return True

    def dump(self, request: Request) -> Iterator[bytes]:
        """What the kernel has of a kind: the body of each."""
        self._socket.sendall(_message(request, 0, NLM_F_DUMP))
        while True:
            for kind, _, body in _messages(self._socket.recv(RECEIVE_BYTES, socket.MSG_DONTWAIT)):
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    raise SandboxError(f"{request.what}: {os.strerror(-REPLY.unpack_from(body)[0])}")
                yield body

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> "Netlink":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _exchange(self, requests: Sequence[Request]) -> list[tuple[int, int]]:
        """Send all at once; the numbers and errnos of those that failed."""
        last = len(requests) - 1
        messages = [
            _message(request, number, NLM_F_ACK if number == last else 0)
            for number, request in enumerate(requests)
        ]
        self._socket.sendall(b"".join(messages))
        failures: list[tuple[int, int]] = []
        while True:
            try:  # the kernel has answered before it returned from the call above
                data = self._socket.recv(RECEIVE_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return failures
            for kind, number, body in _messages(data):
                if kind == NLMSG_ERROR and (code := -REPLY.unpack_from(body)[0]):
                    failures.append((number, code))


def attribute(kind: int, data: bytes) -> bytes:
    length = ATTRIBUTE.size + len(data)
    return ATTRIBUTE.pack(length, kind) + data + bytes(-length % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    return attribute(kind | NESTED, b"".join(attributes))


def attributes(data: bytes) -> dict[int, bytes]:
    """The attributes of a body, by kind."""
    found = {}
    while len(data) >= ATTRIBUTE.size:
        length, kind = ATTRIBUTE.unpack_from(data)
        found[kind & ~NESTED] = data[ATTRIBUTE.size : length]
        data = data[length + -length % 4 :]
    return found


def _message(request: Request, number: int, flags: int) -> bytes:
    length = HEADER.size + len(request.body)
    return HEADER.pack(length, request.kind, NLM_F_REQUEST | request.flags | flags, number, 0) + request.body


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The kind, number and body of each message in what was received."""
    while data:
        length, kind, _, number, _ = HEADER.unpack_from(data)
        yield kind, number, data[HEADER.size : length]
        data = data[length + -length % 4 :]
