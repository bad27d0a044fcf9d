"""Alarms: cron expressions, intervals, dates, and the feeds of `/whisk.system/alarms`."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.conftest import RunningNode
from tests.whisk.conftest import WAIT_S, Client, client_of

from lambent.whisk.alarm import Alarm, BadAlarm, check
from lambent.whisk.cron import BadCron, parse
from lambent.whisk.names import Name

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("* * * * *", "2026-11-23T12:01:00"),
        ("*/15 * * * *", "2026-11-23T12:15:00"),
        ("*/5 * * * * *", "2026-11-23T12:00:05"),
        ("0 9-17/4 * * mon-fri", "2026-11-23T13:00:00"),
        ("30 6 * * sun", "2026-11-29T06:30:00"),
        ("30 6 * * 7", "2026-11-29T06:30:00"),
        ("0 0 1 jan *", "2027-01-01T00:00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00:00"),
        ("0 0 13 * fri", "2026-11-27T00:00:00"),
        ("10,20 12 * * *", "2026-11-23T12:10:00"),
        ("0 0 31 2 *", None),
    ],
)
def test_when_a_cron_expression_is_due(cron: str, expected: str | None) -> None:
    due = parse(cron).after(NOON)
    assert (due and due.strftime("%Y-%m-%dT%H:%M:%S")) == expected


def test_a_time_zone() -> None:
    due = parse("0 9 * * *").after(NOON, ZoneInfo("America/New_York"))
    assert due == datetime(2026, 11, 23, 14, 0, tzinfo=UTC)


@pytest.mark.parametrize("cron", ["", "* * * *", "60 * * * *", "x * * * *", "5-1 * * * *", "*/0 * * * *"])
def test_what_is_no_cron_expression(cron: str) -> None:
    with pytest.raises(BadCron):
        parse(cron)


def alarm(feed: str, **parameters: Any) -> Alarm:
    return Alarm(trigger=Name("ns", "t"), subject="s", feed=feed, parameters=parameters)


def test_intervals_and_dates() -> None:
    now = NOON.timestamp()
    assert alarm("interval", minutes=2).next_after(now) == now + 120
    assert alarm("interval", minutes="2", startDate=(now + 60) * 1000).next_after(now) == now + 60
    assert alarm("interval", minutes=2, stopDate=(now + 60) * 1000).next_after(now) is None
    assert alarm("once", date="2026-11-23T12:00:01Z").next_after(now) == now + 1
    assert alarm("once", date=now * 1000).next_after(now) is None
    assert alarm("alarm", cron="* * * * *", startDate="2026-11-24T00:00:00").next_after(now) == now + 43200


@pytest.mark.parametrize(
    ("feed", "parameters"),
    [
        ("alarm", {}), ("alarm", {"cron": "x"}), ("alarm", {"cron": "* * * * *", "timezone": "Mars"}),
        ("interval", {}), ("interval", {"minutes": 0}), ("interval", {"minutes": "many"}), ("once", {}),
        ("once", {"date": "soon"}), ("interval", {"minutes": 2**70}),
    ],
)  # fmt: skip
def test_what_is_no_alarm(feed: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(BadAlarm):
        alarm(feed, **parameters).next_after(NOON.timestamp())


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"date": "soon"}, "date parameter 'soon' is not a valid Date"),
        ({"startDate": 1}, "startDate parameter '1' must be in the future"),
        (
            {"startDate": "2026-11-25T00:00:00Z", "stopDate": "2026-11-24T00:00:00Z"},
            "stopDate parameter '2026-11-24T00:00:00Z' must be greater than the startDate parameter "
            "'2026-11-25T00:00:00Z'",
        ),
        ({"deleteAfterFire": "some"}, "deleteAfterFire parameter must be one of [false, true, rules]."),
    ],
)
def test_what_is_refused_when_it_is_given(given: dict[str, Any], text: str) -> None:
    with pytest.raises(BadAlarm) as refused:
        check(given, NOON.timestamp())
    assert str(refused.value) == text
    check({"deleteAfterFire": True, "stopDate": "2026-11-24T00:00:00Z"}, NOON.timestamp())


@pytest.mark.parametrize(
    ("given", "deletes"),
    [({}, "false"), ({"deleteAfterFire": True}, "true"), ({"deleteAfterFire": "Rules"}, "rules")],
)
def test_what_goes_with_the_last_fire(given: dict[str, Any], deletes: str) -> None:
    assert alarm("once", **given).deletes == deletes
    assert alarm("interval", **given).deletes == "false"


def feed(client: Client, name: str, event: str, trigger: str, **parameters: Any) -> Any:
    """As `wsk trigger create --feed` invokes it."""
    body = {"lifecycleEvent": event, "triggerName": f"/_/{trigger}", "authKey": client.auth, **parameters}
    path = f"/api/v1/namespaces/whisk.system/actions/alarms/{name}"
    return client.raw("POST", path, json_bytes(body), {"blocking": True}).json["response"]["result"]


def json_bytes(body: Any) -> bytes:
    return json.dumps(body).encode()


def ran(client: Client, name: str) -> list[Any]:
    deadline = time.monotonic() + WAIT_S
    while not (found := client.ok("GET", "activations", name=name, docs=True)):
        assert time.monotonic() < deadline, f"{name} has not run after {WAIT_S} s"
        time.sleep(0.05)
    return list(found)


def watched(client: Client, name: str) -> None:
    client.action(f"{name}-action", "def main(args):\n    return args\n")
    client.ok(
        "PUT", f"triggers/{name}", {"annotations": [{"key": "feed", "value": "/whisk.system/alarms/alarm"}]}
    )
    client.ok("PUT", f"rules/{name}-rule", {"trigger": f"/_/{name}", "action": f"/_/{name}-action"})


@pytest.mark.slow
def test_an_alarm_fires_its_trigger(guest: Client) -> None:
    watched(guest, "often")
    given = {"cron": "* * * * * *", "trigger_payload": {"rang": True}}
    assert feed(guest, "alarm", "CREATE", "often", **given) == {"status": "success"}
    got = feed(guest, "alarm", "READ", "often")
    about = {"name": "often", "namespace": "guest", "payload": {"rang": True}, "cron": "* * * * * *"}
    assert (got["config"], got["status"]["active"], got["status"]["reason"]) == (about, True, None)
    assert abs(got["status"]["dateChanged"] / 1000 - time.time()) < WAIT_S
    assert got["status"]["dateChangedISO"].endswith("Z")
    assert ran(guest, "often-action")[0]["response"]["result"] == {"rang": True}
    feed(guest, "alarm", "UPDATE", "often", cron="0 0 1 1 *")
    assert feed(guest, "alarm", "READ", "often")["config"]["cron"] == "0 0 1 1 *"
    assert feed(guest, "alarm", "DELETE", "often") == {"status": "success"}
    assert "no alarm" in feed(guest, "alarm", "READ", "often")["error"]
    assert feed(guest, "alarm", "DELETE", "often") == {"status": "success"}, "as often as one likes"


@pytest.mark.slow
def test_an_alarm_that_cannot_be(guest: Client) -> None:
    watched(guest, "never")
    assert "missing the cron" in feed(guest, "alarm", "CREATE", "never")["error"]
    assert feed(guest, "once", "SNOOZE", "never") == {"error": "unsupported lifecycleEvent"}
    assert feed(guest, "interval", "CREATE", "never", minutes=5) == {"status": "success"}
    starts = feed(guest, "interval", "READ", "never")["config"]["startDate"] / 1000 - time.time()
    assert 0 < starts <= 30, "as OpenWhisk's own, it fires soon for the first time"
    text = "no updatable parameters were specified"
    assert feed(guest, "interval", "UPDATE", "never") == {"error": text}
    feed(guest, "interval", "DELETE", "never")
    body = json_bytes({"lifecycleEvent": "CREATE", "triggerName": "/other/t", "cron": "* * * * *"})
    path = "/api/v1/namespaces/whisk.system/actions/alarms/alarm"
    assert guest.raw("POST", path, body, {"blocking": True}).status == 502


@pytest.mark.slow
def test_an_alarm_outlives_its_node(new_node: Callable[..., RunningNode]) -> None:
    node = new_node("--isolation", "process")
    client = client_of(node, "patient")
    watched(client, "late")
    when = int((time.time() + 3) * 1000)
    feed(client, "once", "CREATE", "late", date=when, deleteAfterFire="rules", trigger_payload={"late": 1})
    node.stop()
    node.start()
    assert ran(client, "late-action")[0]["response"]["result"] == {"late": 1}
    client.refused(404, "GET", "rules/late-rule")
    client.refused(404, "GET", "triggers/late")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "given", "answer"),
    [
        ("utils/echo", {"a": 1}, {"a": 1}),
        ("utils/cat", {"lines": ["a", "b"]}, {"lines": ["a", "b"], "payload": "a\nb"}),
        ("utils/sort", {"lines": [10, "b", 9]}, {"lines": [10, 9, "b"], "length": 3}),
        ("utils/split", {"payload": "a\nb"}, {"lines": ["a", "b"], "payload": "a\nb"}),
        ("utils/smash", {"a": 1, "$fieldName": "p"}, {"p": {"a": 1}}),
        ("utils/smash", {"a": 1}, {"error": "Expected an argument '$fieldName' of type 'string'."}),
        (
            "utils/hosturl",
            {"trigger": True, "path": "a/b"},
            {"error": "triggers are not allowed in packages."},
        ),
        ("samples/printParams", {"b": 1, "a": 2}, {"params": {"a": 2, "b": 1}}),
        ("samples/greeting", {"payload": "Cat", "place": "here"}, {"payload": "Hello, Cat from here!"}),
        ("utils/sort", {"lines": ["b", "a"]}, {"lines": ["a", "b"], "length": 2}),
        ("utils/split", {"payload": "a,b", "separator": ","}, {"lines": ["a", "b"], "payload": "a,b"}),
        ("utils/head", {"lines": ["a", "b"]}, {"lines": ["a"], "num": 1}),
        ("utils/namespace", {}, {"namespace": "guest"}),
        ("samples/greeting", {"name": "Ann"}, {"payload": "Hello, Ann from somewhere!"}),
        ("samples/wordCount", {"payload": "a few words"}, {"count": 3}),
        ("samples/helloWorld", {}, {}),
    ],
)
def test_the_catalog(guest: Client, name: str, given: Any, answer: Any) -> None:
    path = f"/api/v1/namespaces/whisk.system/actions/{name}"
    got = guest.raw("POST", path, json_bytes(given), {"blocking": True, "result": True})
    assert got.json == answer


@pytest.mark.slow
def test_the_catalog_says_what_it_has(guest: Client) -> None:
    shown = guest.raw("GET", "/api/v1/namespaces/whisk.system/packages/samples").json
    greeting = next(action for action in shown["actions"] if action["name"] == "greeting")
    told = {pair["key"]: pair["value"] for pair in greeting["annotations"]}
    assert told["description"] == "Returns a friendly greeting"
    assert told["parameters"] == [{"name": "name"}, {"name": "place"}]
    assert shown["annotations"][0]["key"] == "description"

    def answer(name: str, **given: Any) -> Any:
        path = f"/api/v1/namespaces/whisk.system/actions/utils/{name}"
        return guest.raw("POST", path, json_bytes(given), {"blocking": True, "result": True}).json

    assert abs(datetime.fromisoformat(answer("date")["date"]).timestamp() - time.time()) < WAIT_S
    assert answer("hosturl", web=True, path="hi")["url"].endswith("/api/v1/web/guest/default/hi.json")
    assert answer("hosturl", path="hi")["url"].endswith("/api/v1/namespaces/guest/actions/hi")
