"""Where images come from: folders, archives, a registry, and what is refused on the way."""

import base64
import hashlib
import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.images.maker import Made, layer

from lambent.images import images
from lambent.images.images import Images
from lambent.images.reference import Reference, parse
from lambent.model.errors import InvalidParameter
from lambent.model.function import Code
from lambent.model.image import Image

LAYERS = (layer({"a": b"1"}), layer({"b": b"2"}))
LOGIN = base64.b64encode(b"me:secret").decode()
TOKEN = "for-this-repository"


def made(**more: Any) -> Made:
    said: dict[str, Any] = {"Entrypoint": ["/e"], "Cmd": ["c"], "WorkingDir": "/w", "Env": ["A=1=2", "B="]}
    return Made(LAYERS, **{**said, **more})


class Store:
    """What keeps packages, for tests that look at what it is given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.packed: list[bytes] = []

    async def put_image(self, digest: str, write: Callable[[Path], None]) -> Code:
        write(self.folder / "bundle")
        with tarfile.open(self.folder / "bundle") as bundle:
            self.packed = [bundle.extractfile(name).read() for name in bundle.getnames()]  # type: ignore[union-attr]
        return Code(digest, 0, digest)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def of(store: Store, *sources: str, keys: Path = Path("/nowhere"), walls: bool = True) -> Images:
    return Images(store, sources, keys, "x86_64", walls)


@pytest.mark.parametrize(
    ("uri", "reference"),
    [
        ("oci:/a/b", Reference("oci", "/a/b")),
        ("oci:/a/b:t", Reference("oci", "/a/b", tag="t")),
        ("oci-archive:/a.tar", Reference("oci-archive", "/a.tar")),
        ("docker-archive:/a.tar:n:t", Reference("docker-archive", "/a.tar", tag="n:t")),
        ("localhost:5000/a/b:t", Reference("registry", "localhost:5000", "a/b", "t")),
        ("r.example.com/a", Reference("registry", "r.example.com", "a", "latest")),
        (f"r.example.com/a@sha256:{'0' * 64}",
         Reference("registry", "r.example.com", "a", "latest", f"sha256:{'0' * 64}")),
    ],
)  # fmt: skip
def test_names(uri: str, reference: Reference) -> None:
    assert parse(uri) == reference


@pytest.mark.parametrize("uri", ["", "a", "a:b", "oci:a", "oci:", "file:/etc/passwd", "h:1/../x", "h:1/A"])
def test_what_is_no_name(uri: str) -> None:
    with pytest.raises(InvalidParameter, match="is no image"):
        parse(uri)


async def test_a_folder_and_both_archives(store: Store, tmp_path: Path) -> None:
    whole = made()
    whole.folder(tmp_path / "layout", "v1")
    whole.archive(tmp_path / "a.tar")
    found = of(store, str(tmp_path))
    for uri in (f"oci:{tmp_path}/layout:v1", f"oci:{tmp_path}/layout", f"oci-archive:{tmp_path}/a.tar"):
        code, image = await found.put(uri)
        assert code.sha256 == whole.digest.removeprefix("sha256:")
        assert image.uri == uri
        assert image.resolved_uri.endswith(f"@{whole.digest}")
        assert (image.argv, image.folder, image.environment) == (["/e", "c"], "/w", {"A": "1=2", "B": ""})
        assert [hashlib.sha256(each).hexdigest() for each in store.packed] == [
            each["digest"].removeprefix("sha256:") for each in whole.layers
        ]
    plain = Made(LAYERS, packed=False, Cmd=["c"])
    plain.docker_archive(tmp_path / "d.tar", "n:t", "n:u")
    code, image = await found.put(f"docker-archive:{tmp_path}/d.tar:n:t")
    assert (image.argv, store.packed) == (["c"], list(LAYERS))


def test_what_the_function_says_goes_first() -> None:
    given = {"EntryPoint": ["/x"], "Command": ["y", "z"], "WorkingDirectory": "/v"}
    image = Image(uri="", resolved_uri="", entry_point=("/e",), command=("c",), config=given)
    assert (image.argv, image.arguments, image.folder) == (["/x", "y", "z"], ["y", "z"], "/v")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("oci:/etc", "image_sources"),
        ("oci:{folder}/../../etc", "image_sources"),
        ("oci:{folder}/link", "image_sources"),
        ("other.example.com/a", "image_sources"),
        ("oci:{folder}/none", "does not exist. Provide a valid source image."),
        ("oci:{folder}/layout:other", "no image other in the layout"),
        ("oci-archive:{folder}/layout/index.json", "is no archive"),
        ("docker-archive:{folder}/layout/index.json", "is no archive"),
    ],
)
async def test_what_may_not_be_used(store: Store, tmp_path: Path, uri: str, words: str) -> None:
    folder = tmp_path / "images"
    made().folder(folder / "layout", "v1")
    (folder / "link").symlink_to("/etc")
    with pytest.raises(InvalidParameter, match=words):
        await of(store, str(folder)).put(uri.format(folder=folder))


async def test_not_without_walls(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="--isolation process"):
        await of(store, str(tmp_path), walls=False).put(f"oci:{tmp_path}")


async def test_another_machine_s_image(store: Store, tmp_path: Path) -> None:
    made(whole={"architecture": "s390x"}).folder(tmp_path / "layout")
    with pytest.raises(InvalidParameter, match="made for s390x: this node runs x86_64 only"):
        await of(store, str(tmp_path)).put(f"oci:{tmp_path}/layout")


@pytest.mark.parametrize("which", ["config", "manifest", "layer"])
async def test_a_blob_that_is_another(store: Store, tmp_path: Path, which: str) -> None:
    whole = made()
    digest = {"config": whole.config, "manifest": whole.manifest, "layer": whole.layers[1]}[which]["digest"]
    whole.folder(tmp_path / "layout")
    blob = tmp_path / "layout" / "blobs" / digest.replace(":", "/")
    blob.write_bytes(blob.read_bytes().replace(b'"c"', b'"d"') if which != "layer" else bytes(4096))
    if which == "manifest":
        blob.write_bytes(blob.read_bytes() + b" ")
    with pytest.raises(InvalidParameter, match="is not what came for it"):
        await of(store, str(tmp_path)).put(f"oci:{tmp_path}/layout")


async def test_a_layer_that_is_cut_short(store: Store, tmp_path: Path) -> None:
    whole = made()
    whole.folder(tmp_path / "layout")
    blob = tmp_path / "layout" / "blobs" / whole.layers[0]["digest"].replace(":", "/")
    blob.write_bytes(blob.read_bytes()[:-5])
    with pytest.raises(InvalidParameter, match="is not whole"):
        await of(store, str(tmp_path)).put(f"oci:{tmp_path}/layout")


async def test_one_that_says_it_is_too_large(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "IMAGE_BYTES", 100)
    made().folder(tmp_path / "layout")
    with pytest.raises(InvalidParameter, match="more than 100 bytes"):
        await of(store, str(tmp_path)).put(f"oci:{tmp_path}/layout")


class Served(BaseHTTPRequestHandler):
    """A registry's side of the distribution specification, as far as a pull needs it."""

    image: Made
    private = False
    lie = False  # about a blob

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        if path.path == "/token":
            wanted = parse_qs(path.query) == {"service": ["registry"], "scope": ["repository:a/b:pull"]}
            if wanted and self.headers["Authorization"] == f"Basic {LOGIN}":
                return self.answer(200, json.dumps({"token": TOKEN}).encode())
            return self.answer(401, b"{}")
        if self.private and self.headers["Authorization"] != f"Bearer {TOKEN}":
            realm = f'http://{self.headers["Host"]}/token",service="registry",scope="repository:a/b:pull'
            return self.answer(401, b"{}", ("WWW-Authenticate", f'Bearer realm="{realm}"'))
        kind, _, name = path.path.removeprefix("/v2/a/b/").partition("/")
        index = self.image.index()
        known = {"v1": index, f"sha256:{hashlib.sha256(index).hexdigest()}": index}
        content = {**self.image.blobs, **(known if kind == "manifests" else {})}.get(name)
        if content is None or not path.path.startswith("/v2/a/b/"):
            return self.answer(404, b"{}")
        return self.answer(200, content[:-1] + b"x" if self.lie and kind == "blobs" else content)

    def answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def registry() -> Iterator[tuple[type[Served], str]]:
    handler = type("Handler", (Served,), {"image": made()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield handler, f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


async def test_a_registry_by_tag_and_by_digest(store: Store, registry: tuple[type[Served], str]) -> None:
    handler, host = registry
    for name in (":v1", f"@{handler.image.digest}"):
        code, image = await of(store, host).put(f"{host}/a/b{name}")
        assert code.digest == handler.image.digest.removeprefix("sha256:")
        assert image.resolved_uri == f"{host}/a/b@{handler.image.digest}"
        assert len(store.packed) == 2


async def test_a_private_one(store: Store, registry: tuple[type[Served], str], tmp_path: Path) -> None:
    handler, host = registry
    handler.private = True
    with pytest.raises(InvalidParameter, match="refuses the image: HTTP Error 401"):
        await of(store, host).put(f"{host}/a/b:v1")
    (tmp_path / "registries.json").write_text(json.dumps({"auths": {host: {"auth": LOGIN}}}))
    assert await of(store, host, keys=tmp_path).put(f"{host}/a/b:v1")


async def test_one_that_has_not_got_it_or_lies(store: Store, registry: tuple[type[Served], str]) -> None:
    handler, host = registry
    with pytest.raises(InvalidParameter, match=f"Source image {host}/a/b:v2 does not exist"):
        await of(store, host).put(f"{host}/a/b:v2")
    handler.lie = True
    with pytest.raises(InvalidParameter, match="is not what came for it"):
        await of(store, host).put(f"{host}/a/b:v1")


async def test_one_that_is_not_there(store: Store) -> None:
    with pytest.raises(InvalidParameter, match="cannot be reached"):
        await of(store, "127.0.0.1:1").put("127.0.0.1:1/a:v1")
