"""The gateway behind the real HTTP server and the real signature check, on a thread of its own."""

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from tests.objects.bench import ALICE, BOB, Bench, Fixed

from lambent.faces.aws_s3 import S3
from lambent.faces.aws_s3_form import FormUploads
from lambent.faces.router import Router
from lambent.faces.server import Server
from lambent.faces.signature import Verifier
from lambent.model.identity import Credential
from lambent.objects.signing import Endpoint
from lambent.store.credentials import Credentials

T = TypeVar("T")
KEYS = {
    "alice": Credential("AKALICE", "alice-secret", ALICE),
    "bob": Credential("AKBOB", "bob-secret", BOB),
}


class Served:
    """Everything between a client and SeaweedFS."""

    def __init__(self, state: Path, endpoint: Endpoint) -> None:
        self.credentials = Credentials(KEYS.values(), b"node-secret" * 3)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.bench: Bench
        self.url = self.run(self._open(state, endpoint))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _open(self, state: Path, endpoint: Endpoint) -> str:
        self.bench = await Bench.open(state, Fixed(endpoint))
        verifier = Verifier(self.credentials)
        face = S3(self.bench.gateway, FormUploads(self.bench.gateway, verifier))
        router = Router(verifier)
        router.add("s3", face, face.render)
        self._server = Server(router)
        host, port = await self._server.listen(("127.0.0.1", 0))
        return f"http://{host}:{port}"

    def close(self) -> None:
        self.run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _close(self) -> None:
        await self._server.close(1.0)
        await self.bench.close()

    def client(self, credential: Credential = KEYS["alice"], **settings: Any) -> Any:
        config = Config(retries={"total_max_attempts": 1}, **settings.pop("config", {}))
        given = {
            "endpoint_url": self.url,
            "region_name": "us-east-1",
            "aws_access_key_id": credential.access_key,
            "aws_secret_access_key": credential.secret_key,
            "aws_session_token": credential.token,
            "config": config,
        }
        return boto3.client("s3", **(given | settings))
