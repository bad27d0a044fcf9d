"""The addresses from which the owner of a function can download its zip, signed and good for ten minutes."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import parse_qs, urlencode

from lambent.faces.http import Request, Response
from lambent.model.errors import NotFound
from lambent.model.function import Code
from lambent.store.packages import Packages

PREFIX = "/_lambent/code/"
LIFETIME_S = 600
CHUNK_BYTES = 256 * 1024


class PackageDownloads:
    """Makes such addresses and serves them. `url` is where clients reach the node."""

    def __init__(
        self, packages: Packages, secret: bytes, url: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._packages = packages
        self._secret = secret
        self._url = url.rstrip("/")
        self._clock = clock

    def url(self, code: Code) -> str:
        expires = str(int(self._clock()) + LIFETIME_S)
        query = urlencode({"Expires": expires, "Signature": self._sign(code.digest, expires)})
        return f"{self._url}{PREFIX}{code.digest}?{query}"

    async def __call__(self, request: Request) -> Response:
        digest = request.path.removeprefix(PREFIX)
        query = parse_qs(request.query)
        expires, signature = query.get("Expires", [""])[0], query.get("Signature", [""])[0]
        if not hmac.compare_digest(self._sign(digest, expires).encode(), signature.encode()):
            return _refuse(403, "The signature of this address is not right.")
        if int(expires) < self._clock():
            return _refuse(403, "This address has expired. GetFunction gives a new one.")
        if request.method not in ("GET", "HEAD"):
            return _refuse(405, "Only GET is served here.")
        try:
            path = self._packages.archive(digest)
        except NotFound as error:
            return _refuse(404, error.message)
        headers = [("Content-Type", "application/zip"), ("Content-Length", str(path.stat().st_size))]
        return Response(200, headers, b"" if request.method == "HEAD" else _chunks(path))

    def _sign(self, digest: str, expires: str) -> str:
        return hmac.new(self._secret, f"code {digest} {expires}".encode(), hashlib.sha256).hexdigest()


def _refuse(status: int, text: str) -> Response:
    return Response(status, [("Content-Type", "text/plain")], f"{text}\n".encode())


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk
