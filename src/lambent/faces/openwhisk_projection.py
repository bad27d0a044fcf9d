"""How a web action's result becomes an HTTP answer, by the extension that the request ends with."""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from lambent.faces.http import Response
from lambent.faces.openwhisk_media import JSON_TYPE, is_binary, is_json, media_type
from lambent.whisk import activation
from lambent.whisk.activation import Status
from lambent.whisk.code import is_binary as looks_like_base64
from lambent.whisk.errors import Refusal

HTML, TEXT = "text/html; charset=UTF-8", "text/plain; charset=UTF-8"
UNKNOWN_TYPE = "Response did not specify a known content-type."
WRONG_CONTENT = "Response type in header did not match generated content type."
NO_PROPERTY = "Response does not include requested property."
OURS = frozenset(("connection", "content-length", "transfer-encoding", "keep-alive", "date", "server"))
STATUSES = range(200, 600)


def project(response: activation.Response, extension: str) -> Response:
    """An error is projected as a result is: `{"error": {"statusCode": 401}}` is a 401. Raises `Refusal`."""
    value = orjson.loads(response.result)
    if response.status is Status.APPLICATION_ERROR:
        value = value["error"]
    media, properties, render = MEDIA[extension]
    if properties and isinstance(value, dict):
        found = [value[name] for name in properties if name in value]
        if not found and extension == ".text":
            raise Refusal(404, NO_PROPERTY)
        value = found[0] if found else None
    made = render(value)
    if made is None:
        raise Refusal(400, f"Response is not valid '{media}'.")
    return made


def _json(value: Any) -> Response | None:
    if not isinstance(value, dict | list):
        return None
    return _answer(200, JSON_TYPE, orjson.dumps(value))


def _string(kind: str) -> Callable[[Any], Response | None]:
    def render(value: Any) -> Response | None:
        return _answer(200, kind, value.encode()) if isinstance(value, str) else None

    return render


def _text(value: Any) -> Response:
    return _answer(200, TEXT, (value if isinstance(value, str) else _printed(value)).encode())


def _printed(value: Any, indent: str = "") -> str:
    """JSON for people, as OpenWhisk's library prints it: lists stay in their line."""
    inner = f"{indent}  "
    if isinstance(value, list):
        return f"[{', '.join(_printed(one, indent) for one in value)}]"
    if isinstance(value, dict):
        members = (f"{inner}{_printed(key)}: {_printed(one, inner)}" for key, one in value.items())
        return "{{\n{}\n{}}}".format(",\n".join(members), indent)
    return orjson.dumps(value).decode()


def _http(value: Any) -> Response | None:
    """Status, headers and body are the action's own."""
    if not isinstance(value, dict):
        return None
    code, given = _status(value.get("statusCode")), value.get("headers") or {}
    if code is None or not isinstance(given, dict):
        return None
    headers = _headers(given)
    declared = next((text for name, text in headers if name.lower() == "content-type"), None)
    rest = [(name, text) for name, text in headers if name.lower() != "content-type"]
    body = value.get("body")
    if body is None or body == "":
        return Response(code or 204, rest)
    made = _body(body, declared)
    made.status = code or 200
    made.headers.extend(rest)
    return made


def _body(body: Any, declared: str | None) -> Response:
    kind = None
    if declared is not None:
        kind = media_type(declared)
        if kind is None:
            raise Refusal(400, UNKNOWN_TYPE)
    if not isinstance(body, str):
        if kind is not None and not is_json(kind):
            raise Refusal(400, WRONG_CONTENT)
        return _answer(200, declared or JSON_TYPE, orjson.dumps(body))
    if kind is None:
        return _answer(200, HTML, body.encode())
    if is_binary(kind) or (is_json(kind) and looks_like_base64(body)):
        try:
            return _answer(200, declared or kind, base64.b64decode(body, validate=True))
        except binascii.Error:
            raise Refusal(400, WRONG_CONTENT) from None
    return _answer(200, declared or kind, body.encode())


def _status(given: Any) -> int | None:
    """0 when none is given, None for what is no status."""
    if given is None:
        return 0
    if isinstance(given, str) and given.isascii() and given.isdigit():
        given = int(given)
    return given if isinstance(given, int) and given in STATUSES else None


def _headers(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A list repeats its header. Raises `Refusal` for what is no header."""
    headers = []
    for name, value in given.items():
        if name.lower() in OURS:
            continue
        for one in value if isinstance(value, list) else [value]:
            text = str(one).lower() if isinstance(one, bool) else str(one)
            if not (name.isascii() and name.isprintable() and text.isprintable()) or ":" in name:
                raise Refusal(400, "Response is not valid 'message/http'.")
            headers.append((name, text))
    return headers


def _answer(status: int, kind: str, body: bytes) -> Response:
    return Response(status, [("Content-Type", kind)], body)


Render = Callable[[Any], Response | None]
# By extension: the type in messages, where the content is in a result, and how it is written.
MEDIA: Mapping[str, tuple[str, tuple[str, ...], Render]] = {
    ".http": ("message/http", (), _http),
    ".json": (JSON_TYPE, (), _json),
    ".html": ("text/html", ("body", "html"), _string(HTML)),
    ".svg": ("image/svg+xml", ("body", "svg"), _string("image/svg+xml")),
    ".text": ("text/plain", ("body", "text"), _text),
}
