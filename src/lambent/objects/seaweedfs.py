"""The embedded object store: SeaweedFS as a child, started on first use, or any S3 in its place."""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import time
from typing import TYPE_CHECKING, Protocol

from lambent.lazy import Lazy
from lambent.objects.errors import unavailable
from lambent.objects.place import HOST, Place
from lambent.objects.signing import Endpoint
from lambent.objects.weed import NAME
from lambent.sandbox.base import Child, SandboxError
from lambent.settings import Settings

if TYPE_CHECKING:
    import aiohttp
else:
    aiohttp = Lazy("aiohttp")  # for the first bucket

log = logging.getLogger(__name__)

START_TIMEOUT_S = 30.0
LOOK_AGAIN_S = 0.02
STARTS = 3  # in START_WINDOW_S; a store that falls over at once is not started for ever
START_WINDOW_S = 60.0
# Without it SeaweedFS does not fsync what it answers for.
DURABLE = {"version": 1, "locations": [{"locationPrefix": "/buckets/", "fsync": True}]}


class Runner(Protocol):
    """The part of a `Host` that is needed here."""

    async def run(self, program: str) -> Child: ...


class External:
    """An S3 that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._endpoint = Endpoint(
            settings.s3_endpoint.rstrip("/"),
            settings.s3_access_key,
            settings.s3_secret_key,
            settings.region,
        )

    async def ensure(self) -> Endpoint:
        return self._endpoint


class SeaweedFS:
    """The child: started when somebody asks for it, and again when it has died since."""

    def __init__(self, host: Runner, place: Place) -> None:
        self._host = host
        self._place = place
        self._child: Child | None = None
        self._starting = asyncio.Lock()
        self._starts: list[float] = []

    async def ensure(self) -> Endpoint:
        """Returns when it takes requests. Raises ServiceUnavailable."""
        if not self._runs():
            async with self._starting:
                if not self._runs():
                    await self._start()
        return self._place.endpoint

    def _runs(self) -> bool:
        return self._child is not None and not self._child.exited.done()

    async def _start(self) -> None:
        now = time.monotonic()
        self._starts = [at for at in self._starts if now - at < START_WINDOW_S]
        if len(self._starts) >= STARTS:
            raise unavailable(
                f"SeaweedFS ended {STARTS} times within {START_WINDOW_S:.0f} s; the node's log says why."
            )
        self._starts.append(now)
        try:
            child = await self._host.run(NAME)
        except (SandboxError, OSError) as error:
            raise unavailable(f"SeaweedFS cannot be started: {error}.") from None
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._ready(child)
        except BaseException as error:
            await child.stop(0.0)
            if isinstance(error, TimeoutError):
                raise unavailable(f"SeaweedFS was not ready within {START_TIMEOUT_S:.0f} s.") from None
            raise
        self._child = child
        log.info("SeaweedFS took %.2f s to start", time.monotonic() - now)

    async def _ready(self, child: Child) -> None:
        """It is ready when it has kept its own configuration: then every server behind it works."""
        base = f"http://{HOST}:{self._place.port('filer')}/etc/seaweedfs/filer.conf"
        health = f"{self._place.endpoint.url}/healthz"
        async with aiohttp.ClientSession() as session:
            while not (await self._configured(session, base) and await _is_up(session, health)):
                if child.exited.done():
                    raise unavailable(f"SeaweedFS ended as it started: {child.exited.result()}.")
                await asyncio.sleep(LOOK_AGAIN_S)

    async def _configured(self, session: "aiohttp.ClientSession", url: str) -> bool:
        headers = {"authorization": f"Bearer {_token(self._place.signing_key)}"}
        try:
            async with session.put(url, data=json.dumps(DURABLE).encode(), headers=headers) as response:
                return response.status == 201
        except aiohttp.ClientError:
            return False

    async def close(self) -> None:
        if self._runs() and self._child is not None:
            await self._child.stop()


async def _is_up(session: "aiohttp.ClientSession", url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


def _token(key: str) -> str:
    """The token that the filer asks of a writer: a JWT, signed with HMAC-SHA256."""
    parts = ({"alg": "HS256", "typ": "JWT"}, {"exp": int(time.time()) + 10})
    text = ".".join(_base64(json.dumps(part).encode()) for part in parts)
    return f"{text}.{_base64(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest())}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
