"""An action's code: the string that clients send, and the zip that the platform keeps of it."""

import base64
import io
import re
import zipfile
from pathlib import Path

from lambent.whisk.entities import Action
from lambent.whisk.kinds import BLACKBOX

CODE_BYTES = 48 * 1024 * 1024
ZIP = b"PK\x03\x04"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same code is the same zip
EXECUTABLE = 0o100755 << 16
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)")


def is_binary(text: str) -> bool:
    """OpenWhisk's own guess: whatever could be base64 is base64, whoever sent it may say what he likes."""
    trimmed = text.strip()
    return len(trimmed) % 4 == 0 and _BASE64.fullmatch(trimmed) is not None


def read(text: str) -> tuple[bytes, bool, bool]:
    """The bytes behind `exec.code`, whether they came as base64, and whether they are a zip."""
    binary = is_binary(text)
    content = base64.b64decode(text.strip()) if binary else text.encode()
    return content, binary, content.startswith(ZIP)


def pack(kind: str, content: bytes, *, binary: bool) -> bytes:
    """A zip around an action's single file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(_file(kind, binary), EPOCH)
        entry.external_attr = EXECUTABLE
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, content)
    return buffer.getvalue()


def show(action: Action, path: Path) -> str:
    """The code as its client sent it; `path` is its zip."""
    if action.archive:
        return base64.b64encode(path.read_bytes()).decode()
    with zipfile.ZipFile(path) as packed:
        content = packed.read(_file(action.kind, action.binary))
    return base64.b64encode(content).decode() if action.binary else content.decode()


def _file(kind: str, binary: bool) -> str:
    if binary or kind == BLACKBOX:
        return "exec"
    return "index.js" if kind.startswith("nodejs") else "__main__.py"
