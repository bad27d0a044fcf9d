"""A start that is rehearsed inside a zygote, to learn which pages of memory every start writes to.

They are nearly the same ones each time, and the kernel copies each when it is first written to. That takes
longer than all else that a start does, so a process has them copied before it is wanted.
"""

from __future__ import annotations

import json
import os
import socket
from typing import List, Tuple

from . import frames

VARIABLES = {
    "_HANDLER": "rehearsed.handler",
    "LAMBDA_TASK_ROOT": os.path.dirname(__file__),
    "TZ": ":UTC",
    **{"LAMBENT_REHEARSAL_{}".format(number): "as many as there are" for number in range(24)},
}
CALLS = 2  # the answer to the last one is whole: it was given before
TIMEOUT_S = 10.0
META = b'{"id":"rehearsal","deadline_ms":0,"arn":"","trace":"Root=1-0-0;Parent=0;Sampled=0"}'


def ask(control: socket.socket) -> List[Tuple[int, int]]:
    """Call the handler over the other end of its socket. Raises OSError, ValueError."""
    control.settimeout(TIMEOUT_S)
    for _ in range(CALLS):
        control.sendall(frames.HEADER.pack(frames.INVOKE, len(META), 2) + META + b"{}")
    kinds = []
    for _ in range(1 + CALLS):
        kind, answer = _receive(control)
        kinds.append(kind)
    if kinds != [frames.READY] + CALLS * [frames.ANSWER]:
        raise ValueError("the rehearsal answered {!r:.200}".format(answer))
    return [(address, size) for address, size in json.loads(answer)]


def _receive(control: socket.socket) -> Tuple[int, bytes]:
    kind, meta_bytes, payload_bytes = frames.HEADER.unpack(_read(control, frames.HEADER.size))
    _read(control, meta_bytes)
    return kind, _read(control, payload_bytes)


def _read(control: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = control.recv(size - len(data))
        if not more:
            raise ValueError("the rehearsal ended early")
        data += more
    return data
