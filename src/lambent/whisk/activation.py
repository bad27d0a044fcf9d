"""An activation: the record of one invocation, and how it went in OpenWhisk's four words."""

from collections.abc import Mapping
from enum import IntEnum
from random import getrandbits
from typing import Any, NamedTuple

import orjson

from lambent.whisk.names import Name


class Status(IntEnum):
    SUCCESS = 0
    APPLICATION_ERROR = 1
    DEVELOPER_ERROR = 2
    WHISK_ERROR = 3

    @property
    def text(self) -> str:
        return _TEXTS[self]


_TEXTS = ("success", "application error", "action developer error", "whisk internal error")
MISSING_LOGS = "The action did not initialize or run as expected. Log data might be missing."


class Response(NamedTuple):
    """How it went and what came of it; `result` is JSON text."""

    status: Status
    result: bytes

    @property
    def ok(self) -> bool:
        return self.status is Status.SUCCESS

    def document(self) -> dict[str, Any]:
        return {
            "result": orjson.Fragment(self.result),
            "size": len(self.result),
            "status": self.status.text,
            "success": self.ok,
        }

    @classmethod
    def error(cls, status: Status, message: str) -> "Response":
        return cls(status, orjson.dumps({"error": message}))


class Activation(NamedTuple):
    """Times are in milliseconds since the epoch; a trigger's activation has no end."""

    id: str
    namespace: str  # of who invoked
    subject: str
    name: Name  # of what ran
    version: str
    start: int
    end: int | None
    duration: int | None
    response: Response
    annotations: Mapping[str, Any]
    logs: tuple[str, ...] = ()
    cause: str | None = None

    def head(self) -> dict[str, Any]:
        """Everything but response and logs."""
        head: dict[str, Any] = {
            "activationId": self.id,
            "annotations": [{"key": key, "value": value} for key, value in self.annotations.items()],
            "name": self.name.name,
            "namespace": self.namespace,
            "publish": False,
            "start": self.start,
            "statusCode": int(self.response.status),
            "subject": self.subject,
            "version": self.version,
        }
        if self.end is not None:
            head["end"] = self.end
            head["duration"] = self.duration
        if self.cause is not None:
            head["cause"] = self.cause
        return head

    def document(self, *, logs: bool = True) -> dict[str, Any]:
        return record(self.head(), self.response.document(), self.logs if logs else ())


def record(head: Mapping[str, Any], response: object, logs: object) -> dict[str, Any]:
    """The whole document; the number of the status is for lists only."""
    return {**{k: v for k, v in head.items() if k != "statusCode"}, "response": response, "logs": logs}


def summary(head: Mapping[str, Any]) -> dict[str, Any]:
    """What a list shows of it."""
    hidden = ("subject",) if "end" in head else ("subject", "statusCode")
    return {key: value for key, value in head.items() if key not in hidden}


def new_id() -> str:
    """32 digits, as random as an id of Lambda's requests needs them to be."""
    return f"{getrandbits(128):032x}"


def request_id(activation_id: str) -> str:
    """The same as Lambda writes it, with hyphens."""
    i = activation_id
    return f"{i[:8]}-{i[8:12]}-{i[12:16]}-{i[16:20]}-{i[20:]}"
