"""Runs one node from its start to the signal that stops it."""

import asyncio
import gc
import logging
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import uvloop

from lambent.app import Node
from lambent.folder import CERTIFICATES_FILE, CannotStart, write_run_file
from lambent.launch import Launch
from lambent.sandbox.base import Host
from lambent.sandbox.client import LauncherHost
from lambent.sandbox.launcher import NODE_CONTROL, NODE_INPUT
from lambent.sandbox.process import ProcessHost
from lambent.sandbox.rootless import RootlessHost
from lambent.warehouse.accounts import DATABASE

GC_THRESHOLD = (20_000, 20, 50)  # what waits for the next flush of records is not garbage

# A thread that writes logs or the store keeps the loop waiting for this long at most; Python's own is 5 ms.
SWITCH_INTERVAL_S = 0.0002


async def serve(launch: Launch, host: Host, tell: Callable[[str], None]) -> None:
    """Run a node until SIGTERM or SIGINT. Raises `CannotStart`."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    node = Node(launch, host)
    began = time.monotonic()
    await node.start()
    facts = {
        "pid": os.getpid(),
        "url": node.url,
        "region": node.settings.region,
        "isolation": host.isolation,
        "warehouse": {
            "host": node.settings.host,
            "port": node.warehouse_port,
            "database": DATABASE,
            "certificates": str(node.settings.data / CERTIFICATES_FILE),
        },
        "started_at": time.time(),
    }
    gc.collect()
    gc.freeze()  # the service models are for ever: no collection need look at them again
    gc.set_threshold(*GC_THRESHOLD)
    gc.enable()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    write_run_file(node.settings.data, facts)
    tell(f"ready after {time.monotonic() - began:.1f} s: {node.url}")
    await stopped.wait()
    tell("stopping: what runs may end")
    await node.stop()


def run(launch: Launch, connect: Callable[[], Any], tell: Callable[[str], None]) -> int:
    """`serve` on an event loop of its own; `connect` gives the host. The process's exit status."""

    async def main() -> None:
        await serve(launch, await connect(), tell)

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
    except CannotStart as error:
        print(f"lambent: {error}", file=sys.stderr, flush=True)
        return 3
    return 0


def child() -> int:
    """The node as the launcher starts it: under a user of its own, with its settings on a descriptor.

    Where the launcher is no root that is the same user, and the platform's programs are the node's to start.
    """
    with os.fdopen(NODE_INPUT, "rb") as given:
        launch, programs = pickle.load(given)  # written by the launcher, who started us

    async def connect() -> LauncherHost:
        if programs is None:
            return await LauncherHost.connect(NODE_CONTROL)
        host = await RootlessHost.connect(NODE_CONTROL)
        host.programs = ProcessHost(launch.settings.data / "programs", programs)
        return host

    return run(launch, connect, _say)


def _say(text: str) -> None:
    print(text, flush=True)
