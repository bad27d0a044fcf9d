"""Frames between the node and a process: a fixed header, a small JSON object, a payload.

The other end is `runtimes/python/bootstrap.py`, in a process that may be hostile: lengths are bounded
before anything is buffered.
"""

from collections.abc import Iterator
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
    READY = 10
    INIT_ERROR = 11
    ANSWER = 12
    ERROR = 13
    NOT_JSON = 14


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

    def feed(self, data: bytes | memoryview) -> Iterator[Frame]:
        """The frames that are complete with `data`. Raises `BadFrame` for lengths over the limits."""
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            kind, meta, payload = HEADER.unpack_from(self._buffer)
            if meta > META_BYTES or payload > PAYLOAD_BYTES:
                raise BadFrame(f"a frame of {meta} + {payload} bytes is over the limit")
            end = HEADER.size + meta + payload
            if len(self._buffer) < end:
                return
            body = bytes(memoryview(self._buffer)[HEADER.size : end])
            del self._buffer[:end]
            yield Frame(kind, body[:meta], body[meta:])
