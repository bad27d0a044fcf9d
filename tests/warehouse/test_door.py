"""What strangers may send to the port: each is told no or let in, none stays for ever."""

import socket
import struct
from collections.abc import Iterator

import pytest
from tests.warehouse.conftest import RunningWarehouse

from lambent.warehouse import server, wire
from lambent.warehouse.session import Owed

STARTUP = wire.startup(wire.VERSION, {"user": "awsuser", "database": "dev"})

pytestmark = pytest.mark.slow


@pytest.fixture
def peer(running: RunningWarehouse) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", running.port), timeout=20) as peer:
        yield peer


def everything(peer: socket.socket) -> bytes:
    """What the server says until it closes."""
    data = b""
    try:
        while piece := peer.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


def test_gss_is_declined_and_the_login_goes_on(peer: socket.socket) -> None:
    peer.sendall(struct.pack("!ii", 8, wire.GSS_REQUEST))
    assert peer.recv(1) == b"N"
    peer.sendall(STARTUP)
    assert peer.recv(9) == wire.build("R", struct.pack("!i", 3))


def test_a_newer_protocol_is_negotiated_down(peer: socket.socket) -> None:
    peer.sendall(wire.startup(wire.VERSION + 2, {"user": "u", "_pq_.speed": "1"}))
    answer = peer.recv(100)
    assert answer.startswith(wire.build("v", struct.pack("!ii", wire.VERSION, 1) + b"_pq_.speed\0"))


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (struct.pack("!ii", 100, 2 << 16) + b"\0" * 92, b"unsupported frontend protocol 2.0"),
        (struct.pack("!ii", 2_000_000, wire.VERSION), b"a first packet of 2000000 bytes"),
        (b"GET / HTTP/1.1\r\n\r\n", b"a first packet of"),
        (wire.startup(wire.VERSION, {"database": "dev"}), b"no user name"),
        (STARTUP + wire.build("Q", b"select 1\0"), b"in place of the password"),
        (STARTUP + b"p\x7f\xff\xff\xff", b"a message of 2147483647 bytes"),
        (STARTUP + b"p\0\0\0\0", b"a message of 0 bytes"),
        (STARTUP + wire.build("p", b"no end"), b"a string without its end"),
        (STARTUP + wire.build("p", b"wrong\0"), b"password authentication failed"),
        (struct.pack("!iiii", 16, wire.CANCEL_REQUEST, 1, 2), b""),
    ],
)
def test_bad_first_words_get_a_clean_end(peer: socket.socket, sent: bytes, told: bytes) -> None:
    peer.sendall(sent)
    answer = everything(peer)
    assert told in answer
    assert b"VFATAL" in answer or not told


def test_bytes_before_the_handshake_do_not_get_behind_it(peer: socket.socket) -> None:
    peer.sendall(struct.pack("!ii", 8, wire.SSL_REQUEST) + STARTUP)
    assert everything(peer)[:1] == b"S"


def test_a_client_that_says_nothing_is_let_go(
    running: RunningWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LOGIN_TIMEOUT_S", 0.2)
    for sent in (b"", struct.pack("!ii", 8, wire.SSL_REQUEST), STARTUP[:-3], STARTUP):
        with socket.create_connection(("127.0.0.1", running.port), timeout=20) as peer:
            peer.sendall(sent)
            everything(peer)  # returns, because the server closes


def test_too_many_clients_are_turned_away(running: RunningWarehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CLIENTS", 0)
    with socket.create_connection(("127.0.0.1", running.port), timeout=20) as peer:
        assert everything(peer) == b""


def test_owed_answers_are_counted_through_errors() -> None:
    owed = Owed()
    for kind in "PBDES":
        owed.sent(kind)
    for kind in "12T":
        owed.came(kind)
    owed.came("E")
    assert list(owed.ends) == ["Z"]
    owed.came("Z")
    assert (list(owed.ends), owed.failed) == ([], False)
    owed.sent("P")
    owed.came("E")
    owed.sent("B")
    assert (list(owed.ends), owed.failed) == ([], True)
    owed.sent("S")
    owed.came("Z")
    assert (list(owed.ends), owed.failed) == ([], False)
