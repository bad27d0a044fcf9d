"""Where the embedded store listens and the keys that open it, kept from one start to the next."""

import json
import os
import random
import secrets
import socket
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lambent.objects.signing import Endpoint

HOST = "127.0.0.1"
SERVERS = ("s3", "filer", "master", "volume", "admin")  # each has an HTTP and a gRPC port
PORTS = range(12_000, 22_000)  # below those that the kernel hands out, with their second ones as well
GRPC_OFFSET = 10_000
SOCKETS = Path("/tmp")  # SeaweedFS leaves sockets named after its ports here; no option moves them
PATH = Path("keys", "seaweedfs.json")


@dataclass(frozen=True, slots=True)
class Place:
    """What the one who starts SeaweedFS and the one who uses it must both know."""

    ports: tuple[int, ...]  # HTTP and gRPC of each of SERVERS
    access_key: str
    secret_key: str
    signing_key: str  # of the tokens that its own servers ask of each other

    def port(self, server: str) -> int:
        return self.ports[2 * SERVERS.index(server)]

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(f"http://{HOST}:{self.port('s3')}", self.access_key, self.secret_key)

    @classmethod
    def choose(cls, data: Path) -> "Place":
        """For the one who starts it: what was chosen before; ports taken by somebody else are chosen again.

        The ports stay the same because SeaweedFS leaves sockets named after them, for ever if they changed.
        """
        path = data / PATH
        if path.exists():
            chosen = cls.read(data)
            if not all(map(_is_free, chosen.ports)):
                chosen = replace(chosen, ports=_free_ports())
        else:
            chosen = cls(_free_ports(), *(secrets.token_hex(size) for size in (10, 20, 32)))
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w") as file:
            json.dump(asdict(chosen), file)
        return chosen

    @classmethod
    def read(cls, data: Path) -> "Place":
        """For the one who uses it."""
        told = json.loads((data / PATH).read_text())
        return cls(**{**told, "ports": tuple(told["ports"])})


def _is_free(port: int) -> bool:
    return _is_unbound(port) and _is_swept(port)


def _is_unbound(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _is_swept(port: int) -> bool:
    """Removes what a store that had this port left; another user's socket would end the next at its start."""
    try:
        for left in SOCKETS.glob(f"seaweedfs-*-{port}.sock"):
            left.unlink(missing_ok=True)
    except PermissionError:
        return False
    return True


def _free_ports() -> tuple[int, ...]:
    """A pair for each server, the second by GRPC_OFFSET higher as SeaweedFS takes for granted in places."""
    found: list[int] = []
    while len(found) < 2 * len(SERVERS):
        port = random.choice(PORTS)
        pair = (port, port + GRPC_OFFSET)
        if port not in found and all(map(_is_free, pair)):
            found += pair
    return tuple(found)
