"""Who can be reached over the network, and by which sockets."""

import os
import socket
import subprocess

import pytest
from tests.security.conftest import PORT, Ground

from lambent.cli.attempts import REFUSALS
from lambent.sandbox.network import PLATFORM

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

CONNECT = "got = socket.create_connection(({host!r}, {port}), 5).getsockname()"


async def test_the_platform_is_reached_at_its_port(ground: Ground) -> None:
    """The way in that there is, so that the ways that are closed are known to be closed and not broken."""
    assert (await ground.got(CONNECT.format(host=PLATFORM, port=PORT)))[0].startswith("100.64.")


async def test_a_private_range_is_not_reached(ground: Ground) -> None:
    await ground.refused(CONNECT.format(host="10.0.0.1", port=80))


async def test_the_neighbour_is_not_reached(ground: Ground) -> None:
    serve = "s = socket.create_server(('0.0.0.0', 8080)); got = 1"
    assert (await ground.neighbour.call(serve))["got"] == 1
    own = f"t = socket.socket(); t.connect(({PLATFORM!r}, {PORT})); got = t.getsockname()[0]"
    address = (await ground.neighbour.call(own))["got"]
    await ground.refused(CONNECT.format(host=address, port=8080))


async def test_the_hosts_own_addresses_are_not_reached(ground: Ground) -> None:
    with socket.socket() as service:
        service.bind(("0.0.0.0", 0))
        service.listen()
        port = service.getsockname()[1]
        shown = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True)
        for address in [*[a for a in shown.stdout.split() if ":" not in a], "127.0.0.1", "0.0.0.0", PLATFORM]:
            answer = await ground.attempt(CONNECT.format(host=address, port=port))
            assert answer.get("refused") in REFUSALS, address


async def test_an_abstract_socket_of_the_host_is_not_reached(ground: Ground) -> None:
    with socket.socket(socket.AF_UNIX) as service:
        name = f"lambent-host-{os.getpid()}"
        service.bind("\0" + name)
        service.listen()
        await ground.refused(f"socket.socket(socket.AF_UNIX).connect('\\0' + {name!r})")


async def test_an_abstract_socket_of_the_neighbour_is_not_reached(ground: Ground) -> None:
    serve = "a = socket.socket(socket.AF_UNIX); a.bind('\\0there'); a.listen(); got = 1"
    assert (await ground.neighbour.call(serve))["got"] == 1
    await ground.refused("socket.socket(socket.AF_UNIX).connect('\\0there')")
