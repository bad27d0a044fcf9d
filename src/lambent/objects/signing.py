"""Signs requests to the store with the node's own key: SigV4 with an unsigned payload."""

import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

PLAIN = "UNSIGNED-PAYLOAD"
WITH_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the store is and the key that opens it."""

    url: str  # scheme, host and port; no path
    access_key: str
    secret_key: str
    region: str = "us-east-1"

    @property
    def host(self) -> str:
        return self.url.partition("://")[2]


def encode_path(bucket: str, key: str) -> str:
    return quote(f"/{bucket}/{key}" if key else f"/{bucket}", safe="/~")


def encode_query(query: Mapping[str, str]) -> str:
    pairs = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in query.items())
    return "&".join(f"{name}={value}" for name, value in pairs)


def sign(
    endpoint: Endpoint,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    payload: str = PLAIN,
) -> dict[str, str]:
    """`headers` with what authorizes the request; `path` and `query` are encoded by the functions above."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    signed = {
        **headers,
        "host": endpoint.host,
        "x-amz-date": moment,
        "x-amz-content-sha256": payload,
    }
    named = sorted(name for name in signed if name == "host" or name.startswith("x-amz-"))
    lines = "".join(f"{name}:{' '.join(signed[name].split())}\n" for name in named)
    request = f"{method}\n{path}\n{query}\n{lines}\n{';'.join(named)}\n{payload}"
    scope = f"{moment[:8]}/{endpoint.region}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"
    signature = hmac.new(_key(endpoint, moment[:8]), text.encode(), hashlib.sha256).hexdigest()
    signed["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={endpoint.access_key}/{scope}, "
        f"SignedHeaders={';'.join(named)}, Signature={signature}"
    )
    return signed


@lru_cache(maxsize=8)
def _key(endpoint: Endpoint, day: str) -> bytes:
    key = f"AWS4{endpoint.secret_key}".encode()
    for part in (day, endpoint.region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
