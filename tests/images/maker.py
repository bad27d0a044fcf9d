"""Images for tests, made of this machine's own files: layers, a layout, archives."""

import gzip
import hashlib
import io
import json
import platform
import subprocess
import sysconfig
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
Entry = bytes | str | tarfile.TarInfo | Path | None  # content, a link's target, a raw entry, a file, a folder


def layer(entries: Mapping[str, Entry]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as packed:
        for name, content in entries.items():
            _add(packed, name, content)
    return buffer.getvalue()


def _add(packed: tarfile.TarFile, name: str, content: Entry) -> None:
    info = tarfile.TarInfo(name)
    info.mode = 0o755
    if isinstance(content, tarfile.TarInfo):
        packed.addfile(content)
    elif isinstance(content, Path):
        packed.add(content, name, filter=lambda one: None if "__pycache__" in one.name else one)
    elif isinstance(content, bytes):
        info.size = len(content)
        packed.addfile(info, io.BytesIO(content))
    else:
        info.type = tarfile.DIRTYPE if content is None else tarfile.SYMTYPE
        info.linkname = content or ""
        packed.addfile(info)


def special(name: str, kind: bytes, linkname: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, linkname
    return info


class Made:
    """One image: its blobs by digest, and what names them."""

    def __init__(self, layers: Sequence[bytes], *, packed: bool = True, **config: Any) -> None:
        self.blobs: dict[str, bytes] = {}
        described = [self._blob(gzip.compress(each, 1) if packed else each) for each in layers]
        whole = {"architecture": ARCHITECTURE, "os": "linux", **config.pop("whole", {}), "config": config}
        self.config = self._blob(json.dumps(whole).encode())
        manifest = {"schemaVersion": 2, "config": self.config, "layers": described}
        self.manifest = self._blob(json.dumps(manifest).encode())
        self.layers = described

    @property
    def digest(self) -> str:
        return str(self.manifest["digest"])

    def index(self, tag: str = "") -> bytes:
        named = {"annotations": {"org.opencontainers.image.ref.name": tag}} if tag else {}
        return json.dumps({"schemaVersion": 2, "manifests": [{**self.manifest, **named}]}).encode()

    def folder(self, path: Path, tag: str = "") -> Path:
        (path / "blobs" / "sha256").mkdir(parents=True)
        (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        (path / "index.json").write_bytes(self.index(tag))
        for digest, content in self.blobs.items():
            (path / "blobs" / digest.replace(":", "/")).write_bytes(content)
        return path

    def archive(self, path: Path) -> Path:
        files: dict[str, Entry] = {f"blobs/{d.replace(':', '/')}": c for d, c in self.blobs.items()}
        path.write_bytes(layer({"index.json": self.index(), **files}))
        return path

    def docker_archive(self, path: Path, *tags: str) -> Path:
        names = {digest: f"{digest.partition(':')[2]}.tar" for digest in self.blobs}
        described = {
            "Config": names[self.config["digest"]],
            "RepoTags": list(tags),
            "Layers": [names[each["digest"]] for each in self.layers],
        }
        files: dict[str, Entry] = {names[digest]: content for digest, content in self.blobs.items()}
        path.write_bytes(layer({"manifest.json": json.dumps([described]).encode(), **files}))
        return path

    def _blob(self, content: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.blobs[digest] = content
        return {"digest": digest, "size": len(content)}


def static_bootstrap(folder: Path) -> bytes:
    """The runtime in C, which needs nothing around it."""
    source = Path(__file__).parent.parent / "cli" / "bootstrap.c"
    made = folder / "bootstrap"
    subprocess.run(["gcc", "-O1", "-static", "-o", made, source], check=True)
    return made.read_bytes()


def python_with_client() -> dict[str, Entry]:
    """The system's Python and AWS's runtime client, with the libraries that they are linked to."""
    packages = Path(sysconfig.get_path("purelib"))
    site = "function"  # as `pip install --target` does it
    client = next(packages.glob("runtime_client*.so"))
    found: dict[str, Entry] = {"usr/bin/python3.11": Path("/usr/bin/python3.11")}
    found |= {f"usr/lib/python3.11/{p.name}": p for p in _standard_library()}
    found |= {
        f"{site}/{path.name}": path
        for name in ("awslambdaric", "snapshot_restore_py.py", "simplejson")
        for path in packages.glob(name)
    }
    found[f"{site}/{client.name}"] = client
    for program in (Path("/usr/bin/python3.11"), client):
        told = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        for word in (word for word in told.split() if word.startswith("/")):
            found[word.lstrip("/")] = Path(word).resolve()
    return found


def _standard_library() -> list[Path]:
    left_out = {"test", "idlelib", "lib2to3", "ensurepip", "tkinter", "__pycache__", "dist-packages"}
    return [path for path in Path("/usr/lib/python3.11").iterdir() if path.name not in left_out]
