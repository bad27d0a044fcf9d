"""How a client comes in: TLS where it asks for it, the first packet, the password."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lambent.model.identity import Principal
from lambent.warehouse import wire
from lambent.warehouse.connection import Connection
from lambent.warehouse.wire import ProtocolViolation

CheckPassword = Callable[[str, str], Principal | None]

# What PostgreSQL knows of the parameters that Redshift's drivers send.
KNOWN_PARAMETERS = (
    "application_name",
    "client_encoding",
    "datestyle",
    "extra_float_digits",
    "options",
    "statement_timeout",
    "timezone",
)
CLEARTEXT = wire.build("R", struct.pack("!i", 3))
WELCOME = wire.build("R", struct.pack("!i", 0))


class Rejected(Exception):
    """A client that does not come in; `code` is the SQLSTATE it is told."""

    def __init__(self, code: str, words: str, hint: str = "") -> None:
        super().__init__(words)
        self.code = code
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Arrival:
    """A client that has said what it wants: a session, or to cancel another's statement."""

    connection: Connection
    parameters: Mapping[str, str]
    cancel_key: bytes = b""


async def receive(peer: socket.socket, context: ssl.SSLContext) -> Arrival:
    """Take a fresh socket to its first packet. The socket belongs to the connection afterwards."""
    connection = await _secured(peer, context)
    code, body = await connection.read_startup()
    if code == wire.CANCEL_REQUEST:
        return Arrival(connection, {}, cancel_key=body)
    if code >> 16 != 3:
        raise Rejected(
            "08P01", f"unsupported frontend protocol {code >> 16}.{code & 0xFFFF}: server supports 3.0"
        )
    parameters = wire.parameters(body)
    unknown = [name for name in parameters if name.startswith("_pq_.")]
    if code & 0xFFFF or unknown:
        connection.write(
            wire.build("v", struct.pack("!ii", wire.VERSION, len(unknown)) + wire.text(*unknown))
        )
    return Arrival(connection, parameters)


async def _secured(peer: socket.socket, context: ssl.SSLContext) -> Connection:
    """Answer what a client asks about encryption, before any of its bytes is buffered.

    So nothing that was sent in the clear can end up behind the TLS handshake.
    """
    loop = asyncio.get_running_loop()
    asked: set[int] = set()
    while True:
        head = await _exactly(peer, 8)
        size, code = struct.unpack("!ii", head)
        if size != 8 or code not in (wire.SSL_REQUEST, wire.GSS_REQUEST) or code in asked:
            break
        asked.add(code)
        await loop.sock_sendall(peer, b"S" if code == wire.SSL_REQUEST else b"N")
        if code == wire.SSL_REQUEST:
            return await _connected(peer, Connection(wire.CLIENT_BYTES), context)
    return await _connected(peer, Connection(wire.CLIENT_BYTES, head))


async def _connected(
    peer: socket.socket, connection: Connection, context: ssl.SSLContext | None = None
) -> Connection:
    # Not the protocol that this returns: with TLS it is one of uvloop's own.
    await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, peer, ssl=context)
    return connection


async def _exactly(peer: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < count:
        piece = await loop.sock_recv(peer, count - len(data))
        if not piece:
            raise ConnectionResetError("the client left")
        data += piece
    return data


async def authenticate(arrival: Arrival, check_password: CheckPassword) -> Principal:
    user = arrival.parameters.get("user", "")
    if not user:
        raise Rejected("28000", "no user name specified in startup packet")
    arrival.connection.write(CLEARTEXT)
    message = await arrival.connection.read()
    if message.kind != "p":
        raise ProtocolViolation(f"a message of kind {message.kind!r} in place of the password")
    (password,), _ = wire.split_text(message.body, 1)
    principal = check_password(user, password)
    if principal is None:
        raise Rejected("28000", f'password authentication failed for user "{user}"')
    return principal


def kept_parameters(parameters: Mapping[str, str]) -> dict[str, str]:
    """Those that PostgreSQL knows; drivers of Redshift send more, and it would refuse them."""
    return {name: value for name, value in parameters.items() if name.lower() in KNOWN_PARAMETERS}
