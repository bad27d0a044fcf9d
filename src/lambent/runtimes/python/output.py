"""Standard output and error, logging and error lines, as a function's log shows them on AWS."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import time
import traceback
from contextlib import suppress
from typing import Any, Dict, Optional

from .errors import Error

_TEXT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
_NO_BREAK_SPACE = "\u00a0"
_JSON_TIME = "%Y-%m-%dT%H:%M:%SZ"
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "aws_request_id", "tenant_id"}


class Current:
    """The invocation that runs now, for the lines that are logged during it."""

    request_id = ""
    tenant: Optional[str] = None


class Sink:
    """Where log lines go: plain standard output, whatever the handler has put in its place."""

    def log(self, message: str) -> None:
        sys.stdout.write(message)


class _Handler(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.log_sink = Sink()

    def emit(self, record: logging.LogRecord) -> None:
        self.log_sink.log(self.format(record))


class _Stamp(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = Current.request_id
        record.tenant_id = Current.tenant
        return True


class JsonFormatter(logging.Formatter):
    """AWS's JSON log line."""

    def format(self, record: logging.LogRecord) -> str:
        line: Dict[str, Any] = {
            "timestamp": self.formatTime(record, _JSON_TIME),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "requestId": getattr(record, "aws_request_id", None),
            "tenantId": getattr(record, "tenant_id", None),
        }
        if record.exc_info and record.exc_info[0]:
            line["stackTrace"] = traceback.format_tb(record.exc_info[2])
            line["errorType"] = record.exc_info[0].__name__
            line["errorMessage"] = str(record.exc_info[1])
            line["location"] = "{}:{}:{}".format(record.pathname, record.funcName, record.lineno)
        extra = {k: v for k, v in vars(record).items() if k not in _STANDARD and k not in line}
        kept = {k: v for k, v in {**line, **extra}.items() if v is not None}
        return json.dumps(kept, ensure_ascii=False) + "\n"


_handler = _Handler()


def open_streams() -> None:
    """Make sys.stdout and sys.stderr anew: a zygote's were made for other descriptors and locales.

    A line leaves when it ends, so that the log has it before a crash or a timeout.
    """
    for name, fd, errors in (("stdout", 1, "strict"), ("stderr", 2, "backslashreplace")):
        binary = io.BufferedWriter(io.FileIO(fd, "w", closefd=False))
        stream = io.TextIOWrapper(binary, encoding="utf-8", errors=errors, line_buffering=True)
        setattr(sys, name, stream)
        setattr(sys, "__{}__".format(name), stream)


def set_up_logging() -> None:
    logging.Formatter.converter = time.gmtime
    _handler.setFormatter(logging.Formatter(_TEXT, "%Y-%m-%dT%H:%M:%S"))
    _handler.addFilter(_Stamp())
    logging.getLogger().addHandler(_handler)


def configure_logging() -> None:
    """What the environment says about it."""
    if _as_json():
        _handler.setFormatter(JsonFormatter())
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper().replace("TRACE", "DEBUG")
    if level and isinstance(logging.getLevelName(level), int):
        logging.getLogger().setLevel(level)


def _as_json() -> bool:
    return os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"


def flush() -> None:
    """Everything printed leaves; a handler may have closed or replaced its streams."""
    try:  # noqa: SIM105 - runs at every call, where suppress() would cost as much as the flush
        sys.stdout.flush()
    except (AttributeError, OSError, ValueError):
        pass
    try:  # noqa: SIM105
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        pass


def log_error(error: Error) -> None:
    """Write an error to the log as AWS does."""
    text = _json_error(error) if _as_json() else _text_error(error)
    with suppress(AttributeError, OSError, ValueError):
        sys.stdout.write(text.encode("utf-8", "backslashreplace").decode())


def _json_error(error: Error) -> str:
    stamp = time.strftime(_JSON_TIME, time.gmtime())
    return json.dumps({"timestamp": stamp, "log_level": "ERROR", **error}, ensure_ascii=False) + "\n"


def _text_error(error: Error) -> str:
    """One line for the log's reader: its parts are joined by \\r, their indentation cannot be trimmed."""
    told = [part for part in (error["errorType"], error["errorMessage"]) if part]
    lines = ["[ERROR] " + ": ".join(told)]
    if "stackTrace" in error:
        lines.append("Traceback (most recent call last):")
        lines += [_indented(line) for part in error["stackTrace"] for line in part.splitlines()]
    return "\r".join(lines) + "\n"


def _indented(line: str) -> str:
    text = line.lstrip(" ")
    return _NO_BREAK_SPACE * (len(line) - len(text)) + text
