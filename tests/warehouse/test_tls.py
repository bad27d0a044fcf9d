"""The authority and the certificate: made once, renewed when they must be, secret where they must be."""

import asyncio
import ssl
from pathlib import Path

import pytest

from lambent.warehouse import tls


async def handshake(server: tls.Tls, name: str) -> None:
    """A client that trusts the bundle and checks the name speaks with the server."""
    client = ssl.create_default_context(cafile=str(server.bundle))
    listener = await asyncio.start_server(
        lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=server.context
    )
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
        await reader.read()
        writer.close()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "10.1.2.3", "warehouse.example"])
async def test_clients_verify_every_name(tmp_path: Path, name: str) -> None:
    await handshake(tls.load_or_create(tmp_path / "tls", ["10.1.2.3", "warehouse.example"]), name)


async def test_other_names_are_not_served(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for"):
        await handshake(tls.load_or_create(tmp_path / "tls", []), "other.example")


def test_it_is_kept_and_secret(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    tls.load_or_create(folder, ["10.1.2.3"])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    tls.load_or_create(folder, ["10.1.2.3"])
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in folder.glob("*.key")} == {0o600}


def test_a_new_name_makes_a_new_certificate_of_the_same_authority(tmp_path: Path) -> None:
    tls.load_or_create(tmp_path, [])
    authority, server = (tmp_path / "ca.pem").read_bytes(), (tmp_path / "server.pem").read_bytes()
    tls.load_or_create(tmp_path, ["10.1.2.3"])
    assert (tmp_path / "ca.pem").read_bytes() == authority
    assert (tmp_path / "server.pem").read_bytes() != server


async def test_what_a_dying_node_left_half_made_is_made_again(tmp_path: Path) -> None:
    tls.load_or_create(tmp_path, [])
    (tmp_path / "server.pem").unlink()
    (tmp_path / "ca.pem").write_bytes(b"")
    await handshake(tls.load_or_create(tmp_path, []), "localhost")


def test_the_bundle_trusts_the_rest_of_the_world_too(tmp_path: Path) -> None:
    bundle = tls.load_or_create(tmp_path, []).bundle.read_bytes()
    assert bundle.count(b"BEGIN CERTIFICATE") > 50
    assert bundle.endswith((tmp_path / "ca.pem").read_bytes())
