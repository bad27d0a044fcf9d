"""Calls over plain sockets: the client's own cost is next to nothing."""

import http.client
import json
import selectors
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

TIMEOUT_S = 60


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def received(connection: socket.socket) -> Any:
    """The next answer of a function that must not fail."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    body = response.read()
    if response.status != 200 or response.headers["X-Amz-Function-Error"]:
        raise AssertionError(f"Invoke answered {response.status} {body!r}")
    return json.loads(body)


def each_answer(connections: Sequence[socket.socket], requests: Iterable[bytes]) -> Iterator[Any]:
    """Answers to all requests; each connection sends its next one when it has an answer."""
    left = iter(requests)
    with selectors.DefaultSelector() as selector:
        for connection, request in zip(connections, left, strict=False):
            connection.sendall(request)
            selector.register(connection, selectors.EVENT_READ, connection)
        while selector.get_map():
            ready = selector.select(TIMEOUT_S)
            if not ready:
                raise TimeoutError(f"{len(selector.get_map())} calls have no answer after {TIMEOUT_S} s")
            for key, _ in ready:
                yield received(key.data)
                if request := next(left, b""):
                    key.data.sendall(request)
                else:
                    selector.unregister(key.fileobj)
