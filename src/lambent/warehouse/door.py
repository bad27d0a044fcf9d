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


async def secure(peer: socket.socket, context: ssl.SSLContext) -> Connection:
    """Take a fresh socket to a connection, with TLS where the client asks for it.

    What clients ask about encryption is answered before any of their bytes is buffered, so that nothing
    that was sent in the clear can end up behind the handshake.
    """
    try:
        head = await _negotiate(peer)
    except BaseException:
        peer.close()
        raise
    connection = Connection(wire.CLIENT_BYTES, head)
    loop = asyncio.get_running_loop()
    # The protocol that this returns is not ours on uvloop, which the node runs on: with TLS it is uvloop's.
    await loop.connect_accepted_socket(lambda: connection, peer, ssl=None if head else context)
    return connection


async def _negotiate(peer: socket.socket) -> bytes:
    """The head of the first packet, or nothing when TLS was agreed on and has to come first."""
    loop = asyncio.get_running_loop()
    head = await _exactly(peer, 8)
    if _code(head) == wire.GSS_REQUEST:
        await loop.sock_sendall(peer, b"N")
        head = await _exactly(peer, 8)
    if _code(head) == wire.SSL_REQUEST:
        await loop.sock_sendall(peer, b"S")
        return b""
    return head


def _code(head: bytes) -> int:
    size, code = struct.unpack("!ii", head)
    return code if size == 8 else 0


async def arrive(connection: Connection) -> Arrival:
    """Read the first packet."""
    code, body = await connection.read_startup()
    if code == wire.CANCEL_REQUEST:
        return Arrival(connection, {}, cancel_key=body)
    major, minor = code >> 16, code & 0xFFFF
    if major != 3:
        raise Rejected("0A000", f"unsupported frontend protocol {major}.{minor}: server supports 3.0")
    parameters = wire.parameters(body)
    unknown = [name for name in parameters if name.startswith("_pq_.")]
    if minor or unknown:
        told = struct.pack("!ii", wire.VERSION, len(unknown)) + wire.text(*unknown)
        connection.write(wire.build("v", told))
    return Arrival(connection, parameters)


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
