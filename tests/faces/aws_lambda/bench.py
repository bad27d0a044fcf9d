"""Lambda's face behind the real server, verifier and codec, over loopback, for real boto3."""

import asyncio
import functools
import io
import json
import sys
import zipfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from lambent.faces.aws_invoke import InvokeFace
from lambent.faces.aws_lambda import UNCHECKED, LambdaFace
from lambent.faces.codec import Codec
from lambent.faces.packages import PackageDownloads
from lambent.invoke.provisioned import Supply
from lambent.invoke.stream import Stream
from lambent.model.function import Version
from lambent.model.identity import Principal
from lambent.model.invocation import Invocation, Outcome
from lambent.model.lifecycle import check_invocable
from lambent.model.names import Target
from lambent.model.tenancy import check_tenant
from lambent.objects.errors import S3Error
from lambent.runtimes.catalog import Catalog
from lambent.sandbox.archive import extract
from lambent.store.directory import Directory
from lambent.store.functions import Functions
from lambent.store.packages import Packages
from lambent.store.policies import Policies

ACCOUNT = "000000000000"
OTHER_ACCOUNT = "111111111111"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
RUNTIME = f"python3.{sys.version_info.minor}"
SECRET = b"a secret of the test's own"


def zip_of(text: str = "def handler(event, context):\n    return event\n", name: str = "h.py") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
    return buffer.getvalue()


def arn(name: str, qualifier: str = "") -> str:
    suffix = f":{qualifier}" if qualifier else ""
    return f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}{suffix}"


@functools.cache
def codec() -> Codec:
    return Codec("lambda", unchecked=UNCHECKED)


@functools.cache
def session() -> Any:
    return boto3.Session()


@functools.cache
def catalog() -> Catalog:
    return Catalog.find()


class Client:
    """boto3 in threads, because the server under test runs on the test's own event loop."""

    def __init__(self, client: Any) -> None:
        self.plain = client

    def __getattr__(self, operation: str) -> Callable[..., Awaitable[Any]]:
        return functools.partial(asyncio.to_thread, getattr(self.plain, operation))

    async def invoke(self, **given: Any) -> dict[str, Any]:
        """What Invoke answers, its payload read."""

        def call() -> dict[str, Any]:
            answer: dict[str, Any] = self.plain.invoke(**given)
            return answer | {"Payload": answer["Payload"].read()}

        return await asyncio.to_thread(call)

    async def wait(self, waiter: str, **target: str) -> None:
        often = {"Delay": 0.02, "MaxAttempts": 500}  # seconds; it would ask once a second
        await asyncio.to_thread(self.plain.get_waiter(waiter).wait, **target, WaiterConfig=often)

    async def create(self, name: str, **more: Any) -> dict[str, Any]:
        """A function that is active, and what CreateFunction answered."""
        answer = await self.begin(name, **more)
        await self.wait("function_active_v2", FunctionName=name)
        return answer

    async def begin(self, name: str, **more: Any) -> dict[str, Any]:
        given = {"Runtime": RUNTIME, "Role": ROLE, "Handler": "h.handler", "Code": {"ZipFile": zip_of()}}
        answer: dict[str, Any] = await self.create_function(FunctionName=name, **(given | more))
        answer.pop("ResponseMetadata")
        return answer


class Unpacker:
    """Unpacks as every host does, without a child for each zip."""

    async def unpack(self, archive: Path, folder: Path, limit_bytes: int) -> None:
        await asyncio.to_thread(extract, archive, folder, limit_bytes)


async def silent(stream: Stream) -> None:
    """Stream nothing."""


@dataclass
class Echo:
    """Stands where the invoker stands: answers with the event, or with what the test wants."""

    functions: Functions
    seen: list[Invocation] = field(default_factory=list)
    outcome: Mapping[str, Any] = field(default_factory=dict)
    error: Exception | None = None
    streams: Callable[[Stream], Awaitable[None]] = silent  # what a handler would stream

    def resolve(self, target: Target) -> Version:
        version = self.functions.get(target)
        check_invocable(version)
        return version

    async def invoke(self, invocation: Invocation, stream: Stream | None = None) -> Outcome:
        check_tenant(self.resolve(invocation.target), invocation.tenant)
        self.seen.append(invocation)
        if self.error is not None:
            raise self.error
        version = self.functions.get(invocation.target).version
        if stream is not None:
            stream.version = version
            await self.streams(stream)
        return Outcome(**{"payload": invocation.payload, "version": version, **self.outcome})

    async def accept(self, invocation: Invocation) -> None:
        self.seen.append(invocation)
        if self.error is not None:
            raise self.error


READY = Supply(1, "READY")


@dataclass
class Bench:
    """Everything under test, and the objects that stand where S3 stands."""

    functions: Functions
    policies: Policies
    packages: Packages
    downloads: PackageDownloads
    echo: Echo
    face: LambdaFace
    invoke: InvokeFace
    directory: Directory
    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    supply: Supply = READY
    url: str = ""

    async def read_object(self, principal: Principal, bucket: str, key: str, version: str | None) -> bytes:
        if (bucket, key) not in self.objects:
            raise S3Error("NoSuchKey", "The specified key does not exist.", 404)
        return self.objects[bucket, key]

    def client(self, account: str = ACCOUNT, region: str = "us-east-1") -> Client:
        plain = session().client(
            "lambda",
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=account,
            aws_secret_access_key="secret",
            config=Config(
                retries={"total_max_attempts": 1}, parameter_validation=False, max_pool_connections=50
            ),
        )
        return Client(plain)


@dataclass(frozen=True)
class Refusal:
    """An error as boto3 shows it."""

    status: int
    code: str
    message: str
    raw: dict[str, Any]


def policy_of(answer: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(answer["Policy"])
    return document
