"""The post: takes what an ended invocation tells to queues and functions, as part of its last transaction."""

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from lambent.events.messages import Messages
from lambent.events.queue_policy import allows_account
from lambent.events.queues import Queues
from lambent.invoke.destinations import Delivery, Letter
from lambent.invoke.queue import Queue
from lambent.model.invocation import Invocation
from lambent.model.names import parse_target
from lambent.model.queue import Draft, MessageQueue, parse_queue_arn
from lambent.store.base import Transaction

log = logging.getLogger(__name__)

FUNCTION = "arn:aws:lambda:"


@dataclass(frozen=True, slots=True)
class _ToQueue:
    messages: Messages
    queue: MessageQueue
    draft: Draft

    def put(self, tx: Transaction) -> None:
        self.messages.put(tx, self.queue, self.draft)

    def announce(self) -> None:
        self.messages.announce(self.queue)


@dataclass(frozen=True, slots=True)
class _ToFunction:
    queue: Queue
    invocation: Invocation

    def put(self, tx: Transaction) -> None:
        self.queue.put(tx, self.invocation)

    def announce(self) -> None:
        self.queue.announce(self.invocation)


class Office:
    """Knows the queues of every account, and the one queue of invocations."""

    def __init__(self, queues: Queues, messages: Messages, invocations: Callable[[], Queue]) -> None:
        self._queues = queues
        self._messages = messages
        self._invocations = invocations  # asked late: the queue of invocations is made with this office

    def address(self, letter: Letter) -> Delivery | None:
        delivery = self._to_function(letter) if letter.to.startswith(FUNCTION) else self._to_queue(letter)
        if delivery is None:
            log.warning(
                "invocation %s of %s: its end cannot be told to %s, which is not there or does not take it",
                letter.invocation.request_id,
                letter.invocation.target.arn,
                letter.to,
            )
        return delivery

    def _to_queue(self, letter: Letter) -> Delivery | None:
        queue = self._queues.find(parse_queue_arn(letter.to))
        account = letter.invocation.target.key.account
        if queue is None or queue.fifo or not _may_send(queue, account):
            return None
        draft = Draft(
            body=letter.body.decode(),
            sender=account,
            attributes=letter.attributes,
            trace=letter.invocation.trace_id,
        )
        return _ToQueue(self._messages, queue, draft)

    def _to_function(self, letter: Letter) -> Delivery | None:
        ended = letter.invocation
        target = parse_target(letter.to, "", "")
        if target is None or target.key.account != ended.target.key.account:
            return None
        invocation = Invocation(
            request_id=str(uuid.uuid4()),
            target=target,
            payload=letter.body,
            source="async",
            trace_id=ended.trace_id,
            accepted_at=time.time(),
        )
        return _ToFunction(self._invocations(), invocation)


def _may_send(queue: MessageQueue, account: str) -> bool:
    root = f"arn:aws:iam::{account}:root"
    return queue.key.account == account or allows_account(queue, account, root, "sqs:SendMessage")
