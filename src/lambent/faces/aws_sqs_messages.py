"""SQS's operations on messages."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from lambent.events.message_rows import Handle, Wish, parse_handle
from lambent.events.messages import Messages
from lambent.faces.aws_sqs_shapes import draft_of, message_members, sent_members, size_of
from lambent.faces.aws_sqs_wire import failure, invalid, legacy_code, missing
from lambent.faces.call import Call
from lambent.faces.errors import ServiceError
from lambent.model.identity import PrincipalKind
from lambent.model.queue import IN_FLIGHT, MESSAGE_BYTES, RECEIVED_AT_ONCE, MessageQueue

Members = dict[str, Any]

ENTRIES = 10
WAIT_S = 20
VISIBILITY_S = 43_200
_ENTRY_ID = re.compile(r"[a-zA-Z0-9_-]{1,80}")


class MessageOperations:
    """One method an operation; keys are the service model's member names."""

    messages: Messages

    def queue(self, call: Call, given: Members, action: str) -> MessageQueue:
        raise NotImplementedError

    async def send_message(self, call: Call, given: Members) -> Members:
        queue = self.queue(call, given, "SendMessage")
        draft = draft_of(queue, given, _sender(call), call.trace)
        (sent,) = await self.messages.send(queue, [draft])
        return sent_members(queue, draft, sent)

    async def send_message_batch(self, call: Call, given: Members) -> Members:
        queue = self.queue(call, given, "SendMessage")
        entries = _entries(given, "SendMessageBatchRequestEntry")
        drafts, failed = {}, []
        for entry in entries:
            try:
                drafts[entry["Id"]] = draft_of(queue, entry, _sender(call), call.trace)
            except ServiceError as error:
                failed.append(_failed(entry, error))
        size = sum(size_of(draft) for draft in drafts.values())
        if size > MESSAGE_BYTES:
            raise failure(
                "BatchRequestTooLong",
                f"Batch requests cannot be longer than {MESSAGE_BYTES} bytes. You have sent {size} bytes.",
            )
        sent = await self.messages.send(queue, list(drafts.values())) if drafts else []
        told = zip(drafts.items(), sent, strict=True)
        return {
            "Successful": [{"Id": id, **sent_members(queue, draft, one)} for (id, draft), one in told],
            "Failed": failed,
        }

    async def receive_message(self, call: Call, given: Members) -> Members:
        queue = self.queue(call, given, "ReceiveMessage")
        count = given.get("MaxNumberOfMessages", 1)
        if not 1 <= count <= RECEIVED_AT_ONCE:
            raise invalid(
                f"Value {count} for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and "
                f"{RECEIVED_AT_ONCE}, if provided."
            )
        wait_s = given.get("WaitTimeSeconds", queue.wait_s)
        if not 0 <= wait_s <= WAIT_S:
            raise invalid(
                f"Value {wait_s} for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= "
                f"{WAIT_S}, if provided."
            )
        timeout_s = _visibility(given.get("VisibilityTimeout", queue.visibility_timeout_s))
        if not wait_s and not queue.fifo and self.messages.full(queue):  # who waits is told of nothing
            raise failure("OverLimit", f"{IN_FLIGHT} messages are in flight; delete some of them.")
        messages = await self.messages.receive(queue, Wish(count, timeout_s), wait_s)
        system = given.get("AttributeNames", []) + given.get("MessageSystemAttributeNames", [])
        names = given.get("MessageAttributeNames", [])
        told = [message_members(message, system, names, fifo=queue.fifo) for message in messages]
        return {"Messages": told or None}

    async def delete_message(self, call: Call, given: Members) -> Members:
        queue = self.queue(call, given, "DeleteMessage")
        await self.messages.delete(queue, [_handle(queue, given)])
        return {}

    async def delete_message_batch(self, call: Call, given: Members) -> Members:
        queue = self.queue(call, given, "DeleteMessage")

        async def delete(entries: list[tuple[Members, Handle]]) -> list[ServiceError | None]:
            await self.messages.delete(queue, [handle for _, handle in entries])
            return [None] * len(entries)

        return await _each(queue, _entries(given, "DeleteMessageBatchRequestEntry"), delete)

    async def change_message_visibility(self, call: Call, given: Members) -> Members:
        queue = self.queue(call, given, "ChangeMessageVisibility")
        handle, timeout_s = _handle(queue, given), _visibility(given["VisibilityTimeout"])
        if not (await self.messages.show(queue, [(handle, timeout_s)]))[0]:
            raise _not_in_flight(given)
        return {}

    async def change_message_visibility_batch(self, call: Call, given: Members) -> Members:
        queue = self.queue(call, given, "ChangeMessageVisibility")

        async def show(entries: list[tuple[Members, Handle]]) -> list[ServiceError | None]:
            changes = [(handle, _visibility(entry.get("VisibilityTimeout", 0))) for entry, handle in entries]
            shown = await self.messages.show(queue, changes)
            return [None if done else _not_in_flight(e) for (e, _), done in zip(entries, shown, strict=True)]

        return await _each(queue, _entries(given, "ChangeMessageVisibilityBatchRequestEntry"), show)


def _sender(call: Call) -> str:
    principal = call.principal
    if principal.kind is PrincipalKind.ROLE:
        return f"{principal.name}:{principal.session}"
    return principal.account


def _visibility(timeout_s: int) -> int:
    if not 0 <= timeout_s <= VISIBILITY_S:
        raise invalid(
            f"Value {timeout_s} for parameter VisibilityTimeout is invalid. Reason: VisibilityTimeout must "
            f"be an integer between 0 and {VISIBILITY_S}"
        )
    return timeout_s


def _handle(queue: MessageQueue, given: Members) -> Handle:
    handle = parse_handle(given["ReceiptHandle"])
    if handle is None or handle.queue != queue.id:
        text = f'The input receipt handle "{given["ReceiptHandle"]}" is not a valid receipt handle.'
        raise failure("ReceiptHandleIsInvalid", text)
    return handle


def _not_in_flight(given: Members) -> ServiceError:
    return invalid(
        f"Value {given['ReceiptHandle']} for parameter ReceiptHandle is invalid. Reason: Message does not "
        "exist or is not available for visibility timeout change."
    )


def _entries(given: Members, kind: str) -> list[Members]:
    """The entries of a batch, as far as they can be one at all."""
    entries: list[Members] = given.get("Entries", [])
    if not entries:
        raise failure("EmptyBatchRequest", f"There should be at least one {kind} in the request.")
    if len(entries) > ENTRIES:
        raise failure(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {ENTRIES}. You have sent {len(entries)}.",
        )
    seen: set[str] = set()
    for entry in entries:
        if "Id" not in entry:
            raise missing(f"{kind}.Id")
        if not _ENTRY_ID.fullmatch(entry["Id"]):
            raise failure(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
                "It can be at most 80 letters long.",
            )
        if entry["Id"] in seen:
            raise failure("BatchEntryIdsNotDistinct", f"Id {entry['Id']} repeated.")
        seen.add(entry["Id"])
    return entries


async def _each(
    queue: MessageQueue,
    entries: list[Members],
    act: Callable[[list[tuple[Members, Handle]]], Awaitable[list[ServiceError | None]]],
) -> Members:
    """Do it to all entries whose handle can be read; each has its own result."""
    good, failed = [], []
    for entry in entries:
        try:
            good.append((entry, _handle(queue, entry)))
        except ServiceError as error:
            failed.append(_failed(entry, error))
    results = await act(good) if good else []
    successful = []
    for (entry, _), problem in zip(good, results, strict=True):
        if problem is None:
            successful.append({"Id": entry["Id"]})
        else:
            failed.append(_failed(entry, problem))
    return {"Successful": successful, "Failed": failed}


def _failed(entry: Members, error: ServiceError) -> Members:
    code = legacy_code(error.code)
    return {"Id": entry["Id"], "SenderFault": True, "Code": code, "Message": error.message}
