"""A gateway on the bench: asked directly, with the queue's rows for events."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lambent.events.messages import Messages
from lambent.events.queues import Queues
from lambent.invoke.queue import Queue
from lambent.model.function import Code, Version
from lambent.model.identity import Principal, PrincipalKind
from lambent.model.invocation import Invocation, Outcome
from lambent.model.names import FunctionKey, Target
from lambent.objects.errors import S3Error
from lambent.objects.gateway import Gateway
from lambent.objects.reader import refusal
from lambent.objects.request import Body, S3Request, WholeBody
from lambent.objects.signing import Endpoint
from lambent.objects.upstream import ObjectStore
from lambent.store.authority import Authority
from lambent.store.directory import Directory
from lambent.store.sqlite import Sqlite

ALICE = Principal(PrincipalKind.ROOT, "111111111111")
BOB = Principal(PrincipalKind.ROOT, "222222222222")
FUNCTION = FunctionKey(ALICE.account, "us-east-1", "load")


class Fixed:
    """A store that somebody else runs."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    async def ensure(self) -> Endpoint:
        return self.endpoint


class OneFunction:
    """The functions and policies of a platform where `load` exists and lets buckets start it."""

    def __init__(self) -> None:
        self.permitted = True
        self.version = Version(
            key=FUNCTION,
            code=Code("0", 0, "0"),
            runtime="python3.11",
            handler="handler.handler",
            role="arn:aws:iam::111111111111:role/test",
        )

    def find(self, target: Target) -> Version | None:
        return self.version if target.key == FUNCTION else None

    def allows(
        self, target: Target, *, service: str, action: str, source_arn: str, source_account: str
    ) -> bool:
        asked = (service, action, source_account)
        return self.permitted and asked == ("s3.amazonaws.com", "lambda:InvokeFunction", ALICE.account)


@dataclass(frozen=True, slots=True)
class Told:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def _never(invocation: Invocation) -> Outcome:
    raise AssertionError("the queue of the bench is not started")


@dataclass
class Bench:
    """One gateway and what stands around it."""

    store: Sqlite
    gateway: Gateway
    functions: OneFunction
    directory: Directory
    queues: Queues
    messages: Messages
    bucket: str = field(default_factory=lambda: f"b-{uuid.uuid4().hex[:12]}")

    @classmethod
    async def open(cls, path: Path, objects: ObjectStore) -> "Bench":
        store = await Sqlite.open(path)
        functions, directory = OneFunction(), Directory(store)
        queue, authority = Queue(store, _never), Authority(directory)
        queues = Queues(store)
        messages = Messages(store, queues)
        gateway = Gateway(objects, store, queue, functions, functions, authority, queues, messages)
        return cls(store, gateway, functions, directory, queues, messages)

    async def close(self) -> None:
        await self.gateway.close()
        await self.store.close()

    async def ask(
        self,
        method: str,
        key: str = "",
        body: bytes | Body = b"",
        *,
        bucket: str | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        principal: Principal = ALICE,
        region: str = "us-east-1",
    ) -> Told:
        """Ask the gateway; refusals of either kind are raised as `S3Error`."""
        request = S3Request(
            method=method,
            bucket=self.bucket if bucket is None else bucket,
            key=key,
            query=dict(query or {}),
            headers={"host": "lambent.test", **(headers or {})},
            body=WholeBody(body) if isinstance(body, bytes) else body,
            principal=principal,
            region=region,
            id=str(uuid.uuid4()),
            peer="192.0.2.7",
        )
        answer = await self.gateway.handle(request)
        if answer.status >= 300:
            raise refusal(answer)
        given = answer.body
        told = given if isinstance(given, bytes) else b"".join([piece async for piece in given])
        return Told(answer.status, dict(answer.headers), told)

    async def refused(self, *given: Any, **named: Any) -> S3Error:
        """The error of a request that must not succeed."""
        try:
            told = await self.ask(*given, **named)
        except S3Error as error:
            return error
        raise AssertionError(f"the request succeeded: {told}")

    async def watch(self, *events: str, prefix: str = "", suffix: str = "") -> None:
        """Make the bucket and let its writes start the function."""
        await self.ask("PUT")
        await self.ask(
            "PUT", body=notification(*events, prefix=prefix, suffix=suffix), query={"notification": ""}
        )

    async def events(self) -> list[dict[str, Any]]:
        """The records in the queue, once every answered write is settled; in the order of acceptance."""
        await self.gateway.settled()
        assert self.store.query("SELECT * FROM intents") == []
        rows = self.store.query("SELECT payload, source FROM queue ORDER BY rowid")
        assert {source for _, source in rows} <= {"s3"}
        return [json.loads(payload)["Records"][0] for payload, _ in rows]


def notification(*events: str, prefix: str = "", suffix: str = "", function: str = FUNCTION.arn) -> bytes:
    """A document with one rule."""
    wanted = "".join(
        f"<Event>s3:{event}</Event>" for event in events or ("ObjectCreated:*", "ObjectRemoved:*")
    )
    filters = "".join(
        f"<FilterRule><Name>{name}</Name><Value>{value}</Value></FilterRule>"
        for name, value in (("prefix", prefix), ("suffix", suffix))
        if value
    )
    return (
        '<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<CloudFunctionConfiguration><Id>rule</Id><CloudFunction>{function}</CloudFunction>{wanted}"
        f"<Filter><S3Key>{filters}</S3Key></Filter></CloudFunctionConfiguration></NotificationConfiguration>"
    ).encode()
