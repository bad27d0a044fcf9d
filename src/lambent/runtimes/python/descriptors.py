"""What a process has open, as data, and the same opened anew in another process.

A file is opened again where it was. A connection to elsewhere is dead, as after a machine slept: reading from
it finds its end. Pairs, pipes and what waits for them, such as an event loop, are made anew and empty.
"""

from __future__ import annotations

import ctypes
import os
import re
import select
import socket
import stat
from typing import Any, Callable, Dict, Iterable, List

Open = Dict[str, Any]

ONCE = os.O_CREAT | os.O_EXCL | os.O_TRUNC
_WATCHED = re.compile(r"tfd:\s*(\d+) events:\s*([0-9a-f]+)")


class Unknown(Exception):
    """A descriptor that cannot be opened anew; the text says of what."""


def opened(skip: Iterable[int]) -> List[Open]:
    """Everything that is open but `skip`."""
    listing = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY)
    try:
        numbers = {int(name) for name in os.listdir(listing)} - {listing, *skip}
    finally:
        os.close(listing)
    found = [_look_at(number) for number in sorted(numbers)]
    _pair([one for one in found if one["kind"] == "socket"])
    return found


def _look_at(number: int) -> Open:
    target = os.readlink("/proc/self/fd/{}".format(number))
    with open("/proc/self/fdinfo/{}".format(number)) as lines:
        info = dict(line.rstrip("\n").split(":\t", 1) for line in lines if ":\t" in line)
    one: Open = {"fd": number, "flags": int(info["flags"], 8), "inode": os.fstat(number).st_ino}
    if target.startswith("socket:"):
        return {**one, "kind": "socket"}
    if target.startswith("pipe:"):
        return {**one, "kind": "pipe"}
    if target == "anon_inode:[eventpoll]":
        return {**one, "kind": "epoll", "watched": _watched(number)}
    if target == "anon_inode:[eventfd]":
        return {**one, "kind": "eventfd", "count": int(info["eventfd-count"], 16)}
    if not _is_there(target, number):
        raise Unknown(target)
    return {**one, "kind": "file", "path": target, "offset": int(info["pos"])}


def _is_there(path: str, number: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(number))
    except OSError:
        return False


def _watched(number: int) -> List[List[int]]:
    with open("/proc/self/fdinfo/{}".format(number)) as lines:
        return [[int(fd), int(events, 16)] for fd, events in _WATCHED.findall(lines.read())]


def _pair(sockets: List[Open]) -> None:
    """Say of each end which is its other one, where this process has both: what one says the other hears."""
    ends = [one for one in sockets if _is_end(one["fd"])]
    for one in ends:
        if "peer" in one:
            continue
        with socket.socket(fileno=os.dup(one["fd"])) as end:
            try:
                end.send(b"\0", socket.MSG_DONTWAIT)
            except OSError:
                continue
        for other in ends:
            if other is not one and _hears(other["fd"]):
                one["peer"], other["peer"] = other["fd"], one["fd"]


def _is_end(number: int) -> bool:
    with socket.socket(fileno=os.dup(number)) as end:
        return end.family == socket.AF_UNIX and end.type == socket.SOCK_STREAM and not end.getsockname()


def _hears(number: int) -> bool:
    with socket.socket(fileno=os.dup(number)) as end:
        try:
            return bool(end.recv(1, socket.MSG_DONTWAIT))
        except OSError:
            return False


def reopen(them: List[Open]) -> None:
    """Open all of them under their numbers, which must be free."""
    for one in them:
        if not _is_open(one["fd"]):
            _MAKE[one["kind"]](one, them)
    for one in them:
        os.set_inheritable(one["fd"], not one["flags"] & os.O_CLOEXEC)
        if one["kind"] != "file":
            os.set_blocking(one["fd"], not one["flags"] & os.O_NONBLOCK)
    for one in them:
        for number, events in one.get("watched", ()):
            with select.epoll.fromfd(os.dup(one["fd"])) as poll:
                poll.register(number, events & 0xFFFFFFFF)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _move(source: int, number: int) -> None:
    os.dup2(source, number)
    if source != number:
        os.close(source)


def _file(one: Open, them: List[Open]) -> None:
    _move(os.open(one["path"], one["flags"] & ~ONCE), one["fd"])
    if stat.S_ISREG(os.fstat(one["fd"]).st_mode):
        os.lseek(one["fd"], one["offset"], os.SEEK_SET)


def _socket(one: Open, them: List[Open]) -> None:
    ours, theirs = socket.socketpair()
    _place(one["fd"], ours.detach(), one.get("peer", -1), theirs.detach())


def _pipe(one: Open, them: List[Open]) -> None:
    ends = os.pipe()
    others = [other["fd"] for other in them if other["inode"] == one["inode"] and other is not one]
    writes = one["flags"] & os.O_ACCMODE == os.O_WRONLY
    _place(one["fd"], ends[writes], others[0] if others else -1, ends[not writes])


def _place(number: int, ours: int, peer: int, theirs: int) -> None:
    """Give both ends their numbers, or close the one that nobody has. Either may be in the other's way."""
    ours, theirs = _high(ours), _high(theirs)
    _move(ours, number)
    if peer >= 0:
        _move(theirs, peer)
    else:
        os.close(theirs)


def _high(descriptor: int) -> int:
    import fcntl

    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 512)
    os.close(descriptor)
    return high


def _epoll(one: Open, them: List[Open]) -> None:
    poll = select.epoll()
    os.dup2(poll.fileno(), one["fd"])
    if poll.fileno() != one["fd"]:
        poll.close()
    else:
        _kept.append(poll)


def _eventfd(one: Open, them: List[Open]) -> None:
    _move(ctypes.CDLL(None).eventfd(one["count"], 0), one["fd"])


_kept: List[Any] = []  # objects whose end would close what they have opened
_MAKE: Dict[str, Callable[[Open, List[Open]], None]] = {
    "file": _file,
    "socket": _socket,
    "pipe": _pipe,
    "epoll": _epoll,
    "eventfd": _eventfd,
}
