"""The context object that a handler gets, with AWS's names."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import Any, Dict, List, Mapping, Optional

from .errors import Fault


class _Record:
    """An object with named slots; what is not given is None."""

    __slots__: List[str] = []

    def __init__(self, values: Optional[Dict[str, Any]] = None) -> None:
        values = values or {}
        for name in self.__slots__:
            setattr(self, name, values.get(name))

    def __repr__(self) -> str:
        shown = ",".join("{}={}".format(name, getattr(self, name)) for name in self.__slots__)
        return "{}([{}])".format(type(self).__name__, shown)


class CognitoIdentity(_Record):
    __slots__ = ["cognito_identity_id", "cognito_identity_pool_id"]


class Client(_Record):
    __slots__ = [  # noqa: RUF023 - AWS's order, which repr shows
        "installation_id",
        "app_title",
        "app_version_name",
        "app_version_code",
        "app_package_name",
    ]


class ClientContext(_Record):
    __slots__ = ["custom", "env", "client"]  # noqa: RUF023
    client: Any


def client_context(text: str) -> ClientContext:
    """The object behind a caller's X-Amz-Client-Context, already decoded from base64."""
    try:
        values = json.loads(text)
        made = ClientContext(values)
        made.client = None if made.client is None else Client(made.client)
        return made
    except Exception as error:
        message = "Unable to parse Client Context JSON: {}".format(error)
        raise Fault("Runtime.LambdaContextUnmarshalError", message) from None


_SHOWN = (
    "aws_request_id",
    "log_group_name",
    "log_stream_name",
    "function_name",
    "memory_limit_in_mb",
    "function_version",
    "invoked_function_arn",
    "client_context",
    "identity",
    "tenant_id",
)


class Environment:
    """What the environment says of the function; it is read once, because reading it costs."""

    def __init__(self) -> None:
        get = os.environ.get
        self.log_group_name = get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")  # text, as on AWS
        self.function_version = get("AWS_LAMBDA_FUNCTION_VERSION")


class LambdaContext:
    """One invocation as its handler sees it."""

    def __init__(self, meta: Mapping[str, Any], environment: Environment) -> None:
        self.aws_request_id = meta["id"]
        self.log_group_name = environment.log_group_name
        self.log_stream_name = environment.log_stream_name
        self.function_name = environment.function_name
        self.memory_limit_in_mb = environment.memory_limit_in_mb
        self.function_version = environment.function_version
        self.invoked_function_arn = meta.get("arn")
        self.tenant_id = meta.get("tenant")
        text = meta.get("client_context")
        self.client_context = client_context(text) if text else None
        self.identity = CognitoIdentity()
        self._epoch_deadline_time_in_ms = meta["deadline_ms"]

    def get_remaining_time_in_millis(self) -> int:
        left = int(self._epoch_deadline_time_in_ms) - int(time.time() * 1000)
        return left if left > 0 else 0

    def log(self, msg: object) -> None:
        for handler in logging.getLogger().handlers:
            if hasattr(handler, "log_sink"):
                handler.log_sink.log(str(msg))
                return
        sys.stdout.write(str(msg))

    def __repr__(self) -> str:
        return "LambdaContext([{}])".format(",".join("{}={}".format(n, getattr(self, n)) for n in _SHOWN))
