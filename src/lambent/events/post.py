"""The post: takes what an ended invocation tells to queues and functions, as part of its last transaction."""

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from lambent.events.messages import Messages
from lambent.events.queues import Queues
from lambent.invoke.destinations import Delivery, Letter
from lambent.invoke.queue import Queue
from lambent.model.invocation import Invocation
from lambent.model.names import Target, parse_target
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

    def __init__(
        self,
        queues: Queues,
        messages: Messages,
        invocations: Callable[[], Queue],
        may_tell: Callable[[Target, str], bool],
    ) -> None:
        """`may_tell` says whether the role of what ran may still send to an ARN."""
        self._queues = queues
        self._messages = messages
        self._invocations = invocations  # asked late: the queue of invocations is made with this office
        self._may_tell = may_tell

    def address(self, letter: Letter) -> Delivery | None:
        delivery = self._to_function(letter) if letter.to.startswith(FUNCTION) else self._to_queue(letter)
        if delivery is None:
            _lost(letter, "which is not there or does not take it")
        elif not self._may_tell(letter.invocation.target, letter.to):
            _lost(letter, "to which the function's role may not send")
            return None
        return delivery

    def _to_queue(self, letter: Letter) -> Delivery | None:
        queue = self._queues.find(parse_queue_arn(letter.to))
        account = letter.invocation.target.key.account
        if queue is None or queue.fifo:
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


def _lost(letter: Letter, reason: str) -> None:
    ended = letter.invocation
    text = "invocation %s of %s: its end cannot be told to %s, %s"
    log.warning(text, ended.request_id, ended.target.arn, letter.to, reason)
