"""The pool of places, over a network that only counts."""

import os
import socket
from pathlib import Path

import pytest

from lambent.sandbox import places
from lambent.sandbox.base import SandboxError
from lambent.sandbox.cgroup import Tree
from lambent.sandbox.places import Places
from lambent.sandbox.users import users


class Counting:
    """Each namespace is a file of its own."""

    host, resolver = "", b""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.listeners: dict[int, socket.socket] = {}
        self.names: tuple[socket.socket, ...] = ()
        self.made: list[int] = []

    def link(self, index: int) -> int:
        self.made.append(index)
        return os.open(self.folder / str(index), os.O_CREAT)

    def close(self) -> None: ...


@pytest.fixture
def network(tmp_path: Path) -> Counting:
    return Counting(tmp_path)


def make(network: Counting, limit: int) -> Places:
    return Places(users(network.folder), network, Tree("none", {}, frozenset(), unified=False), limit)


def test_a_burst_finds_what_was_made_ahead(network: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "READY", 3)
    pool = make(network, 10)
    assert [pool.refill() for _ in range(5)] == [True] * 3 + [False] * 2
    taken = [pool.take() for _ in range(3)]
    assert network.made == [1, 2, 3]
    taken.append(pool.take())
    assert network.made == [1, 2, 3, 4]
    assert len({place.uid for place in taken}) == 4
    for place in taken:
        pool.give_back(place)


def test_a_user_is_used_again_and_a_namespace_never(network: Counting) -> None:
    pool = make(network, 1)
    first = pool.take()
    pool.give_back(first)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(first.network)
    second = pool.take()
    assert (second.index, second.uid) == (first.index, first.uid)
    assert network.made == [1, 2]
    pool.give_back(second)


def test_there_are_so_many_and_no_more(network: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "READY", 1)
    pool = make(network, 2)
    pool.refill()
    taken = [pool.take(), pool.take()]
    assert pool.left == 0
    assert not pool.refill()
    with pytest.raises(SandboxError, match="limit of 2 sandboxes"):
        pool.take()
    pool.give_back(taken.pop())
    assert pool.left == 1
    pool.give_back(taken.pop())


def test_what_could_not_be_made_is_tried_again(network: Counting) -> None:
    pool = make(network, 1)
    network.folder = network.folder / "missing"
    with pytest.raises(OSError, match="No such file"):
        pool.refill()
    assert not pool.short, "or it would be tried, and told, without end"
    with pytest.raises(OSError, match="No such file"):
        pool.take()
    assert pool.short
    network.folder = network.folder.parent
    place = pool.take()
    assert place.index == 1
    pool.give_back(place)
