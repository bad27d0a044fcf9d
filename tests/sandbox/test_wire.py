"""Frames between the launcher, the node and the zygotes."""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from lambent.sandbox import wire

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        end.settimeout(10)
    yield ends
    for end in ends:
        end.close()


def open_descriptors() -> set[tuple[str, str]]:
    """With what they are, so that one that another test's rubbish closes meanwhile hides none of ours."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the folder itself, while it was listed
            found.add((number, os.readlink(f"/proc/self/fd/{number}")))
    return found


def test_a_frame_arrives_with_its_descriptors(pair: Pair) -> None:
    read, write = os.pipe()
    wire.send(pair[0], {"a": [1, "ä"]}, [write])
    found = wire.receive(pair[1])
    assert found is not None
    message, (passed,) = found
    assert message == {"a": [1, "ä"]}
    assert not os.get_inheritable(passed)
    os.write(passed, b"through")
    assert os.read(read, 10) == b"through"
    wire.close([read, write, passed])


def test_the_end_is_none(pair: Pair) -> None:
    pair[0].close()
    assert wire.receive(pair[1]) is None


def test_an_end_with_frames_unread_is_an_end(pair: Pair) -> None:
    wire.send(pair[1], {})
    pair[0].close()
    assert wire.receive(pair[1]) is None


@pytest.mark.parametrize("junk", [b"{", b"[1]", b"1", b"\xff", b"[" * 60000, b" " * (wire.FRAME_BYTES + 1)])
def test_junk_is_refused_and_its_descriptors_are_closed(pair: Pair, junk: bytes) -> None:
    before = open_descriptors()
    socket.send_fds(pair[0], [junk], [0, 1, 2])
    with pytest.raises(wire.BadFrame):
        wire.receive(pair[1])
    assert open_descriptors() <= before


def test_too_many_descriptors_are_refused(pair: Pair) -> None:
    before = open_descriptors()
    socket.send_fds(pair[0], [b"{}"], [0] * (wire.DESCRIPTORS + 5))
    with pytest.raises(wire.BadFrame, match="16 descriptors"):
        wire.receive(pair[1])
    assert open_descriptors() <= before


def test_what_the_other_side_would_refuse_is_not_sent(pair: Pair) -> None:
    with pytest.raises(wire.BadFrame, match=str(wire.FRAME_BYTES)):
        wire.send(pair[0], {"a": "x" * wire.FRAME_BYTES})
    with pytest.raises(wire.BadFrame):
        wire.send(pair[0], {}, [0] * (wire.DESCRIPTORS + 1))
