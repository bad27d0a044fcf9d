"""The HTTP edge on a free port, with small faces behind it, for real clients."""

import asyncio
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import boto3
import orjson
from botocore.config import Config

from lambent.faces.aws_sts import StsFace
from lambent.faces.call import Call
from lambent.faces.chunked import open_body
from lambent.faces.codec import Codec, ServiceError
from lambent.faces.errors import render_s3
from lambent.faces.http import Request, Response
from lambent.faces.router import Router
from lambent.faces.server import Server
from lambent.faces.signature import Verified, Verifier
from lambent.model.errors import NotFound, Throttled
from lambent.model.identity import Principal
from lambent.store.authority import Authority
from lambent.store.base import Store
from lambent.store.credentials import Credentials, parse
from lambent.store.directory import Directory

KEYS = "AKIAROOT:root/secret+x,111122223333:other"
SECRET = b"the node's own secret"


class LambdaFace:
    """Remembers calls, and answers what it was told to."""

    errors: ClassVar = {NotFound: "ResourceNotFoundException", Throttled: "TooManyRequestsException"}

    def __init__(self) -> None:
        self.calls: list[tuple[Call, dict[str, Any]]] = []
        self.error: Exception | None = None

    async def get_function(self, call: Call, input: dict[str, Any]) -> dict[str, Any]:
        self.calls.append((call, input))
        if self.error is not None:
            raise self.error
        return {"Configuration": {"FunctionName": input["FunctionName"]}}

    async def create_function(self, call: Call, input: dict[str, Any]) -> dict[str, Any]:
        self.calls.append((call, input))
        return {"FunctionName": input["FunctionName"], "CodeSize": len(input["Code"]["ZipFile"])}


class LogsFace:
    """Says in which region it was asked."""

    async def describe_log_groups(self, call: Call, input: dict[str, Any]) -> dict[str, Any]:
        return {"logGroups": [{"logGroupName": call.region}]}


async def s3(request: Request, verified: Verified) -> Response:
    """Answers who asked for what, and what the body was."""
    if request.method == "POST" and not request.query:
        raise ServiceError("MethodNotAllowed", "The specified method is not allowed.", 405)
    body = open_body(request, verified.payload)
    data = await body.read(2**30)
    told = {"account": verified.principal.account, "region": verified.region, "bytes": len(data)}
    return Response(200, [("x-amz-meta-told", orjson.dumps(told).decode()), ("ETag", '"e"')])


def render(error: Exception, request: Request) -> Response:
    assert isinstance(error, ServiceError)
    return render_s3(error, request)


@dataclass
class Edge:
    """A running server and what it is made of."""

    clock: Callable[[], float] = time.time
    face: LambdaFace = field(default_factory=LambdaFace)
    port: int = 0

    def __post_init__(self) -> None:
        self.now_offset_s = 0.0
        self.credentials = Credentials(parse(KEYS, "test"), SECRET, self.now)
        self.verifier = Verifier(self.credentials, self.now)
        self.router = Router(self.verifier)
        self.router.add_service(Codec("lambda"), self.face)
        self.router.add_service(Codec("sts"), self._sts())
        self.router.add_service(Codec("logs"), LogsFace())
        self.router.add("s3", s3, render)
        self.router.add_invoke(self.invoke)
        self.server: Server | None = None

    def _sts(self) -> StsFace:
        directory = Directory(cast(Store, None))  # nobody is in it, and nobody is put into it
        return StsFace(directory, Authority(directory), self.credentials.session)

    def now(self) -> float:
        return self.clock() + self.now_offset_s

    async def invoke(self, request: Request, principal: Principal, region: str) -> Response:
        payload = await request.body.read(10_000_000)
        return Response(200, [("X-Region", region)], payload)

    async def start(self) -> "Edge":
        self.server = Server(self.router)
        _, self.port = await self.server.listen(("127.0.0.1", 0))
        return self

    async def stop(self) -> None:
        assert self.server is not None
        await self.server.close(0.1)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(
        self,
        service: str,
        key: str = "AKIAROOT",
        secret: str = "root/secret+x",
        token: str | None = None,
        region: str = "us-east-1",
        **config: Any,
    ) -> Any:
        options = Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}).merge(Config(**config))
        return _session().client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=options,
        )


@functools.cache
def _session() -> Any:
    """One for all tests, because each would read the services' models anew."""
    return boto3.session.Session()


async def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A client's blocking call, while the server goes on."""
    return await asyncio.to_thread(lambda: function(*args, **kwargs))
