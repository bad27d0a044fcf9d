"""A broker's door with TLS, a user and a password, for the cluster that librdkafka tests itself with."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ssl import SSLContext

HANDSHAKE, VERSIONS, AUTHENTICATE = 17, 18, 36
SIZE, HEAD = struct.Struct(">i"), struct.Struct(">hhi")  # a request's: key, version, correlation
SERVED = struct.pack(">hhhhhh", HANDSHAKE, 0, 1, AUTHENTICATE, 0, 0)
ALLOWED, REFUSED = 0, 58  # SASL_AUTHENTICATION_FAILED


class Door:
    """Lets in who brings the login, and calls itself the broker wherever the broker names itself."""

    def __init__(self, broker: str, user: str, password: str) -> None:
        self._host, port = broker.split(":")
        self._broker_port = int(port)
        self._login = f"\0{user}\0{password}".encode()
        self.port = 0

    @property
    def address(self) -> str:
        return f"{self._host}:{self.port}"

    @asynccontextmanager
    async def opened(self, context: SSLContext) -> AsyncIterator["Door"]:
        server = await asyncio.start_server(self._serve, self._host, 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside, broker = await asyncio.open_connection(self._host, self._broker_port)
        entered = False
        try:
            while True:
                request = await _frame(reader)
                key, _, correlation = HEAD.unpack_from(request)
                number = SIZE.pack(correlation)
                if key == HANDSHAKE:
                    answer = number + struct.pack(">hih5s", ALLOWED, 1, 5, b"PLAIN")
                elif key == AUTHENTICATE:
                    entered = request.endswith(self._login)
                    answer = number + struct.pack(">hhi", ALLOWED if entered else REFUSED, -1, 0)
                else:
                    assert entered or key == VERSIONS, f"request {key} before the login"
                    broker.write(SIZE.pack(len(request)) + request)
                    answer = self._amended(key, await _frame(inside))
                writer.write(SIZE.pack(len(answer)) + answer)
        except (asyncio.IncompleteReadError, OSError):
            pass  # somebody has gone
        finally:
            writer.close()
            broker.close()

    def _amended(self, key: int, answer: bytes) -> bytes:
        if key == VERSIONS:
            number, error, count = struct.unpack_from(">ihi", answer)
            return struct.pack(">ihi", number, error, count + 2) + SERVED + answer[10:]
        host = self._host.encode()
        return answer.replace(host + SIZE.pack(self._broker_port), host + SIZE.pack(self.port))


async def _frame(reader: asyncio.StreamReader) -> bytes:
    (size,) = SIZE.unpack(await reader.readexactly(SIZE.size))
    return await reader.readexactly(size)
