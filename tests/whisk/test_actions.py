"""Actions of the OpenWhisk face: create, read, change, delete, list."""

import base64

import pytest
from tests.conftest import zip_of
from tests.whisk.conftest import HELLO, PYTHON, Client

pytestmark = pytest.mark.slow

EXEC = {"kind": "python:default", "code": HELLO}
GONE = "The requested resource does not exist."


def test_a_new_action_is_shown_whole(guest: Client) -> None:
    made = guest.ok("PUT", "actions/whole", {"exec": EXEC})
    assert made.pop("updated") > 1_700_000_000_000
    assert made == {
        "namespace": "guest",
        "name": "whole",
        "version": "0.0.1",
        "publish": False,
        "exec": {"kind": PYTHON, "code": HELLO, "binary": False},
        "limits": {"timeout": 60000, "memory": 256, "logs": 10, "concurrency": 1},
        "parameters": [],
        "annotations": [
            {"key": "provide-api-key", "value": False},
            {"key": "exec", "value": PYTHON},
        ],
    }
    assert guest.ok("GET", "actions/whole")["exec"]["code"] == HELLO
    assert "code" not in guest.ok("GET", "actions/whole", code=False)["exec"]


def test_what_exists_is_replaced_only_on_request(guest: Client) -> None:
    guest.action("twice")
    assert guest.refused(409, "PUT", "actions/twice", {"exec": EXEC}) == "resource already exists"
    code = "def main(args):\n    return {'changed': True}\n"
    assert guest.result("twice") == {"greeting": "Hello stranger"}
    assert guest.action("twice", code)["version"] == "0.0.2"
    assert guest.result("twice") == {"changed": True}
    changed = guest.ok("PUT", "actions/twice", {"version": "2.0.0", "publish": True}, overwrite=True)
    assert (changed["version"], changed["publish"], changed["exec"]["code"]) == ("2.0.0", True, code)
    assert guest.ok("PUT", "actions/twice", {}, overwrite=True)["version"] == "2.0.1"


def test_annotations_are_merged_and_parameters_replaced(guest: Client) -> None:
    def pairs(**given: object) -> list[dict[str, object]]:
        return [{"key": key, "value": value} for key, value in given.items()]

    guest.action("merged", annotations=pairs(a=1, b=2), parameters=pairs(x=1, y=2))
    change = {"annotations": pairs(b=3), "delAnnotations": ["a"], "parameters": pairs(y=5)}
    changed = guest.ok("PUT", "actions/merged", change, overwrite=True)
    assert {a["key"]: a["value"] for a in changed["annotations"]} == {
        "provide-api-key": False,
        "b": 3,
        "exec": PYTHON,
    }
    assert changed["parameters"] == pairs(y=5)


def test_deleting_answers_what_is_gone(guest: Client) -> None:
    guest.action("brief")
    assert guest.ok("DELETE", "actions/brief")["exec"]["code"] == HELLO
    assert guest.refused(404, "GET", "actions/brief") == GONE
    assert guest.refused(404, "DELETE", "actions/brief") == GONE
    assert guest.refused(404, "POST", "actions/brief", {}) == GONE


def test_lists_have_pages_and_counts(other: Client) -> None:
    for number in range(3):
        other.action(f"listed{number}")
    listed = other.ok("GET", "actions")
    assert [action["name"] for action in listed] == ["listed2", "listed1", "listed0"], "the newest first"
    assert set(listed[0]) == {
        "namespace",
        "name",
        "version",
        "publish",
        "annotations",
        "updated",
        "exec",
        "limits",
    }
    assert listed[0]["exec"] == {"binary": False}
    assert [a["name"] for a in other.ok("GET", "actions", limit=1, skip=1)] == ["listed1"]
    assert len(other.ok("GET", "actions/", limit=0)) == 3
    assert other.ok("GET", "actions", count=True, skip=1) == {"actions": 2}


@pytest.mark.parametrize("name", ["with space", "a.b@c-d", "a" * 256, "x & y"])
def test_names_may_hold_much(guest: Client, name: str) -> None:
    assert guest.action(name)["name"] == name
    assert guest.result(name) == {"greeting": "Hello stranger"}


@pytest.mark.parametrize("name", [" a", "a ", "-a", "a" * 257, "a$b"])
def test_other_names_are_refused(guest: Client, name: str) -> None:
    guest.refused(400, "PUT", f"actions/{name}", {"exec": EXEC})


@pytest.mark.parametrize(
    ("given", "kind"),
    [("python:3", PYTHON), ("python:3.1", PYTHON), (PYTHON, PYTHON), ("python:default", PYTHON)],
)
def test_kinds_resolve_to_what_is_here(guest: Client, given: str, kind: str) -> None:
    assert guest.action("kinds", kind=given)["exec"]["kind"] == kind


@pytest.mark.parametrize("kind", ["foo", "python:2", "python", "foo:default"])
def test_an_unknown_kind_is_refused_with_those_there_are(guest: Client, kind: str) -> None:
    text = guest.refused(400, "PUT", "actions/unkind", {"exec": {"kind": kind, "code": "x"}})
    start = f"The specified runtime '{kind}' is not supported by this platform. Valid values are: 'python:3."
    assert text.startswith(f"The request content was malformed:\n{start}")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"exec": {"kind": "python:default"}}, "'code' must be a string"),
        (
            {"exec": {"kind": "blackbox", "image": "someone/image"}},
            "'image' must be openwhisk/dockerskeleton",
        ),
        (b"{", "unexpected end"),
    ],
)
def test_malformed_bodies(guest: Client, body: object, text: str) -> None:
    told = guest.refused(400, "PUT", "actions/malformed", body)
    assert told.startswith("The request content was malformed:\n")
    assert text in told


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"memory": 1024}, "memory size 1024 MB exceeds allowed threshold of 512 MB"),
        ({"memory": 1}, "memory size 1 MB below allowed threshold of 128 MB"),
        ({"timeout": 0}, "duration 0 milliseconds below allowed threshold of 100 milliseconds"),
        ({"logs": 11}, "log size 11 MB exceeds allowed threshold of 10 MB"),
        ({"concurrency": 10}, "concurrency 10 exceeds allowed threshold of 1"),
    ],
)
def test_limits_have_thresholds(guest: Client, limits: dict[str, int], text: str) -> None:
    assert guest.refused(400, "PUT", "actions/limited", {"exec": EXEC, "limits": limits}) == text


def test_code_over_48_mb_is_refused(guest: Client) -> None:
    size = 48 * 1024 * 1024 + 1
    body = {"exec": {"kind": "python:default", "code": "#" * size}}
    text = f"exec larger than allowed: {size} > {size - 1} bytes."
    assert guest.refused(413, "PUT", "actions/huge", body) == text


def test_a_zip_comes_back_as_it_went(guest: Client) -> None:
    code = base64.b64encode(
        zip_of(__main__="import helper\nmain = helper.run", helper="def run(a): return a")
    )
    made = guest.action("zipped", code.decode())
    assert made["exec"] == {"kind": PYTHON, "code": code.decode(), "binary": True}
    assert guest.result("zipped", {"a": [1]}) == {"a": [1]}


def test_what_is_no_zip_is_refused_or_fails(guest: Client) -> None:
    broken = base64.b64encode(b"PK\x03\x04 broken!!").decode()
    guest.refused(400, "PUT", "actions/broken", {"exec": {"kind": "python:default", "code": broken}})
    assert guest.action("looks-binary", "abcd")["exec"]["binary"] is True, "as OpenWhisk guesses"
    assert guest.invoke("looks-binary")["response"]["status"] == "action developer error"


def test_only_the_namespace_itself_may_touch_its_actions(guest: Client, other: Client) -> None:
    guest.action("mine")
    for method in ("GET", "PUT", "DELETE", "POST"):
        answer = other.raw(method, "/api/v1/namespaces/guest/actions/mine", b"{}")
        assert answer.status == 403, answer.body
        assert answer.json["error"] == "The supplied authentication is not authorized to access 'guest/mine'."
    assert other.raw("GET", "/api/v1/namespaces/guest/actions/missing").status == 403, (
        "no word that it is not there"
    )
    assert other.raw("GET", "/api/v1/namespaces/guest/actions").status == 403


def test_what_is_not_served_is_said(guest: Client) -> None:
    assert guest.refused(404, "GET", "nothing") == "The requested resource could not be found."
    text = "HTTP method not allowed, supported methods: PUT, GET, DELETE, POST"
    assert guest.refused(405, "PATCH", "actions/x", {}) == text
    assert guest.refused(404, "GET", "actions/a/b/c") == "The requested resource could not be found."
    answer = guest.raw(
        "PUT", "/api/v1/namespaces/_/actions/typed", b"x=1", headers={"Content-Type": "text/plain"}
    )
    assert answer.status == 415
    assert answer.json["error"] == (
        "The request's Content-Type [text/plain] is not supported. Expected:\napplication/json"
    )
