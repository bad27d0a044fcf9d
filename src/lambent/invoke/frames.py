"""Frames between the node and a process: a fixed header, a small JSON object, a payload.

The other end is `runtimes/python/bootstrap.py`, in a process that may be hostile: lengths are bounded
before anything is buffered.
"""

from collections.abc import Iterable, Iterator
from enum import IntEnum
from struct import Struct
from typing import Any, NamedTuple

import orjson

from lambent.model.limits import RESPONSE_PAYLOAD_BYTES

HEADER = Struct("!BII")  # kind, length of the meta object, length of the payload
META_BYTES = 64 * 1024
PAYLOAD_BYTES = RESPONSE_PAYLOAD_BYTES


class Kind(IntEnum):
    INVOKE = 1
    IDENTITY = 2
    READY = 10
    INIT_ERROR = 11
    ANSWER = 12
    ERROR = 13
    NOT_JSON = 14
    PIECE = 15
    SNAPSHOT = 16


class Frame(NamedTuple):
    kind: int
    meta: bytes
    payload: bytes

    def meta_object(self) -> dict[str, Any]:
        """The meta object; empty when there is none. Raises `BadFrame`."""
        try:
            meta = orjson.loads(self.meta or b"{}")
        except orjson.JSONDecodeError:
            raise BadFrame("a frame's meta is not JSON") from None
        if not isinstance(meta, dict):
            raise BadFrame("a frame's meta is no object")
        return meta


class BadFrame(Exception):
    """The other end does not keep to the contract."""


def encode(kind: Kind, meta: bytes, payload: bytes) -> bytes:
    return b"".join((HEADER.pack(kind, len(meta), len(payload)), meta, payload))


class Decoder:
    """Cuts a stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes | memoryview) -> Iterable[Frame]:
        """The frames that are complete with `data`. Raises `BadFrame` for lengths over the limits."""
        if not self._buffer and len(data) >= HEADER.size:
            kind, meta, end = _measure(data)
            if len(data) == end:  # nearly always: it is not copied to and fro
                meta_end = HEADER.size + meta
                return (Frame(kind, bytes(data[HEADER.size : meta_end]), bytes(data[meta_end:end])),)
        return self._cut(data)

    def _cut(self, data: bytes | memoryview) -> Iterator[Frame]:
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            kind, meta, end = _measure(self._buffer)
            if len(self._buffer) < end:
                return
            body = bytes(memoryview(self._buffer)[HEADER.size : end])
            del self._buffer[:end]
            yield Frame(kind, body[:meta], body[meta:])


def _measure(data: bytes | bytearray | memoryview) -> tuple[int, int, int]:
    """Kind, length of the meta object, and length of the whole frame that begins here. Raises `BadFrame`."""
    kind, meta, payload = HEADER.unpack_from(data)
    if meta > META_BYTES or payload > PAYLOAD_BYTES:
        raise BadFrame(f"a frame of {meta} + {payload} bytes is over the limit")
    return kind, meta, HEADER.size + meta + payload
