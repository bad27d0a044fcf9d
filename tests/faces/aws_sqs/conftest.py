"""SQS's face on an edge of its own, with boto3 at the other end."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.faces.edge import Edge, call

from lambent.events.messages import Messages
from lambent.events.queues import Queues
from lambent.faces.aws_sqs import SqsFace
from lambent.faces.aws_sqs_wire import SqsWires
from lambent.store.sqlite import Sqlite

Sqs = Callable[..., Awaitable[dict[str, Any]]]


class Bench:
    """The parts behind the face, and clients of it."""

    def __init__(self, store: Sqlite) -> None:
        self.offset_s = 0.0
        self.edge = Edge()
        self.queues = Queues(store)
        self.queues.load()
        self.messages = Messages(store, self.queues, lambda: self.edge.clock() + self.offset_s)

    async def start(self) -> "Bench":
        await self.edge.start()
        wires = SqsWires(SqsFace(self.queues, self.messages, self.edge.url))
        self.edge.router.add("sqs", wires, wires.render)
        self.client = self.edge.client("sqs")
        self.other = self.edge.client("sqs", "111122223333", "other")
        return self

    async def __call__(self, operation: str, **given: Any) -> dict[str, Any]:
        answer: dict[str, Any] = await call(getattr(self.client, operation), **given)
        return answer

    async def refusal(self, operation: str, client: Any = None, **given: Any) -> tuple[str, str]:
        """Code and message of the error that this call must give."""
        with pytest.raises(ClientError) as caught:
            await call(getattr(client or self.client, operation), **given)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]

    async def queue(self, name: str = "work", **attributes: str) -> str:
        url: str = (await self("create_queue", QueueName=name, Attributes=attributes))["QueueUrl"]
        return url

    async def receive(self, url: str, count: int = 10, **given: Any) -> list[dict[str, Any]]:
        answer = await self("receive_message", QueueUrl=url, MaxNumberOfMessages=count, **given)
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages


@pytest.fixture
async def sqs(tmp_path: Path) -> AsyncIterator[Bench]:
    store = await Sqlite.open(tmp_path / "state.db", fsync=False)
    bench = await Bench(store).start()
    yield bench
    bench.messages.close()
    bench.client.close()
    bench.other.close()
    await bench.edge.stop()
    await store.close()
