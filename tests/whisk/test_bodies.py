"""Bodies of any kind: whatever stands wherever in a request, the answer is never a 500."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.conftest import RunningNode
from tests.whisk.conftest import HELLO, Client, client_of

pytestmark = pytest.mark.slow

JUNK: list[Any] = [None, [], {}, -1, 1.5, 2**70, "", "/", True, [1], {"key": "k"}, "\x00", "x" * 300]
PAIRS = [{"key": "k", "value": 1, "init": True}]
COMMON = {"parameters": PAIRS, "annotations": PAIRS, "publish": True, "version": "0.0.1"}
EXEC = {"kind": "python:default", "code": HELLO, "main": "main", "image": "x", "components": ["/_/a"]}
LIMITS = {"timeout": 60000, "memory": 256, "logs": 10, "concurrency": 1}
WEB = "http://host/api/v1/web/_/default/a.http"
OPERATION = {"operationId": "x", "x-openwhisk": {"url": WEB, "package": "default", "action": "a"}}
ACTION = {"name": "p/a", "namespace": "_", "backendMethod": "GET", "backendUrl": WEB, "authkey": "u:k"}
VARIABLE = {"name": "id", "in": "path", "required": True, "type": "string"}
API = {
    "gatewayBasePath": "/b",
    "gatewayPath": "/q/{id}",
    "gatewayMethod": "GET",
    "apiName": "n",
    "action": ACTION,
    "pathParameters": [VARIABLE],
}
SWAGGER = {"basePath": "/c", "info": {"title": "t"}, "paths": {"/a/{b}": {"get": OPERATION}}}
EVENT = {"lifecycleEvent": "CREATE", "triggerName": "/_/trigger"}
DATES = {"startDate": 1, "stopDate": 99999999999999, "trigger_payload": {"a": 1}}
FEEDS = "POST namespaces/whisk.system/actions"
OWN = "namespaces/_"

BODIES: dict[str, Any] = {
    f"PUT {OWN}/actions/action": {**COMMON, "exec": EXEC, "delAnnotations": ["a"], "limits": LIMITS},
    f"PUT {OWN}/actions/sequence": {"exec": {"kind": "sequence", "components": ["/_/a"]}},
    f"PUT {OWN}/actions/native": {"exec": {**EXEC, "kind": "blackbox", "image": "openwhisk/dockerskeleton"}},
    f"PUT {OWN}/packages/package": {**COMMON, "binding": {"namespace": "whisk.system", "name": "samples"}},
    f"PUT {OWN}/triggers/trigger": {
        **COMMON,
        "annotations": [{"key": "feed", "value": "/a/b"}],
        "limits": {},
    },
    f"PUT {OWN}/rules/rule": {**COMMON, "trigger": "/_/trigger", "action": "/_/a", "status": ""},
    f"POST {OWN}/rules/rule": {"status": "active"},
    f"POST {OWN}/triggers/trigger": {"a": 1},
    "POST web/whisk.system/apimgmt/createApi.http": {"apidoc": API},
    "POST web/whisk.system/apimgmt/createApi": {"apidoc": {"namespace": "_", "swagger": SWAGGER}},
    f"{FEEDS}/alarms/alarm": {**EVENT, **DATES, "cron": "* * * * *", "timezone": "UTC"},
    f"{FEEDS}/alarms/interval": {**EVENT, **DATES, "minutes": 1},
    f"{FEEDS}/alarms/once": {**EVENT, "date": 99999999999999, "deleteAfterFire": True},
    f"{FEEDS}/messaging/kafkaFeed": {**EVENT, "brokers": ["k:1"], "topic": "t", "isJSONData": True},
    f"{FEEDS}/messaging/messageHubFeed": {**EVENT, "kafka_brokers_sasl": ["k:1"], "topic": "t", "user": "u"},
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield from places(one, (*path, key))


def put(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    made = copy.deepcopy(value)
    place = made
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = junk
    return made


@pytest.fixture(scope="module")
def junk(node: RunningNode) -> Client:
    client = client_of(node, "junk-yard")
    client.action("a")
    client.ok("PUT", "triggers/trigger", {})
    client.ok("PUT", "rules/rule", {"trigger": "/_/trigger", "action": "/_/a"})
    return client


@pytest.mark.parametrize("operation", BODIES)
def test_no_body_breaks_anything(junk: Client, operation: str) -> None:
    method, path = operation.split()
    query = {"overwrite": True} if method == "PUT" else {"blocking": True}
    for place in places(BODIES[operation]):
        for value in JUNK:
            body = json.dumps(put(BODIES[operation], place, value)).encode()
            answer = junk.raw(method, f"/api/v1/{path}", body, query)
            told = (place, value, answer.status, answer.body[-300:])
            assert answer.status not in (500, 503), told
            if answer.status >= 400 and answer.status != 502:
                assert set(answer.json) == {"error", "code"}, told
    for collection in ("actions", "packages", "triggers", "rules"):
        for one in junk.ok("GET", collection, limit=0):
            junk.ok("GET", f"{collection}/{one['name']}")
    listed = junk.raw("GET", "/api/v1/web/whisk.system/apimgmt/getApi.http", None, {"basepath": "n"})
    assert listed.status == 200
