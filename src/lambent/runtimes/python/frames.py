"""Frames on the control socket: kind, length of meta, length of payload; then meta (JSON), then payload."""

from __future__ import annotations

import select
import socket
import struct

HEADER = struct.Struct("!BII")

# Node to process: {"id", "deadline_ms", "arn", "trace"} and, where there is one, "client_context", "tenant",
# and "streams" for a caller that takes the answer in pieces; then the event.
INVOKE = 1
IDENTITY = 2  # what this process of a SnapStart is alone to know: {"environment", "credentials"} as JSON
TOUCHED = 3  # both ways: memory that a process of this snapshot touched until its first answer

READY = 10  # process to node: the handler is imported
INIT_ERROR = 11  # the error as JSON; the process ends
ANSWER = 12  # {"id"}, the answer as JSON
ERROR = 13  # {"id"}, the error as JSON
NOT_JSON = 14  # {"id", "message"}: the event is no JSON, the handler was not called
PIECE = 15  # {"id", "type"}, a part of an answer that its caller takes as it comes; ANSWER or ERROR ends it
SNAPSHOT = 16  # a template has made one, or {"problem"} says why not; the process ends
LAID = 17  # a snapshot is laid over this process, which waits for its identity

_READ_BYTES = 65536
_COPY_BYTES = 65536  # a frame larger than this is not copied together


class Channel:
    """The process's end of the control socket, blocking."""

    def __init__(self, control: socket.socket) -> None:
        self._socket = control
        self._rest = b""
        # Not in recv: there the kernel would wake us, too, whenever the node has taken what we sent.
        waiting = select.poll()
        waiting.register(control, select.POLLIN)
        self._wait = waiting.poll

    def read(self) -> tuple[int, bytes, bytes] | None:
        """The next frame; None when the node has gone."""
        data = self._rest
        while len(data) < HEADER.size:
            self._wait()
            more = self._socket.recv(_READ_BYTES)
            if not more:
                return None
            data += more
        kind, meta_bytes, payload_bytes = HEADER.unpack_from(data)
        payload_at = HEADER.size + meta_bytes
        end = payload_at + payload_bytes
        if len(data) < end:
            whole = self._fill(data, end)
            if whole is None:
                return None
            data = whole
        self._rest = data[end:]
        return kind, data[HEADER.size : payload_at], data[payload_at:end]

    def _fill(self, start: bytes, size: int) -> bytes | None:
        whole = bytearray(size)
        have = len(start)
        whole[:have] = start
        view = memoryview(whole)
        while have < size:
            count = self._socket.recv_into(view[have:])
            if not count:
                return None
            have += count
        return bytes(whole)

    def write(self, kind: int, meta: bytes = b"", payload: bytes = b"") -> None:
        head = HEADER.pack(kind, len(meta), len(payload)) + meta
        if len(payload) <= _COPY_BYTES:
            self._socket.sendall(head + payload)
        else:
            self._socket.sendall(head)
            self._socket.sendall(payload)
