"""The role's credentials on the sandbox's own loopback, by AWS's protocol for containers.

What a function has in its environment stays in every copy of its memory; what it asks for here is its own.
"""

from __future__ import annotations

import _thread
import hmac
import json
import os
import socket
import time
from typing import Any, Dict, Optional, Tuple

HOST, PORT, PATH = "127.0.0.1", 9001, "/2021-04-23/credentials"  # AWS's
REQUEST_BYTES = 16384
TIMEOUT_S = 5.0
STOP_S = 2.0


class Endpoint:
    """One thread that answers one request at a time."""

    def __init__(self) -> None:
        self._answer = b""
        self._token = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port = PORT
        try:
            self._listener.bind((HOST, port))
        except OSError:  # without a network of its own: another instance has it
            self._listener.bind((HOST, 0))
            port = self._listener.getsockname()[1]
        self._listener.listen(16)
        os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://{}:{}{}".format(HOST, port, PATH)
        _thread.start_new_thread(self._serve, ())  # not among those that `threading` waits for

    def tell(self, credentials: Dict[str, str]) -> None:
        """What to answer from now on."""
        self._answer = json.dumps(credentials).encode()

    def stop(self) -> bool:
        """Whether its thread has ended, and is the last one that had to."""
        self._listener.shutdown(socket.SHUT_RDWR)  # what waits for a connection wakes up
        deadline = time.monotonic() + STOP_S
        while len(os.listdir("/proc/self/task")) > 1:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.001)
        self._listener.close()
        return True

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            try:
                with connection:
                    connection.settimeout(TIMEOUT_S)
                    status, body = self._reply(_read(connection))
                    head = "HTTP/1.1 {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n"
                    head += "Connection: close\r\n\r\n"
                    connection.sendall(head.format(status, len(body)).encode() + body)
            except OSError:
                continue

    def _reply(self, request: Optional[Tuple[str, Dict[str, str]]]) -> Tuple[str, bytes]:
        if request is None:
            return "400 Bad Request", b""
        line, headers = request
        given = headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return "401 Unauthorized", b""
        if line.split(" ")[:2] != ["GET", PATH]:
            return "404 Not Found", b""
        return "200 OK", self._answer


def _read(connection: socket.socket) -> Optional[Tuple[str, Dict[str, str]]]:
    """A request's first line and its headers."""
    data = b""
    while b"\r\n\r\n" not in data:
        more: Any = connection.recv(4096) if len(data) < REQUEST_BYTES else b""
        if not more:
            return None
        data += more
    line, *rest = data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    headers = (entry.partition(":") for entry in rest)
    return line, {name.strip().lower(): value.strip() for name, _, value in headers}
