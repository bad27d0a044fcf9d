"""What `lambent deploy --image` means: the ImageUri of a registry's image, or of a file or folder here."""

import re
import tarfile
from pathlib import Path

from lambent.cli.failure import Failure
from lambent.images.layout import DOCKER, INDEX
from lambent.images.reference import KINDS

NO_IMAGE = "is no image: neither index.json (OCI layout) nor manifest.json (docker save) is in it"


def uri_of(given: str) -> str:
    """A path becomes a URI of its kind, anything else stays as it is. Raises `Failure`."""
    path = Path(given)
    if given.partition(":")[0] in KINDS or not path.exists():
        return given
    place = path.resolve()
    if ":" in str(place):
        raise Failure(f"{place}: an image's path cannot have a colon")
    if place.is_dir():
        if (place / INDEX).is_file():
            return f"oci:{place}"
    else:
        names = _names(place)
        for name, kind in ((INDEX, "oci-archive"), (DOCKER, "docker-archive")):
            if name in names:
                return f"{kind}:{place}"
    raise Failure(f"{place} {NO_IMAGE}")


def name_of(uri: str) -> str:
    """What a function of this image is called when nobody says."""
    bare = (
        re.sub(r"@sha256:.*|:[^/:]*$", "", uri) if uri.partition(":")[0] not in KINDS else uri.split(":")[1]
    )
    return Path(bare).stem


def _names(path: Path) -> set[str]:
    try:
        with tarfile.open(path) as archive:
            return set(archive.getnames())
    except (OSError, tarfile.TarError) as error:
        raise Failure(f"{path} is no archive: {error}") from None
