"""Web actions: what they get of a request, and what becomes of their results."""

import base64
import json
from typing import Any

import pytest
from tests.whisk.conftest import Answer, Client

pytestmark = pytest.mark.slow

ECHO = "def main(args):\n    return {'body': args}\n"
JSON = "application/json"
BASE = "/api/v1/web/guest/default"
MISMATCH = "Response type in header did not match generated content type."
PRETTY = b'{\n  "a": [1, {\n\n  }]\n}'
NO_TYPE = "Response did not specify a known content-type."
NOT_ALLOWED = "Request defines parameters that are not allowed (e.g., reserved properties)."


def export(guest: Client, name: str, code: str = ECHO, *, parameters: Any = None, **annotations: Any) -> None:
    given = {"web-export": True, "final": True, **{k.replace("_", "-"): v for k, v in annotations.items()}}
    pairs = [{"key": key, "value": value} for key, value in given.items()]
    guest.action(name, code, annotations=pairs, parameters=parameters or [])


def returning(guest: Client, stranger: Client, result: str, extension: str = "") -> Answer:
    export(guest, "returning", f"def main(args):\n    return {result}\n")
    return stranger.raw("GET", f"{BASE}/returning{extension}")


def test_what_it_gets(guest: Client, stranger: Client) -> None:
    export(guest, "echo")
    answer = stranger.raw("POST", f"{BASE}/echo/more/path?a=1&b=2", b'{"b": 3}', headers={"X-Odd": "7"})
    got = answer.json
    headers = got.pop("__ow_headers")
    assert headers["x-odd"] == "7"
    assert got == {"a": "1", "b": 3, "__ow_method": "post", "__ow_path": "/more/path"}
    assert len(answer.headers["x-openwhisk-activation-id"]) == 32
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert guest.raw("GET", f"{BASE}/echo").json["__ow_user"] == "guest", "of a good key"


@pytest.mark.parametrize(
    ("kind", "body", "extra"),
    [
        ("application/x-www-form-urlencoded", b"a=1&b=x+y", {"a": "1", "b": "x y"}),
        (JSON, b"[1]", {"__ow_body": [1]}),
        ("text/plain", b"text", {"__ow_body": "text"}),
        ("image/png", b"\x00\x01", {"__ow_body": "AAE="}),
    ],
)
def test_bodies(guest: Client, stranger: Client, kind: str, body: bytes, extra: dict[str, Any]) -> None:
    export(guest, "echo")
    got = stranger.raw("PUT", f"{BASE}/echo", body, headers={"Content-Type": kind}).json
    del got["__ow_headers"]
    assert got == {"__ow_method": "put", "__ow_path": "", **extra}


def test_raw_requests(guest: Client, stranger: Client) -> None:
    export(guest, "raw", raw_http=True)
    got = stranger.raw("POST", f"{BASE}/raw?a=1&a=2", b'{"__ow_path": 1}').json
    assert (got["__ow_query"], base64.b64decode(got["__ow_body"])) == ("a=1&a=2", b'{"__ow_path": 1}')
    got = stranger.raw("POST", f"{BASE}/raw", b"text", headers={"Content-Type": "text/plain"}).json
    assert (got["__ow_query"], got["__ow_body"]) == ("", "text")
    assert stranger.raw("GET", f"{BASE}/raw").json["__ow_body"] == ""


def test_what_may_not_be_overridden(guest: Client, stranger: Client) -> None:
    export(guest, "fixed", parameters=[{"key": "mine", "value": 1}, {"key": "open", "value": None}])
    assert stranger.raw("GET", f"{BASE}/fixed?open=x").json["open"] == "x", "it has no value yet"
    for answer in (
        stranger.raw("GET", f"{BASE}/fixed?__ow_path=x"),
        stranger.raw("GET", f"{BASE}/fixed?mine=x"),
        stranger.raw("POST", f"{BASE}/fixed", b'{"mine": 2}'),
    ):
        assert (answer.status, answer.json["error"]) == (400, NOT_ALLOWED)
    assert stranger.raw("GET", f"{BASE}/fixed").json["mine"] == 1
    assert stranger.raw("POST", f"{BASE}/fixed", b"{").status == 400


@pytest.mark.parametrize(
    ("result", "extension", "status", "kind", "body"),
    [
        ("{'body': 'hi'}", "", 200, "text/html; charset=UTF-8", b"hi"),
        ("{'body': {'a': 1}}", ".http", 200, JSON, b'{"a":1}'),
        ("{}", "", 204, None, b""),
        ("{'statusCode': '201'}", "", 201, None, b""),
        ("{'statusCode': 302, 'headers': {'location': '/x'}}", "", 302, None, b""),
        ("{'headers': {'content-type': 'image/png'}, 'body': 'AAE='}", "", 200, "image/png", b"\0\1"),
        ("{'headers': {'content-type': 'text/css'}, 'body': 'AAE='}", "", 200, "text/css", b"AAE="),
        ("{'headers': {'content-type': 'a/b+json'}, 'body': 'eyJ9'}", "", 200, "a/b+json", b'{"}'),
        ("{'a': [1]}", ".json", 200, JSON, b'{"a":[1]}'),
        ("{'html': '<p>'}", ".html", 200, "text/html; charset=UTF-8", b"<p>"),
        ("{'body': '<p>'}", ".html", 200, "text/html; charset=UTF-8", b"<p>"),
        ("{'svg': '<svg/>'}", ".svg", 200, "image/svg+xml", b"<svg/>"),
        ("{'html': 'b', 'body': 'a'}", ".html", 200, "text/html; charset=UTF-8", b"a"),
        ("{'error': {'body': 'e'}}", ".html", 200, "text/html; charset=UTF-8", b"e"),
        ("{'error': 'e'}", ".text", 200, "text/plain; charset=UTF-8", b"e"),
        ("{'headers': {'content-type': 'text/css'}}", "", 204, None, b""),
        ("{'text': {'a': [1, {}]}}", ".text", 200, "text/plain; charset=UTF-8", PRETTY),
        ("{'text': 7}", ".text", 200, "text/plain; charset=UTF-8", b"7"),
        ("{'error': {'statusCode': 401, 'body': 'no'}}", "", 401, "text/html; charset=UTF-8", b"no"),
        ("{'error': {'a': 1}}", ".json", 200, JSON, b'{"a":1}'),
    ],
)  # fmt: skip
def test_results(
    guest: Client, stranger: Client, result: str, extension: str, status: int, kind: str | None, body: bytes
) -> None:
    answer = returning(guest, stranger, result, extension)
    assert (answer.status, answer.headers.get("content-type"), answer.body) == (status, kind, body)


@pytest.mark.parametrize(
    ("result", "extension", "status", "text"),
    [
        ("{'html': 7}", ".html", 400, "Response is not valid 'text/html'."),
        ("{'a': 1}", ".svg", 400, "Response is not valid 'image/svg+xml'."),
        ("{'a': 1}", ".text", 404, "Response does not include requested property."),
        ("{'statusCode': 1000}", "", 400, "Response is not valid 'message/http'."),
        ("{'headers': {'content-type': 'image/png'}, 'body': '%'}", "", 400, MISMATCH),
        ("{'headers': {'content-type': 'text/css'}, 'body': {}}", "", 400, MISMATCH),
        ("{'headers': {'content-type': 'odd'}, 'body': 'x'}", "", 400, NO_TYPE),
        ("{'headers': {'x-a': 'b\\r\\nx-c: d'}}", "", 400, "Response is not valid 'message/http'."),
        ("None", "", 400, "There was an error processing your request."),
        ("[1]", "", 500, "There was an internal server error."),
    ],
)  # fmt: skip
def test_results_that_are_none(
    guest: Client, stranger: Client, result: str, extension: str, status: int, text: str
) -> None:
    answer = returning(guest, stranger, result, extension)
    assert (answer.status, answer.json["error"]) == (status, text)
    assert answer.headers["x-openwhisk-activation-id"]
    assert answer.headers.getlist("Access-Control-Allow-Origin") == ["*"]


def test_headers_of_every_type(guest: Client, stranger: Client) -> None:
    headers = {"x-a": 1, "x-b": True, "set-cookie": ["a=1", "b=2"], "content-length": "999"}
    answer = returning(guest, stranger, repr({"headers": headers, "body": "x"}))
    assert (answer.headers["x-a"], answer.headers["x-b"], answer.headers["content-length"]) == (
        "1",
        "true",
        "1",
    )
    assert answer.headers.getlist("set-cookie") == ["a=1", "b=2"]


def test_who_may_call(guest: Client, stranger: Client) -> None:
    export(guest, "keyed", require_whisk_auth=True)
    assert stranger.raw("GET", f"{BASE}/keyed").status == 401
    assert guest.raw("GET", f"{BASE}/keyed").status == 200
    export(guest, "secret", require_whisk_auth="open sesame")
    refused = stranger.raw("GET", f"{BASE}/secret")
    text = "The resource requires authentication, which was not supplied with the request"
    assert (refused.status, refused.json["error"]) == (401, text)
    assert "WWW-Authenticate" not in refused.headers, "a browser would ask for a password"
    headers = {"X-Require-Whisk-Auth": "open sesame"}
    assert stranger.raw("GET", f"{BASE}/secret", headers=headers).status == 200
    guest.action("hidden", ECHO)
    export(guest, "almost", web_export="true")
    for path in ("default/hidden", "default/almost", "default/none", "none/none", "default"):
        answer = stranger.raw("GET", f"/api/v1/web/guest/{path}")
        assert (answer.status, answer.json["error"]) == (404, "The requested resource does not exist.")
    assert stranger.raw("GET", "/api/v1/web/nobody/default/echo").status == 404


def test_options(guest: Client, stranger: Client) -> None:
    export(guest, "plain")
    answer = stranger.raw("OPTIONS", f"{BASE}/plain", headers={"Access-Control-Request-Headers": "x-mine"})
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Access-Control-Allow-Headers"] == "x-mine"
    export(guest, "custom", web_custom_options=True, require_whisk_auth=True)
    answer = stranger.raw("OPTIONS", f"{BASE}/custom")
    assert answer.json["__ow_method"] == "options"
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_packaged_one_with_an_extension_and_a_path(guest: Client, stranger: Client) -> None:
    guest.ok("PUT", "packages/site", {"parameters": [{"key": "of", "value": "package"}]}, overwrite=True)
    export(guest, "site/page", "def main(args):\n    return args\n")
    got = stranger.raw("GET", "/api/v1/web/guest/site/page.json/a%20b").json
    assert (got["__ow_path"], got["of"]) == ("/a b", "package")
    assert json.loads(stranger.raw("HEAD", "/api/v1/web/guest/site/page.json").body or b"null") is None


def test_a_namespace_has_a_host_of_its_own(guest: Client, stranger: Client) -> None:
    guest.ok("PUT", "packages/public", {}, overwrite=True)
    export(guest, "public/index", "def main(args):\n    return {'html': 'at home'}\n")
    host = {"Host": "guest.openwhisk.localhost:9000"}
    assert stranger.raw("GET", "/", headers=host).body == b"at home"
    assert stranger.raw("GET", "/public/index.html", headers=host).body == b"at home"
    assert stranger.raw("GET", "/none/none", headers=host).status == 404
