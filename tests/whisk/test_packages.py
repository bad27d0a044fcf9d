"""Packages and bindings: what is in them, what is inherited, who may use them."""

from typing import Any

import pytest
from tests.whisk.conftest import HELLO, PYTHON, Client

pytestmark = pytest.mark.slow

ECHO = "def main(args):\n    return args\n"


def pairs(**given: Any) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in given.items()]


def test_a_package_and_what_is_in_it(guest: Client) -> None:
    made = guest.ok("PUT", "packages/box", {"parameters": pairs(a=1, b=1), "annotations": pairs(c=1)})
    assert made.pop("updated")
    assert made == {
        "namespace": "guest",
        "name": "box",
        "version": "0.0.1",
        "publish": False,
        "annotations": pairs(c=1),
        "parameters": pairs(a=1, b=1),
        "binding": {},
    }
    guest.action("box/echo", ECHO, parameters=pairs(b=2, c=2))
    guest.action("box/source", ECHO, annotations=pairs(feed=True))
    got = guest.ok("GET", "packages/box")
    assert [action["name"] for action in got["actions"]] == ["echo"]
    assert [feed["name"] for feed in got["feeds"]] == ["source"]
    activation = guest.invoke("box/echo", {"c": 3})
    assert activation["response"]["result"] == {"a": 1, "b": 2, "c": 3}
    assert {"key": "path", "value": "guest/box/echo"} in activation["annotations"]
    assert guest.ok("GET", "actions/box/echo")["namespace"] == "guest/box"
    assert {p["key"] for p in guest.ok("GET", "actions/box/echo")["parameters"]} == {"a", "b", "c"}
    assert {a["name"] for a in guest.ok("GET", "actions/box/")} == {"echo", "source"}
    listed = guest.ok("GET", "packages")
    assert next(p for p in listed if p["name"] == "box")["binding"] is False, "in lists it is no object"
    assert guest.ok("GET", "packages", count=True)["packages"] == len(listed)
    changed = guest.ok("PUT", "packages/box", {"annotations": pairs(d=1)}, overwrite=True)
    assert (changed["annotations"], changed["version"]) == (pairs(d=1), "0.0.2"), "replaced, not merged"
    assert guest.result("box/echo") == {"a": 1, "b": 2, "c": 2}


def test_a_package_with_something_in_it_stays(guest: Client) -> None:
    guest.ok("PUT", "packages/full", {})
    guest.action("full/one")
    text = "Package not empty (contains 1 entity). Set force param or delete package contents."
    assert guest.refused(409, "DELETE", "packages/full") == text
    guest.ok("DELETE", "packages/full", force=True)
    guest.refused(404, "GET", "actions/full/one")
    guest.refused(404, "GET", "packages/full")
    guest.refused(404, "DELETE", "packages/full")


def test_kinds_of_entities_share_their_names(guest: Client) -> None:
    guest.ok("PUT", "packages/taken", {})
    text = "Resource by this name exists but is not in this collection."
    exec_ = {"kind": PYTHON, "code": HELLO}
    assert guest.refused(409, "PUT", "actions/taken", {"exec": exec_}) == text
    assert guest.refused(409, "PUT", "triggers/taken", {}) == text
    assert guest.refused(409, "GET", "triggers/taken") == text


def test_what_is_wrong_with_a_package(guest: Client) -> None:
    assert guest.refused(400, "PUT", "packages/default", {}) == "Package name 'default' is reserved."
    guest.ok("PUT", "packages/once", {})
    assert guest.refused(409, "PUT", "packages/once", {}) == "resource already exists"
    guest.refused(400, "PUT", "packages/bad", b"{")
    guest.refused(400, "PUT", "packages/bad", {"publish": "yes"})
    guest.refused(405, "POST", "packages/once", {})
    exec_ = {"kind": PYTHON, "code": HELLO}
    assert guest.refused(404, "PUT", "actions/nowhere/a", {"exec": exec_}).startswith(
        "The requested resource"
    )


def test_a_binding_lends_actions_with_other_parameters(guest: Client, other: Client) -> None:
    guest.ok("PUT", "packages/shared", {"publish": True, "parameters": pairs(a=1, b=1)})
    guest.action("shared/echo", ECHO)
    binding = {"namespace": "guest", "name": "shared"}
    made = other.ok("PUT", "packages/bound", {"binding": binding, "parameters": pairs(b=2)})
    assert made["binding"] == binding
    assert {"key": "binding", "value": {"name": "shared", "namespace": "guest"}} in made["annotations"]
    said = {"annotations": [*pairs(mine=1), {"key": "binding", "value": "elsewhere"}]}
    changed = other.ok("PUT", "packages/bound", said, overwrite=True)
    assert changed["annotations"] == [*pairs(mine=1), {"key": "binding", "value": binding}], "its own to say"
    got = other.ok("GET", "packages/bound")
    assert {p["key"]: p["value"] for p in got["parameters"]} == {"a": 1, "b": 2}
    assert [action["name"] for action in got["actions"]] == ["echo"]
    activation = other.invoke("bound/echo")
    assert activation["response"]["result"] == {"a": 1, "b": 2}
    assert activation["namespace"] == "other", "it belongs to who invoked"
    annotations = {pair["key"]: pair["value"] for pair in activation["annotations"]}
    assert (annotations["path"], annotations["binding"]) == ("guest/shared/echo", "other/bound")
    other.ok("GET", f"activations/{activation['activationId']}")
    exec_ = {"kind": PYTHON, "code": HELLO}
    text = "Operation not permitted on package binding."
    assert other.refused(400, "PUT", "actions/bound/new", {"exec": exec_}) == text
    assert other.refused(400, "DELETE", "actions/bound/echo") == text
    text = "Cannot bind to another package binding."
    own = {"namespace": "_", "name": "bound"}
    assert other.refused(400, "PUT", "packages/twice", {"binding": own}) == text
    text = "Binding references a package that does not exist."
    assert other.refused(400, "PUT", "packages/none", {"binding": {"namespace": "_", "name": "no"}}) == text
    other.ok("PUT", "packages/plain", {})
    other.refused(409, "PUT", "packages/plain", {"binding": binding}, overwrite=True)
    deferred = other.send("POST", "actions/bound/echo", {"c": 3}).json["activationId"]
    assert other.wait(deferred)["response"]["result"] == {"a": 1, "b": 2, "c": 3}


def test_what_is_shared_may_be_used_and_not_changed(guest: Client, other: Client) -> None:
    guest.ok("PUT", "packages/public", {"publish": True})
    guest.ok("PUT", "packages/private", {})
    code = "import os\ndef main(args):\n    return {'as': os.environ['__OW_NAMESPACE']}\n"
    guest.action("public/whose", code)
    guest.action("private/whose", code)
    base = "/api/v1/namespaces/guest"
    listed = {package["name"] for package in other.raw("GET", f"{base}/packages").json}
    assert "public" in listed
    assert "private" not in listed
    used = other.raw("POST", f"{base}/actions/public/whose", b"{}", {"blocking": True, "result": True})
    assert used.json == {"as": "other"}
    assert guest.result("public/whose") == {"as": "guest"}
    assert other.raw("GET", f"{base}/actions/public/whose").status == 200
    for method, path in (
        ("POST", "actions/private/whose"), ("GET", "packages/private"), ("GET", "packages/missing"),
        ("PUT", "actions/public/whose"), ("DELETE", "packages/public"), ("PUT", "packages/public"),
    ):  # fmt: skip
        assert other.raw(method, f"{base}/{path}", b"{}").status == 403, path
