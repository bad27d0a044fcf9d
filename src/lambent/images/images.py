"""Images on their way to a function: found, checked, packed for the sandbox that unpacks them."""

import asyncio
import hashlib
import os
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from lambent.images import registry
from lambent.images.layout import Archive, DockerArchive, Folder, digest_of
from lambent.images.reference import Reference, parse
from lambent.images.source import BadImage, Source, document, parsed, verify
from lambent.model.errors import InvalidParameter
from lambent.model.function import Code
from lambent.model.image import Image
from lambent.model.limits import IMAGE_BYTES

LOGINS = "registries.json"
ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}
LAYERS = 127
INDICES = 3  # one within the other
UNSUPPORTED = "The image manifest, config or layer media type for the source image {} is not supported."
NO_WALLS = "Images run in sandboxes only: this node was started with --isolation process."
NOT_ALLOWED = (
    "The image {} may not be used: {} is none of the places that the setting image_sources of this node names"
)


KINDS: Mapping[str, Callable[[Path, str], Source]] = {
    "oci": Folder,
    "oci-archive": Archive,
    "docker-archive": DockerArchive,
}


class Store(Protocol):
    """Where unpacked packages are."""

    async def put_image(self, digest: str, write: Callable[[Path], None]) -> Code: ...


class Images:
    """`folders` and `hosts` are where images may come from; `keys` has logins."""

    def __init__(
        self, store: Store, sources: Sequence[str], keys: Path, architecture: str, walls: bool = True
    ) -> None:
        self._store = store
        self._folders = [Path(each).resolve() for each in sources if each.startswith("/")]
        self._hosts = frozenset(each for each in sources if not each.startswith("/"))
        self._keys = keys
        self._architecture = architecture
        self._walls = walls

    async def put(self, uri: str) -> tuple[Code, Image]:
        """Fetch and unpack what the uri stands for now. Raises `InvalidParameter`."""
        if not self._walls:
            raise InvalidParameter(NO_WALLS)
        reference = parse(uri)
        try:
            return await self._put(uri, reference)
        except OSError as error:
            raise BadImage(f"{uri} cannot be read by this node's user: {error.strerror}") from None

    async def _put(self, uri: str, reference: Reference) -> tuple[Code, Image]:
        source = await asyncio.to_thread(self._source, uri, reference)
        try:
            digest, manifest, config = await asyncio.to_thread(self._resolve, uri, source)
            image = _image(uri, reference.resolved(digest), config)
            layers = manifest["layers"]
            name = digest.rpartition(":")[2]
            code = await self._store.put_image(name, lambda path: _pack(source, layers, path))
        finally:
            source.close()
        return code, image

    def _source(self, uri: str, reference: Reference) -> Source:
        if reference.kind == "registry":
            if reference.place not in self._hosts:
                raise InvalidParameter(NOT_ALLOWED.format(uri, reference.place))
            return registry.Registry(reference, self._logins())
        path = reference.path.resolve()
        if not any(path.is_relative_to(folder) for folder in self._folders):
            raise InvalidParameter(NOT_ALLOWED.format(uri, path.parent))
        if not path.exists():
            raise BadImage(f"Source image {uri} does not exist. Provide a valid source image.")
        return KINDS[reference.kind](path, reference.tag)

    def _logins(self) -> Mapping[str, str]:
        try:
            return registry.logins((self._keys / LOGINS).read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError) as error:
            raise InvalidParameter(f"{self._keys / LOGINS} cannot be used: {error}") from None

    def _resolve(self, uri: str, source: Source) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """The digest of the image for this machine, its manifest, its configuration."""
        content = source.root()
        digest, manifest = digest_of(content), parsed(content)
        for _ in range(INDICES):
            if "manifests" in manifest:
                content = _nested(source, self._fitting(uri, manifest["manifests"]))
                digest, manifest = digest_of(content), parsed(content)
        layers = manifest.get("layers")
        if not isinstance(layers, list) or len(layers) > LAYERS or "config" not in manifest:
            raise BadImage(UNSUPPORTED.format(uri))
        config = parsed(document(source, str(manifest["config"]["digest"])))
        if config.get("architecture") != ARCHITECTURES[self._architecture]:
            raise BadImage(
                f"{uri} is made for {config.get('architecture')}: this node runs {self._architecture} only."
            )
        return digest, manifest, config

    def _fitting(self, uri: str, manifests: Sequence[Mapping[str, Any]]) -> str:
        wanted = {"os": "linux", "architecture": ARCHITECTURES[self._architecture]}
        for each in manifests:
            platform = each.get("platform")
            if platform is None or wanted.items() <= platform.items():
                return str(each["digest"])
        raise BadImage(f"{uri} has no image for linux/{wanted['architecture']}")


def _nested(source: Source, digest: str) -> bytes:
    if isinstance(source, registry.Registry):
        with source.manifest(digest) as answer:
            content = answer.read()
        verify(digest, hashlib.sha256(content).hexdigest())
        return content
    return document(source, digest)


def _image(uri: str, resolved: str, config: Mapping[str, Any]) -> Image:
    said = config.get("config") or {}
    variables = (entry.partition("=") for entry in said.get("Env") or ())
    return Image(
        uri=uri,
        resolved_uri=resolved,
        entry_point=tuple(said.get("Entrypoint") or ()),
        command=tuple(said.get("Cmd") or ()),
        working_directory=said.get("WorkingDir") or "",
        environment={name: value for name, _, value in variables if name},
    )


def _pack(source: Source, layers: Sequence[Mapping[str, Any]], path: Path) -> None:
    """One file of all layers, as they are, for the sandboxed process that reads what is in them."""
    if sum(int(layer["size"]) for layer in layers) > IMAGE_BYTES:
        raise BadImage(f"the image has more than {IMAGE_BYTES} bytes")
    with tarfile.open(path, "w") as bundle:
        for number, layer in enumerate(layers):
            info = tarfile.TarInfo(f"layer-{number}")
            info.size = int(layer["size"])
            with source.blob(str(layer["digest"])) as stream:
                checked = _Checked(stream)
                try:
                    bundle.addfile(info, checked)  # type: ignore[arg-type]
                except (OSError, tarfile.TarError) as error:
                    raise BadImage(f"the layer {layer['digest']} is not whole: {error}") from None
            verify(str(layer["digest"]), checked.digest.hexdigest())
    with path.open("rb") as written:
        os.fsync(written.fileno())


class _Checked:
    """A stream whose digest is taken as it is read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.digest.update(data)
        return data


def sources(setting: str, data: Path) -> tuple[str, ...]:
    """What the setting names, and the node's own folder."""
    return (str(data / "images"), *_named(setting))


def folders(setting: str) -> list[Path]:
    """Those that the setting names, which the node has to reach."""
    return [Path(each) for each in _named(setting) if Path(each).is_absolute() and Path(each).is_dir()]


def _named(setting: str) -> list[str]:
    return [part.strip() for part in setting.split(",") if part.strip()]
