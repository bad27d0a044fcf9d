"""What a web action gets of a request: its parameters, and the request itself under `__ow_` names."""

import base64
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson

from lambent.faces.http import Request
from lambent.faces.openwhisk_media import JSON_TYPE, is_binary, is_json, media_type
from lambent.whisk.errors import NOT_ALLOWED, Refusal, malformed
from lambent.whisk.resolve import Resolved

FORM = "application/x-www-form-urlencoded"
RESERVED = frozenset(
    f"__ow_{name}" for name in ("method", "headers", "path", "user", "query", "body", "isBase64Encoded")
)


def read_input(
    request: Request, body: bytes, rest: str, user: str | None, resolved: Resolved
) -> dict[str, Any]:
    """Raises `Refusal` for a body that is not what it says, and for what may not be overridden."""
    context: dict[str, Any] = {
        "__ow_method": request.method.lower(),
        "__ow_headers": dict(request.headers),
        "__ow_path": rest,
    }
    if user is not None:
        context["__ow_user"] = user
    if resolved.action.annotation("raw-http") is True:
        return {**context, "__ow_query": unquote(request.query), "__ow_body": _raw(request, body)}
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    parameters, content = _spread(request, body)
    given = query.keys() | parameters.keys()
    if not given.isdisjoint(RESERVED | resolved.fixed):
        raise Refusal(400, NOT_ALLOWED)
    return {**query, **parameters, **context, **content}


def _raw(request: Request, body: bytes) -> str:
    """JSON counts as binary here."""
    kind = _kind(request)
    if body and (kind == JSON_TYPE or is_binary(kind)):
        return base64.b64encode(body).decode()
    return body.decode(errors="replace")


def _spread(request: Request, body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters that the body brings; else the body itself."""
    if not body:
        return {}, {}
    kind = _kind(request)
    if is_json(kind):
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise malformed(str(error)) from None
        return (value, {}) if isinstance(value, dict) else ({}, {"__ow_body": value})
    if kind == FORM:
        return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True)), {}
    if is_binary(kind):
        return {}, {"__ow_body": base64.b64encode(body).decode()}
    return {}, {"__ow_body": body.decode(errors="replace")}


def _kind(request: Request) -> str:
    return media_type(request.headers.get("content-type", "")) or "application/octet-stream"
