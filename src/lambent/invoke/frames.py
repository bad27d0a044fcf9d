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
    TOUCHED = 3
    READY = 10
    INIT_ERROR = 11
    ANSWER = 12
    ERROR = 13
    NOT_JSON = 14
    PIECE = 15
    SNAPSHOT = 16
    LAID = 17


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


def encode(kind: Kind, meta: bytes, payload_bytes: int, payload: bytes) -> bytes:
    """A frame, or its beginning when the payload is sent behind it."""
    return b"".join((HEADER.pack(kind, len(meta), payload_bytes), meta, payload))


class Decoder:
    """Cuts a stream into frames; a payload that comes in many reads is put together once."""

    def __init__(self) -> None:
        self._rest = b""  # of a head that is not complete
        self._head: tuple[int, bytes] | None = None  # kind and meta of the frame that is coming
        self._parts: list[bytes] = []  # of its payload
        self._missing = 0  # bytes of it

    def feed(self, data: bytes | memoryview) -> Iterable[Frame]:
        """The frames that are complete with `data`. Raises `BadFrame` for lengths over the limits."""
        if self._head is None and not self._rest and len(data) >= HEADER.size:
            kind, meta, end = _measure(data)
            if len(data) == end:  # nearly always
                meta_end = HEADER.size + meta
                return (Frame(kind, bytes(data[HEADER.size : meta_end]), bytes(data[meta_end:end])),)
        return self._cut(data)

    def _cut(self, data: bytes | memoryview) -> Iterator[Frame]:
        view = memoryview(self._rest + data if self._rest else data)
        self._rest = b""
        while self._head is not None or len(view):
            if self._head is None:
                kind, meta, end = _measure(view) if len(view) >= HEADER.size else (0, 0, HEADER.size)
                if len(view) < HEADER.size + meta:
                    self._rest = bytes(view)
                    return
                payload_at = HEADER.size + meta
                self._head = kind, bytes(view[HEADER.size : payload_at])
                self._missing, view = end - payload_at, view[payload_at:]
            self._parts.append(bytes(view[: self._missing]))
            view, self._missing = view[self._missing :], self._missing - len(self._parts[-1])
            if self._missing:
                return
            (kind, text), self._head = self._head, None
            parts, self._parts = self._parts, []
            yield Frame(kind, text, parts[0] if len(parts) == 1 else b"".join(parts))


def _measure(data: bytes | bytearray | memoryview) -> tuple[int, int, int]:
    """Kind, length of the meta object, and length of the whole frame that begins here. Raises `BadFrame`."""
    kind, meta, payload = HEADER.unpack_from(data)
    if meta > META_BYTES or payload > PAYLOAD_BYTES:
        raise BadFrame(f"a frame of {meta} + {payload} bytes is over the limit")
    return kind, meta, HEADER.size + meta + payload
