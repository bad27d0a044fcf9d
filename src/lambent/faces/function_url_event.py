"""A function URL's request as an event of payload format 2.0, and a handler's answer as a response."""

import base64
import binascii
import re
import time
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import orjson

from lambent.faces.http import Request, Response
from lambent.model.function_url import SIGNED, FunctionUrl
from lambent.model.identity import Principal

# Where the head of a streamed HTTP response ends.
HEAD_END = bytes(8)
TEXTS = ("text", "json", "xml", "javascript")
JSON = "application/json"
# What the server itself says about an answer.
_REMAPPED = frozenset({"connection", "content-length", "date", "keep-alive", "transfer-encoding", "upgrade"})
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class BadAnswer(Exception):
    """A handler's answer of which no response can be made."""


def event(
    url: FunctionUrl, request: Request, path: str, body: bytes, caller: Principal, access_key: str, trace: str
) -> bytes:
    """The event as JSON. `path` is what follows the function's address."""
    told: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": _headers(url, request, trace),
        "requestContext": _context(url, request, path, caller, access_key),
        "isBase64Encoded": False,
    }
    if cookies := request.headers.get("cookie"):
        told["cookies"] = [cookie.strip() for cookie in cookies.split(";") if cookie.strip()]
    if request.query:
        told["queryStringParameters"] = _parameters(request.query)
    if body:
        text = _text(request, body)
        told["isBase64Encoded"] = text is None
        told["body"] = base64.b64encode(body).decode() if text is None else text
    return orjson.dumps(told)


def response(payload: bytes) -> Response:
    """What a handler's answer says, or seems to say. Raises `BadAnswer`."""
    try:
        told = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return _unread(payload)
    if not isinstance(told, dict) or "statusCode" not in told:
        return Response(200, [("Content-Type", JSON)], payload)
    made = head(told)
    body = told.get("body", "")
    if not isinstance(body, str):
        body = "" if body is None else orjson.dumps(body).decode()
    made.body = body.encode("utf-8", "backslashreplace")
    if told.get("isBase64Encoded"):
        try:
            made.body = base64.b64decode(body)
        except binascii.Error:
            raise BadAnswer("the body is no base64") from None
    return made


def head(told: Any) -> Response:
    """A response without its body. Raises `BadAnswer`."""
    if not isinstance(told, dict):
        raise BadAnswer("no object")
    status, headers, cookies = told.get("statusCode", 200), told.get("headers"), told.get("cookies")
    if isinstance(status, str) and status.isdecimal():
        status = int(status)
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise BadAnswer(f"no HTTP status: {status!r}")
    if not isinstance(headers or {}, dict) or not isinstance(cookies or [], list):
        raise BadAnswer("headers are an object, cookies a list")
    pairs = [(_remapped(str(name)), _scalar(value)) for name, value in (headers or {}).items()]
    pairs += [("Set-Cookie", _scalar(cookie)) for cookie in cookies or []]
    if not all(_NAME.fullmatch(name) and _VALUE.fullmatch(value) for name, value in pairs):
        raise BadAnswer("a header that HTTP cannot say")
    if not any(name.lower() == "content-type" for name, _ in pairs):
        pairs.append(("Content-Type", JSON))
    return Response(status, pairs)


def is_header(value: str) -> bool:
    return _VALUE.fullmatch(value) is not None


def _unread(payload: bytes) -> Response:
    """An answer that is no JSON: a stream that was gathered, or text."""
    told, end, rest = payload.partition(HEAD_END)
    if not end:
        return Response(200, [("Content-Type", JSON)], payload)
    try:
        made = head(orjson.loads(told))
    except orjson.JSONDecodeError:
        raise BadAnswer("the head of the stream is no JSON") from None
    made.body = rest
    return made


def _context(
    url: FunctionUrl, request: Request, path: str, caller: Principal, access_key: str
) -> dict[str, Any]:
    now = time.time()
    context: dict[str, Any] = {
        "accountId": "anonymous",
        "apiId": url.id,
        "domainName": request.headers.get("host", "").partition(":")[0],
        "domainPrefix": url.id,
        "http": {
            "method": request.method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": request.peer,
            "userAgent": request.headers.get("user-agent", ""),
        },
        "requestId": request.id,
        "routeKey": "$default",
        "stage": "$default",
        "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
        "timeEpoch": int(now * 1000),
    }
    if url.auth_type == SIGNED:
        context["accountId"] = caller.account
        context["authorizer"] = {
            "iam": {
                "accessKey": access_key,
                "accountId": caller.account,
                "callerId": caller.account,
                "cognitoIdentity": None,
                "principalOrgId": None,
                "userArn": caller.arn,
                "userId": caller.account,
            }
        }
    return context


def _headers(url: FunctionUrl, request: Request, trace: str) -> dict[str, str]:
    told = {name: value for name, value in request.headers.items() if name not in ("connection", "cookie")}
    if url.auth_type == SIGNED:
        told.pop("authorization", None)
    before = told.get("x-forwarded-for")
    told["x-forwarded-for"] = f"{before}, {request.peer}" if before else request.peer
    told.setdefault("x-forwarded-proto", "http")
    told.setdefault("x-forwarded-port", told.get("host", "").partition(":")[2] or "80")
    told["x-amzn-trace-id"] = trace
    return told


def _parameters(query: str) -> dict[str, str]:
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        values.setdefault(name, []).append(value)
    return {name: ",".join(found) for name, found in values.items()} or {unquote_plus(query): ""}


def _text(request: Request, body: bytes) -> str | None:
    """A body as the text that its type says it is; None when it goes as base64."""
    kind = request.headers.get("content-type", "").lower()
    if not any(word in kind for word in TEXTS):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _remapped(name: str) -> str:
    return f"x-amzn-Remapped-{name}" if name.lower() in _REMAPPED else name


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise BadAnswer("the value of a header is no text")
