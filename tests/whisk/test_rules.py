"""Triggers and rules: what fires what, and what is told about it."""

import json
from typing import Any

import pytest
from tests.conftest import RunningNode
from tests.whisk.conftest import Client, client_of, lambent

pytestmark = pytest.mark.slow

ECHO = "def main(args):\n    args.pop('__ow_headers', None)\n    return args\n"


def pairs(**given: Any) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in given.items()]


def wire(guest: Client, name: str, **trigger: Any) -> None:
    guest.action(f"{name}-action", ECHO)
    guest.ok("PUT", f"triggers/{name}", trigger)
    body = {"name": f"{name}-rule", "status": "", "trigger": f"/_/{name}", "action": f"/_/{name}-action"}
    guest.ok("PUT", f"rules/{name}-rule", body)


def test_a_rule_connects_a_trigger_with_an_action(guest: Client) -> None:
    wire(guest, "event", parameters=pairs(a=1, b=1))
    guest.action("event-action", "def main(args):\n    return args\n")
    answer = guest.send("POST", "triggers/event", {"b": 2})
    assert answer.status == 202
    fired = guest.activation(answer.json["activationId"])
    assert fired["response"]["result"] == {"b": 2}, "as it was sent"
    assert "end" not in fired
    assert "duration" not in fired
    (line,) = map(json.loads, fired["logs"])
    called = line.pop("activationId")
    assert line == {
        "statusCode": 0,
        "success": True,
        "rule": "guest/event-rule",
        "action": "guest/event-action",
    }
    got = guest.wait(called)["response"]["result"]
    headers = got.pop("__ow_headers")
    assert got == {"a": 1, "b": 2}
    assert headers["host"]
    assert "authorization" not in headers, "nobody else's to see"
    (listed,) = guest.ok("GET", "activations", name="event")
    assert "statusCode" not in listed
    shown = guest.ok("GET", "triggers/event")
    place = {"path": "guest", "name": "event-action"}
    assert shown["rules"] == {"guest/event-rule": {"action": place, "status": "active"}}
    assert shown["limits"] == {}


def test_a_trigger_without_an_active_rule_does_nothing(guest: Client) -> None:
    wire(guest, "silent")
    for status in ("inactive", "inactive"):
        answer = guest.send("POST", "rules/silent-rule", {"status": status, "trigger": None, "action": None})
        assert (answer.status, answer.body) == (200, b"OK")
    assert guest.ok("GET", "rules/silent-rule")["status"] == "inactive"
    answer = guest.send("POST", "triggers/silent", {})
    assert (answer.status, answer.body) == (204, b"")
    body = {"trigger": "/_/silent", "action": "/_/silent-action"}
    guest.ok("PUT", "rules/second", body)
    fired = guest.activation(guest.send("POST", "triggers/silent").json["activationId"])
    told = {line["rule"]: line for line in map(json.loads, fired["logs"])}
    text = "Rule 'guest/silent-rule' is inactive, action 'guest/silent-action' was not activated."
    assert told["guest/silent-rule"]["error"] == text
    assert told["guest/second"]["success"] is True
    guest.ok("PUT", "rules/silent-rule", {}, overwrite=True)
    assert guest.ok("GET", "rules/silent-rule")["status"] == "inactive", "a change leaves it as it is"


def test_a_rule_as_a_document(guest: Client) -> None:
    wire(guest, "shown")
    got = guest.ok("GET", "rules/shown-rule")
    assert got.pop("updated")
    assert got == {
        "namespace": "guest",
        "name": "shown-rule",
        "version": "0.0.1",
        "publish": False,
        "annotations": [],
        "status": "active",
        "trigger": {"path": "guest", "name": "shown"},
        "action": {"path": "guest", "name": "shown-action"},
    }
    listed = next(rule for rule in guest.ok("GET", "rules") if rule["name"] == "shown-rule")
    assert "status" not in listed
    assert guest.ok("GET", "rules", count=True)["rules"] >= 1
    assert guest.ok("DELETE", "rules/shown-rule")["status"] == "inactive"
    assert "rules" not in guest.ok("GET", "triggers/shown")


def test_a_rule_outlives_its_trigger(guest: Client) -> None:
    wire(guest, "mortal")
    guest.ok("DELETE", "triggers/mortal")
    assert guest.ok("GET", "rules/mortal-rule")["status"] == "inactive"
    assert guest.send("POST", "rules/mortal-rule", {"status": "inactive"}).body == b"OK", "it is so already"
    text = "Only rules with existing triggers can be activated"
    assert guest.refused(404, "POST", "rules/mortal-rule", {"status": "active"}) == text


def test_what_is_wrong_with_rules_and_triggers(guest: Client, other: Client) -> None:
    wire(guest, "right")
    place = {"trigger": "/_/right", "action": "/_/right-action"}
    text = "trigger /guest/none does not exist"
    assert guest.refused(400, "PUT", "rules/wrong-rule", {**place, "trigger": "/_/none"}) == text
    text = "action /guest/none does not exist"
    assert guest.refused(400, "PUT", "rules/wrong-rule", {**place, "action": "/_/none"}) == text
    guest.refused(400, "PUT", "rules/wrong-rule", {"trigger": "/_/right"})
    guest.refused(400, "PUT", "rules/wrong-rule", {**place, "action": "none"})
    guest.refused(400, "PUT", "rules/wrong-rule", b"{")
    assert guest.refused(409, "PUT", "rules/right-rule", place) == "resource already exists"
    assert guest.refused(409, "PUT", "triggers/right", {}) == "resource already exists"
    guest.refused(400, "POST", "rules/right-rule", {"status": "sleeping"})
    for path in ("rules/none", "triggers/none"):
        guest.refused(404, "GET", path)
        guest.refused(404, "DELETE", path)
        guest.refused(404, "POST", path, {"status": "active"})
    guest.refused(400, "POST", "triggers/right", b"[1]")
    for path in ("rules/right-rule", "triggers/right"):
        for method in ("GET", "PUT", "POST", "DELETE"):
            assert other.raw(method, f"/api/v1/namespaces/guest/{path}", b"{}").status == 403
    assert other.raw("GET", "/api/v1/namespaces/guest/rules").status == 403
    changed = guest.ok("PUT", "triggers/right", {"parameters": pairs(a=1)}, overwrite=True)
    assert (changed["version"], changed["parameters"]) == ("0.0.2", pairs(a=1))


def test_fires_have_a_limit_of_their_own(node: RunningNode) -> None:
    client = client_of(node, "few-fires", roomy=False)
    lambent(node.data, "whisk", "limits", "set", "few-fires", "firesPerMinute=0")
    wire(client, "rare")
    text = "Too many requests in the last minute (count: 1, allowed: 0)."
    assert client.refused(429, "POST", "triggers/rare", {}) == text
    lambent(node.data, "whisk", "limits", "set", "few-fires", "firesPerMinute=", "invocationsPerMinute=0")
    fired = client.activation(client.send("POST", "triggers/rare", {}).json["activationId"])
    assert json.loads(fired["logs"][0])["error"] == text, "what it calls counts as calls"
