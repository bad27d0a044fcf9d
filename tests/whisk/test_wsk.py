"""What `wsk` and wskdeploy send, as it was recorded, and what they look at in the answers."""

import json
from typing import Any

import pytest
from tests.whisk.conftest import HELLO, Client

pytestmark = pytest.mark.slow

TOKENS = {"accesstoken": "DUMMY TOKEN", "spaceguid": "x"}
MANAGEMENT = "/api/v1/web/whisk.system/apimgmt"


def pairs(**given: Any) -> list[dict[str, Any]]:
    return [{"key": key.replace("_", "-"), "value": value} for key, value in given.items()]


def test_action_create_update_and_get(guest: Client) -> None:
    body = {
        "namespace": "_",
        "name": "wsk-hello",
        "exec": {"kind": "python:default", "code": HELLO, "binary": False},
        "annotations": pairs(web_export=True, raw_http=False, final=True, provide_api_key=False),
        "parameters": pairs(place="here"),
        "limits": {"timeout": 60000, "memory": 256, "logs": 10},
    }
    made = guest.ok("PUT", "actions/wsk-hello", body, overwrite=False)
    annotations = {pair["key"]: pair["value"] for pair in made["annotations"]}
    assert annotations["exec"] == made["exec"]["kind"], "the column that `wsk action list` shows"
    assert guest.refused(409, "PUT", "actions/wsk-hello", body, overwrite=False) == "resource already exists"
    update = {"namespace": "_", "name": "wsk-hello", "annotations": pairs(web_export=False), "exec": None}
    updated = guest.ok("PUT", "actions/wsk-hello", update, overwrite=True)
    assert {"key": "web-export", "value": False} in updated["annotations"]
    assert updated["parameters"] == pairs(place="here")
    listed = guest.ok("GET", "actions", limit=0, skip=0)
    assert "wsk-hello" in [action["name"] for action in listed]


def test_action_invoke_with_the_whole_record_and_poll(guest: Client) -> None:
    guest.action("wsk-polled", "def main(args):\n    print('polled')\n    return args\n")
    since = guest.invoke("wsk-polled", {"payload": "x"})["start"]
    polled = guest.ok("GET", "activations", docs=True, limit=0, since=since, skip=0)
    assert any("polled" in line for one in polled for line in one["logs"])
    last = guest.ok("GET", "activations", limit=1, skip=0)
    assert len(last) == 1


def test_rule_enable_and_disable(guest: Client) -> None:
    guest.action("wsk-ruled")
    trigger = {"name": "wsk-event", "annotations": [], "publish": False}
    guest.ok("PUT", "triggers/wsk-event", trigger, overwrite=False)
    body = {"name": "wsk-rule", "status": "", "trigger": "/_/wsk-event", "action": "/_/wsk-ruled"}
    assert guest.ok("PUT", "rules/wsk-rule", body, overwrite=False)["status"] == "active"
    for status in ("inactive", "active"):
        answer = guest.send("POST", "rules/wsk-rule", {"status": status, "trigger": None, "action": None})
        assert answer.status == 200
        assert guest.ok("GET", "rules/wsk-rule")["status"] == status


def test_wskdeploy_reads_runtimes_and_the_actions_of_a_package(guest: Client, stranger: Client) -> None:
    runtimes = stranger.raw("GET", "/").json["runtimes"]
    assert all({"kind", "default", "deprecated"} <= set(one) for kinds in runtimes.values() for one in kinds)
    package = {"namespace": "_", "name": "wsk-box", "publish": False, "annotations": pairs(managed=1)}
    guest.ok("PUT", "packages/wsk-box", {**package, "binding": {}}, overwrite=True)
    guest.action("wsk-box/one")
    assert [action["name"] for action in guest.ok("GET", "actions/wsk-box/")] == ["one"]
    annotations = {p["key"]: p["value"] for p in guest.ok("GET", "packages/wsk-box")["annotations"]}
    assert annotations == {"managed": 1}


def test_api_create_list_and_delete(guest: Client, stranger: Client) -> None:
    code = "def main(args):\n    return {'body': {'path': args['__ow_path']}}\n"
    guest.action("wsk-web", code, annotations=pairs(web_export=True))
    document = {
        "namespace": "_",
        "gatewayBasePath": "/wsk",
        "gatewayPath": "/q/{id}",
        "gatewayMethod": "POST",
        "id": "API:_:/wsk",
        "apiName": "Nm",
        "action": {
            "name": "wsk-web",
            "namespace": "_",
            "backendMethod": "POST",
            "backendUrl": f"{guest.url}/api/v1/web/_/default/wsk-web.http",
            "authkey": guest.auth,
        },
        "pathParameters": [{"name": "id", "in": "path", "required": True, "type": "string"}],
    }
    body = json.dumps({"apidoc": document}).encode()
    made = guest.raw("POST", f"{MANAGEMENT}/createApi.http", body, {**TOKENS, "responsetype": "http"}).json
    assert (made["gwApiActivated"], made["apidoc"]["info"]["title"]) == (True, "Nm")
    got = guest.raw("GET", f"{MANAGEMENT}/getApi.http", None, {**TOKENS, "basepath": "Nm"}).json
    assert got["apis"][0]["value"]["apidoc"]["basePath"] == "/wsk"
    path = made["gwApiUrl"].removeprefix(guest.url)
    assert stranger.raw("POST", f"{path}/q/7", b"{}").json == {"path": "/q/7"}
    assert stranger.raw("POST", f"{path}/q/7/8", b"{}").status == 404
    deleted = guest.raw("DELETE", f"{MANAGEMENT}/deleteApi.http", None, {**TOKENS, "basepath": "/wsk"})
    assert (deleted.status, deleted.json) == (200, {})
    again = guest.raw("DELETE", f"{MANAGEMENT}/deleteApi.http", None, {**TOKENS, "basepath": "/wsk"})
    assert again.status == 502
    assert again.json == {"error": "API deletion failure: API '/wsk' does not exist."}
    assert guest.raw("POST", f"{MANAGEMENT}/createApi.http", b'{"apidoc": {}}', TOKENS).status == 502
    assert stranger.raw("GET", f"{MANAGEMENT}/getApi.http", None, TOKENS).status == 401


def test_a_feed_that_fails_half_way_leaves_nothing_behind(guest: Client) -> None:
    """`wsk trigger create --feed` makes the trigger, calls the feed, deletes the trigger when that failed."""
    feed = "/whisk.system/alarms/alarm"
    body = {"name": "wsk-fed", "annotations": pairs(feed=feed)}
    guest.ok("PUT", "triggers/wsk-fed", body, overwrite=False)
    call = {"lifecycleEvent": "CREATE", "triggerName": "/guest/wsk-fed", "authKey": guest.auth, "cron": "no"}
    path = "/api/v1/namespaces/whisk.system/actions/alarms/alarm"
    answer = guest.raw("POST", path, json.dumps(call).encode(), {"blocking": True, "result": False})
    assert answer.status == 502
    assert "error" in answer.json["response"]["result"]
    guest.ok("DELETE", "triggers/wsk-fed")
    guest.refused(404, "GET", "triggers/wsk-fed")
