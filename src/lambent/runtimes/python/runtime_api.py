"""The Runtime API as `frames.Channel` is the control socket: for a Python that is a program of its own."""

from __future__ import annotations

import base64
import http.client
import json
from typing import Any, Optional, Tuple

from . import frames

_PATH = "/2018-06-01/runtime/"
_ERROR_TYPE = b"Lambda-Runtime-Function-Error-Type"
_ERROR_BODY = b"Lambda-Runtime-Function-Error-Body"
_AFTER_ID = {frames.ANSWER: "response", frames.ERROR: "error"}
# What an event's meta is made of, by the header that brings it.
_META = {
    "id": "Lambda-Runtime-Aws-Request-Id",
    "deadline_ms": "Lambda-Runtime-Deadline-Ms",
    "arn": "Lambda-Runtime-Invoked-Function-Arn",
    "trace": "Lambda-Runtime-Trace-Id",
    "tenant": "Lambda-Runtime-Aws-Tenant-Id",
    "client_context": "Lambda-Runtime-Client-Context",
    "streams": "Lambda-Runtime-Function-Response-Mode",  # the node's own word to this client
}


class RuntimeApi:
    """Asks for events and answers them; that the handler is imported is told by asking for the first one."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address)
        self._request_id = ""
        self._streams = False  # a stream has begun

    def read(self) -> Optional[Tuple[int, bytes, bytes]]:
        """The next event; None when the node has gone."""
        try:
            headers, payload = self._ask("GET", "invocation/next")
        except (OSError, http.client.HTTPException):
            return None
        meta = {name: headers.get(header) for name, header in _META.items()}
        self._request_id = meta["id"] or ""
        return frames.INVOKE, json.dumps(meta).encode(), payload

    def write(self, kind: int, meta: bytes = b"", payload: bytes = b"") -> None:
        if kind == frames.PIECE:
            self._send_piece(meta, payload)
        elif self._streams:
            self._end_stream(payload if kind == frames.ERROR else b"")
        elif kind == frames.INIT_ERROR:
            self._ask("POST", "init/error", payload)
        elif kind in _AFTER_ID:
            self._ask("POST", "invocation/%s/%s" % (self._request_id, _AFTER_ID[kind]), payload)

    def _send_piece(self, meta: bytes, data: bytes) -> None:
        if not self._streams:
            self._streams = True
            self._connection.putrequest("POST", _PATH + "invocation/%s/response" % self._request_id)
            self._connection.putheader("Lambda-Runtime-Function-Response-Mode", "streaming")
            self._connection.putheader("Transfer-Encoding", "chunked")
            self._connection.putheader("Content-Type", json.loads(meta)["type"])
            self._connection.endheaders()
        self._connection.send(b"%x\r\n%b\r\n" % (len(data), data))

    def _end_stream(self, error: bytes) -> None:
        self._streams = False
        trailers = b""
        if error:
            kind = json.loads(error)["errorType"].encode("ascii", "replace")
            trailers = b"%b: %b\r\n%b: %b\r\n" % (_ERROR_TYPE, kind, _ERROR_BODY, base64.b64encode(error))
        self._connection.send(b"0\r\n%b\r\n" % trailers)
        self._connection.getresponse().read()

    def _ask(self, method: str, path: str, body: Optional[bytes] = None) -> Tuple[Any, bytes]:
        self._connection.request(method, _PATH + path, body)
        answer = self._connection.getresponse()
        return answer.headers, answer.read()
