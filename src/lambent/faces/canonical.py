"""What a SigV4 signature is made over: the canonical form of a request."""

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

from botocore.utils import normalize_url_path

from lambent.faces.authorization import Scope
from lambent.faces.mac import mac

_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)+/?|/")


def service_paths(path: str) -> tuple[str, str]:
    """A path as every service but S3 reads it, without dot segments and doubled slashes, and its
    canonical form: what is on the wire, encoded once more."""
    return _kept_paths(path) if len(path) < 256 else _service_paths(path)


def _service_paths(path: str) -> tuple[str, str]:
    if _PLAIN_PATH.fullmatch(path):
        return path, path
    normal = str(normalize_url_path(path))
    return normal, quote(normal, safe="/~")


_kept_paths = lru_cache(maxsize=4096)(_service_paths)


def path_of_s3(path: str) -> str:
    """The canonical path of S3: encoded once, whatever the client left as it was."""
    return quote(unquote_to_bytes(path), safe="/~")


def sort_query(query: str, leave_out: str = "") -> str:
    """The canonical query of a client that sends it as it signs it, which nearly all do."""
    if not query:
        return ""
    pairs = sorted((name, value) for name, _, value in (p.partition("=") for p in query.split("&")))
    return "&".join(f"{name}={value}" for name, value in pairs if name and name != leave_out)


def encode_query(query: str, leave_out: str = "") -> str:
    """The canonical query, whatever the client left unencoded."""
    parts = (p.partition("=") for p in query.split("&") if p)
    pairs = sorted((_recode(name), _recode(value)) for name, _, value in parts if name != leave_out)
    return "&".join(f"{name}={value}" for name, value in pairs)


def forms(service: str, path: str, query: str, leave_out: str) -> Iterator[tuple[str, str]]:
    """Canonical path and query as the client may have signed them, the usual way first.

    `path` is canonical already, except for S3.
    """
    yield path, sort_query(query, leave_out)
    yield path_of_s3(path) if service == "s3" else path, encode_query(query, leave_out)


def _recode(text: str) -> str:
    return quote(unquote_to_bytes(text.replace("+", "%20")), safe="~")


def request_digest(
    method: str, path: str, query: str, headers: Mapping[str, str], scope: Scope, payload: str
) -> str:
    """SHA-256 of the canonical request.

    Raises `KeyError` for a signed header that is not there, `UnicodeError` for what nobody can have signed.
    """
    lines = "".join([f"{name}:{headers[name].strip()}\n" for name in scope.signed])
    if "  " in lines or "\t" in lines:
        lines = "".join([f"{name}:{_fold(headers[name])}\n" for name in scope.signed])
    text = f"{method}\n{path}\n{query}\n{lines}\n{scope.signed_text}\n{payload}"
    return hashlib.sha256(text.encode("latin-1")).hexdigest()


def _fold(value: str) -> str:
    """A header's value with each run of blanks as one."""
    return " ".join(value.split())


@lru_cache(maxsize=4096)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key of one day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def sign(key: bytes, timestamp: str, scope: str, digest: str, algorithm: str = "AWS4-HMAC-SHA256") -> str:
    """Hex signature of a digest within a scope."""
    text = f"{algorithm}\n{timestamp}\n{scope}\n{digest}"
    return mac(key).hex(text.encode())
