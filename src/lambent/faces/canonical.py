"""What a SigV4 signature is made over: the canonical form of a request."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes

from botocore.utils import normalize_url_path

_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)+/?|/")


def normal_path(path: str) -> str:
    """A path without dot segments and doubled slashes, as every service but S3 reads it."""
    return path if _PLAIN_PATH.fullmatch(path) else str(normalize_url_path(path))


def path_of_service(path: str) -> str:
    """The canonical path of every service but S3: what is on the wire, encoded once more."""
    return path if _PLAIN_PATH.fullmatch(path) else quote(path, safe="/~")


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
    """Path and query as the client may have signed them, the usual way first."""
    once = path if service == "s3" else path_of_service(path)
    yield once, sort_query(query, leave_out)
    yield path_of_s3(path) if service == "s3" else once, encode_query(query, leave_out)


def _recode(text: str) -> str:
    return quote(unquote_to_bytes(text.replace("+", "%20")), safe="~")


def request_digest(
    method: str, path: str, query: str, headers: Mapping[str, str], signed: Iterable[str], payload: str
) -> str:
    """SHA-256 of the canonical request.

    Raises `KeyError` for a signed header that is not there, `UnicodeError` for what nobody can have signed.
    """
    lines = [method, path, query]
    lines += [f"{name}:{' '.join(headers[name].split())}" for name in signed]
    lines += ["", ";".join(signed), payload]
    return hashlib.sha256("\n".join(lines).encode("latin-1")).hexdigest()


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
    return hmac.digest(key, text.encode(), "sha256").hex()
