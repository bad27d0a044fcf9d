"""Small JSON frames with descriptors over a SEQPACKET socket; also loaded inside zygotes."""

from __future__ import annotations

import array
import json
import os
import socket
import typing

FRAME_BYTES = 65536
DESCRIPTORS = 16
CUT_OFF = int(socket.MSG_TRUNC | socket.MSG_CTRUNC)  # to put these together takes Python longer than all else


class BadFrame(Exception):
    """A frame that is too long, carries too many descriptors, or is no JSON object."""


def send(
    sock: socket.socket, message: typing.Mapping[str, object], descriptors: typing.Sequence[int] = ()
) -> None:
    """Send one frame whole. Raises BadFrame for one that the other side would refuse."""
    data = json.dumps(message, separators=(",", ":")).encode()
    if len(data) > FRAME_BYTES or len(descriptors) > DESCRIPTORS:
        raise BadFrame(
            f"a frame of {len(data)} bytes with {len(descriptors)} descriptors is over the limit "
            f"of {FRAME_BYTES} and {DESCRIPTORS}"
        )
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    sock.sendmsg([data], rights, socket.MSG_NOSIGNAL)


def receive(sock: socket.socket) -> tuple[dict[str, typing.Any], list[int]] | None:
    """The next frame and its descriptors, which are the caller's to close; None at the end."""
    room = socket.CMSG_SPACE(DESCRIPTORS * 4)
    try:
        data, ancillary, flags, _ = sock.recvmsg(FRAME_BYTES + 1, room, socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:  # the other side ended with frames unread
        return None
    descriptors = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(content[: len(content) - len(content) % 4])
    if not data and not descriptors:
        return None
    try:
        return _decoded(data, flags), list(descriptors)
    except BadFrame:
        close(descriptors)
        raise


def _decoded(data: bytes, flags: int) -> dict[str, typing.Any]:
    if len(data) > FRAME_BYTES or flags & CUT_OFF:
        raise BadFrame(f"a frame is over the limit of {FRAME_BYTES} bytes and {DESCRIPTORS} descriptors")
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        raise BadFrame("a frame is not JSON") from None
    if not isinstance(message, dict):
        raise BadFrame("a frame is no JSON object")
    return message


def close(descriptors: typing.Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
