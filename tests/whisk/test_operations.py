"""Every operation of the REST API: what it answers, what is not there, what is in conflict, who may, and what
cannot be read. One table has them all; the texts are OpenWhisk's."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.conftest import RunningNode
from tests.whisk.conftest import HELLO, PYTHON, Answer, Client, client_of

pytestmark = pytest.mark.slow

NAMES = "/api/v1/namespaces"
MANAGEMENT = "/api/v1/web/whisk.system/apimgmt"
COMMON = {"annotations", "name", "namespace", "publish", "updated", "version"}
ACTION = {*COMMON, "exec", "limits", "parameters"}
RECORD = {*COMMON, "activationId", "subject", "start", "end", "duration", "response", "logs"} - {"updated"}
EXEC = {"kind": PYTHON, "code": HELLO}
MISSING = "The requested resource does not exist."
UNKNOWN = "The requested resource could not be found."
OTHER_KIND = "Resource by this name exists but is not in this collection."
EXISTS = "resource already exists"
ILLEGAL = "The name of the entity contains illegal characters."
FORBIDDEN = "The supplied authentication is not authorized to access '{}'."
NO_BODY = "Request entity expected but not supplied"
MALFORMED = "The request content was malformed:\n"
WRONG_TYPE = "The request's Content-Type [text/xml] is not supported. Expected:\napplication/json"
FAILED = {"error": "API deletion failure: API '/none' does not exist."}


@dataclass(frozen=True)
class Operation:
    """A request to an entity; `{}` in its path stands for the name."""

    method: str
    path: str
    keys: set[str]  # of what it answers
    body: Any = None
    status: int = 200
    missing: str = MISSING
    wrong: dict[str, Any] = field(default_factory=dict)  # by text: bodies that are refused with 400
    query: dict[str, str] = field(default_factory=dict)  # parameters that are refused, with their text

    @property
    def collection(self) -> str:
        return self.path.partition("/")[0]

    def place(self, name: str) -> str:
        return self.path.format(name)


PAIRS = {f'{MALFORMED}parameters malformed could not read directly: [{{"key":1}}]': [{"key": 1}]}
WRONG = {
    **{text: {"parameters": pairs} for text, pairs in PAIRS.items()},
    f'{MALFORMED}Expected JsBoolean, but got "yes"': {"publish": "yes"},
    f"{MALFORMED}semantic version malformed": {"version": "one"},
    f"{MALFORMED}Object expected": [],
    NO_BODY: b"",
}
ANNOTATED = {text: {"annotations": pairs} for text, pairs in PAIRS.items()}
WRONG_ACTION = {
    **WRONG,
    "exec undefined": {},
    f"{MALFORMED}'kind' must be a string defined in 'exec'": {"exec": {}},
    f"{MALFORMED}'components' must be defined for sequence kind": {"exec": {"kind": "sequence"}},
    f"{MALFORMED}'components' must be an array": {"exec": {"kind": "sequence", "components": "a"}},
    f"{MALFORMED}time limit malformed": {"exec": EXEC, "limits": {"timeout": "long"}},
    f"{MALFORMED}requirement failed: memory limit must be whole number": {
        "exec": EXEC,
        "limits": {"memory": 128.5},
    },
    f"{MALFORMED}Expected List as JsArray, but got 1": {"exec": EXEC, "delAnnotations": 1},
    "log size 11 MB exceeds allowed threshold of 10 MB": {"exec": EXEC, "limits": {"logs": 11}},
}
WRONG_RULE = {
    **{text: body for text, body in WRONG.items() if "parameters" not in text},
    **ANNOTATED,
    "rule requires a valid trigger and a valid action": {"trigger": "/_/trigger"},
    "trigger /operations/none does not exist": {"trigger": "/_/none", "action": "/_/action"},
    "action /operations/none does not exist": {"trigger": "/_/trigger", "action": "/_/none"},
    f"{MALFORMED}fully qualified name malformed": {"trigger": 7, "action": "/_/action"},
    f"{MALFORMED}requirement failed: The fully qualified name of the entity must contain at least the "
    "namespace and the name of the entity.": {"trigger": "trigger", "action": "/_/action"},
}
WRONG_STATE = {
    f"{MALFORMED}key not found: status": {},
    f"{MALFORMED}requirement failed: asleep is not a recognized rule state": {"status": "asleep"},
    f"{MALFORMED}Object expected": [],
    NO_BODY: b"",
}
WRONG_PACKAGE = {
    **WRONG,
    f"{MALFORMED}Object is missing required member 'name'": {"binding": {"namespace": "_"}},
    "Binding references a package that does not exist.": {"binding": {"namespace": "_", "name": "none"}},
}
BOOLEAN = "'perhaps' is not a valid Boolean value"
TIMEOUT = "Timeout must be number of milliseconds up to 60000."
WAITS = {"blocking=perhaps": BOOLEAN, "result=perhaps": BOOLEAN, "timeout=0": TIMEOUT, "timeout=x": TIMEOUT}
LIST: dict[str, Any] = {f"{MALFORMED}Object expected": []}
RULE = {"trigger": "/_/trigger", "action": "/_/action"}
RULE_KEYS = {*COMMON, "trigger", "action", "status"}
PACKAGE_KEYS = {*COMMON, "binding", "parameters"}
TRIGGER_KEYS = {*COMMON, "limits", "parameters"}
OVERWRITE = {"overwrite=perhaps": BOOLEAN}

ENTITIES = {
    "read an action": Operation("GET", "actions/{}", ACTION, query={"code=perhaps": BOOLEAN}),
    "make an action": Operation(
        "PUT", "actions/{}", ACTION, {"exec": EXEC}, wrong=WRONG_ACTION, query=OVERWRITE
    ),
    "invoke an action": Operation("POST", "actions/{}", {"activationId"}, {}, 202, wrong=LIST, query=WAITS),
    "delete an action": Operation("DELETE", "actions/{}", ACTION),
    "read a packaged action": Operation("GET", "actions/box/{}", ACTION, query={"code=perhaps": BOOLEAN}),
    "make a packaged action": Operation(
        "PUT", "actions/box/{}", ACTION, {"exec": EXEC}, wrong=WRONG_ACTION, query=OVERWRITE
    ),
    "invoke a packaged action": Operation(
        "POST", "actions/box/{}", {"activationId"}, {}, 202, wrong=LIST, query=WAITS
    ),
    "delete a packaged action": Operation("DELETE", "actions/box/{}", ACTION),
    "read a trigger": Operation("GET", "triggers/{}", TRIGGER_KEYS),
    "make a trigger": Operation("PUT", "triggers/{}", TRIGGER_KEYS, {}, wrong=WRONG, query=OVERWRITE),
    "fire a trigger": Operation("POST", "triggers/{}", {"activationId"}, {}, 202, wrong=LIST),
    "delete a trigger": Operation("DELETE", "triggers/{}", TRIGGER_KEYS),
    "read a rule": Operation("GET", "rules/{}", RULE_KEYS),
    "make a rule": Operation("PUT", "rules/{}", RULE_KEYS, RULE, wrong=WRONG_RULE, query=OVERWRITE),
    "switch a rule": Operation("POST", "rules/{}", set(), {"status": "inactive"}, wrong=WRONG_STATE),
    "delete a rule": Operation("DELETE", "rules/{}", RULE_KEYS),
    "read a package": Operation(
        "GET",
        "packages/{}",
        {*PACKAGE_KEYS, "actions", "feeds"},
        missing="The requested resource 'operations/none' does not exist.",
    ),
    "make a package": Operation("PUT", "packages/{}", PACKAGE_KEYS, {}, wrong=WRONG_PACKAGE, query=OVERWRITE),
    "delete a package": Operation("DELETE", "packages/{}", PACKAGE_KEYS, query={"force=perhaps": BOOLEAN}),
}
LISTS = {
    "actions": {*COMMON, "exec", "limits"},
    "actions/box/": {*COMMON, "exec", "limits"},
    "activations": {*COMMON, "activationId", "start"} - {"updated"},
    "packages": {*COMMON, "binding"},
    "rules": {*COMMON, "trigger", "action"},
    "triggers": COMMON,
}
OPTIONAL = {"cause", "duration", "end", "statusCode"}  # a trigger's activation has no end
PARTS = {"": RECORD, "/logs": {"logs"}, "/result": {"status", "success", "result", "size"}}


@pytest.fixture(scope="module")
def owner(node: RunningNode) -> Client:
    """One entity of every kind, in a namespace of its own."""
    client = client_of(node, "operations")
    client.action("action")
    client.ok("PUT", "packages/box", {})
    client.action("box/action")
    client.ok("PUT", "triggers/trigger", {})
    client.ok("PUT", "rules/rule", RULE)
    client.invoke("action")
    return client


@pytest.fixture(scope="module", params=list(ENTITIES.values()), ids=list(ENTITIES))
def operation(request: pytest.FixtureRequest) -> Operation:
    found: Operation = request.param
    return found


def make(owner: Client, operation: Operation, name: str) -> str:
    """What it is called: all kinds of entities share their names."""
    name = f"{name} {operation.collection} {operation.method}"
    bodies = {"actions": {"exec": EXEC}, "rules": {**RULE, "trigger": f"/_/{name}-source"}}
    if operation.collection == "rules":
        owner.ok("PUT", f"triggers/{name}-source", {}, overwrite=True)
    owner.ok("PUT", operation.place(name), bodies.get(operation.collection, {}), overwrite=True)
    if (operation.method, operation.collection) == ("POST", "triggers"):
        owner.ok("PUT", f"rules/{name}-rule", {**RULE, "trigger": f"/_/{name}"}, overwrite=True)
    return name


def send(client: Client, operation: Operation, name: str, body: Any = None, **query: Any) -> Answer:
    content = operation.body if body is None else body
    sent = content if isinstance(content, bytes | None) else json.dumps(content).encode()
    path = f"{NAMES}/operations/{operation.place(name)}"
    return client.raw(operation.method, path, sent, query)


def check(answer: Answer, status: int, text: str) -> None:
    """A refusal in OpenWhisk's form."""
    assert (answer.status, answer.json.get("error")) == (status, text)
    assert answer.json["code"] == answer.headers["X-Request-ID"]
    assert set(answer.json) == {"error", "code"}


def test_it_succeeds(owner: Client, operation: Operation) -> None:
    name = f"new {operation.collection}"
    if operation.method != "PUT":
        name = make(owner, operation, "old")
    answer = send(owner, operation, name, **({"overwrite": True} if operation.method == "PUT" else {}))
    assert answer.status == operation.status, answer.body
    if operation.keys:
        assert set(answer.json) == operation.keys
    else:
        assert (answer.body, answer.headers["Content-Type"]) == (b"OK", "text/plain; charset=UTF-8")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    if operation.method == "DELETE":
        assert owner.send("GET", operation.place(name)).status == 404


def test_it_is_not_there(owner: Client, operation: Operation) -> None:
    if operation.method == "PUT":  # a new one may be made, but not in a package that is not there
        answer = owner.send("PUT", "actions/none/x", {"exec": EXEC})
        return check(answer, 404, MISSING)
    return check(send(owner, operation, "none"), 404, operation.missing)


def test_the_name_is_of_another_kind(owner: Client, operation: Operation) -> None:
    """All kinds of entities share their names; within a package there are actions only."""
    other = "trigger" if operation.collection != "triggers" else "action"
    if "box/" in operation.path:
        owner.ok("PUT", "triggers/no-box", {}, overwrite=True)
        path = f"{NAMES}/operations/actions/no-box/x"
        body = json.dumps(operation.body).encode() if operation.body is not None else None
        return check(owner.raw(operation.method, path, body), 409, OTHER_KIND)
    return check(send(owner, operation, other), 409, OTHER_KIND)


@pytest.mark.parametrize("operation", [one for one in ENTITIES.values() if one.method == "PUT"])
def test_it_exists(owner: Client, operation: Operation) -> None:
    name = make(owner, operation, "twice")
    check(send(owner, operation, name), 409, EXISTS)
    assert send(owner, operation, name, overwrite=True).json["version"] > "0.0.1"


def test_who_may(owner: Client, other: Client, stranger: Client, operation: Operation) -> None:
    mine = make(owner, operation, "mine")
    inside = (
        "box" if "box/" in operation.path and operation.method in ("GET", "POST") else operation.place(mine)
    )
    place = inside.removeprefix("actions/").removeprefix(f"{operation.collection}/")
    check(send(other, operation, mine), 403, FORBIDDEN.format(f"operations/{place}"))
    assert send(other, operation, "none").status == 403, "nobody else hears that it is not there"
    answer = send(stranger, operation, mine)
    check(answer, 401, "The resource requires authentication, which was not supplied with the request")
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="OpenWhisk secure realm"'
    wrong = Client(owner.url, f"{owner.auth}x", "operations")
    check(send(wrong, operation, mine), 401, "The supplied authentication is invalid")
    assert owner.send("GET", operation.place(mine)).status == 200, "and nobody has changed it"


def test_what_cannot_be_read(owner: Client, operation: Operation) -> None:
    for name in (" x", "a$b", "ä"):
        check(owner.send(operation.method, operation.place(name), operation.body), 400, ILLEGAL)
    text = "Name segement longer than allowed: 257 > 256."
    check(owner.send(operation.method, operation.place("x" * 257), operation.body), 400, text)
    target = "absent" if operation.method == "PUT" else make(owner, operation, "present")
    for text, body in operation.wrong.items():
        check(send(owner, operation, target, body), 400, text)
    for query, text in operation.query.items():
        key, _, value = query.partition("=")
        text = f"The query parameter '{key}' was malformed:\n{text}"
        check(send(owner, operation, target, **{key: value}), 400, text)
    if operation.body is not None:
        broken = send(owner, operation, target, b"{")
        assert (broken.status, broken.json["error"].startswith(MALFORMED)) == (400, True)
        path = f"{NAMES}/_/{operation.place(target)}"
        answer = owner.raw(operation.method, path, b"<x/>", headers={"Content-Type": "text/xml"})
        check(answer, 415, WRONG_TYPE)
    if target == "absent":
        assert owner.send("GET", operation.place(target)).status == 404


@pytest.mark.parametrize("listed", LISTS)
def test_lists(owner: Client, other: Client, stranger: Client, listed: str) -> None:
    collection = listed.partition("/")[0]
    found = owner.ok("GET", listed, limit=0)
    for one in found:
        assert LISTS[listed] <= set(one) <= LISTS[listed] | OPTIONAL
    number = owner.ok("GET", listed, count=True)
    assert set(number) == {collection}
    assert number[collection] >= len(found) > 0
    assert owner.ok("GET", listed, skip=number[collection] + 100) == []
    assert owner.ok("GET", listed, skip=1, limit=1) == found[1:2]
    assert owner.ok("GET", f"{listed}/" if collection == listed else listed, limit=0) == found
    for query, text in {
        "limit=201": f"The value '201' is not in the range of 0 to 200 for {collection}.",
        "limit=-1": f"The value '-1' is not in the range of 0 to 200 for {collection}.",
        "limit=all": f"The value 'all' is not an integer for {collection}.",
        "skip=-1": f"The value '-1' is not greater than or equal to 0 for {collection}.",
        "count=perhaps": BOOLEAN,
    }.items():
        key, _, value = query.partition("=")
        check(
            owner.send("GET", listed, **{key: value}),
            400,
            f"The query parameter '{key}' was malformed:\n{text}",
        )
    foreign = f"{NAMES}/operations/{listed}"
    answer = other.raw("GET", foreign)
    if listed == "packages":
        assert answer.json == [], "what is not shared is not listed"
    else:
        check(answer, 403, FORBIDDEN.format("operations/box" if "box" in listed else "operations"))
    assert stranger.raw("GET", foreign).status == 401
    text = "HTTP method not allowed, supported methods: GET"
    check(owner.send("PUT", listed, {}), 405, text)
    check(owner.raw("GET", f"{NAMES}/a$b/{listed}"), 400, "The namespace contains illegal characters.")


@pytest.mark.parametrize("part", PARTS)
def test_activations(owner: Client, other: Client, stranger: Client, part: str) -> None:
    activation_id = owner.invoke("action")["activationId"]
    path = f"activations/{activation_id}{part}"
    assert set(owner.ok("GET", path)) == PARTS[part]
    check(owner.send("GET", f"activations/{'0' * 32}{part}"), 404, MISSING)
    check(owner.send("GET", f"activations/abc{part}"), 400, "Activation id length is 3 but must be 32.")
    check(owner.send("GET", f"activations/{'x' * 32}{part}"), 400, "The activation id is not valid.")
    foreign = f"{NAMES}/operations/{path}"
    check(other.raw("GET", foreign), 403, FORBIDDEN.format(f"operations/{activation_id}"))
    assert stranger.raw("GET", foreign).status == 401
    for method in ("PUT", "DELETE", "POST"):
        text = "HTTP method not allowed, supported methods: GET"
        check(owner.send(method, path, {}), 405, text)


def test_filters_of_activations(owner: Client) -> None:
    first, last = (owner.invoke(name) for name in ("box/action", "action"))
    names = owner.ok("GET", "activations", name="box/action", since=first["start"], upto=last["start"])
    assert [one["activationId"] for one in names] == [first["activationId"]]
    assert owner.ok("GET", "activations", since=last["start"] + 3_600_000) == []
    assert owner.ok("GET", "activations", name="none", count=True) == {"activations": 0}
    whole = owner.ok("GET", "activations", docs=True, limit=1)[0]
    assert set(whole) == RECORD
    check(
        owner.send("GET", "activations", docs=True, count=True),
        400,
        "The parameter 'docs' is not permitted with 'count'.",
    )
    for query, text in {
        "name=a/b/c": "Parameter may be a 'simple' name or 'package-name/simple' name: a/b/c",
        "name=a$b": "Parameter may be a 'simple' name or 'package-name/simple' name: a$b",
        "since=now": "Parameter is not a valid value for epoch seconds: now",
        "upto=": "Parameter is not a valid value for epoch seconds: ",
    }.items():
        key, _, value = query.partition("=")
        text = f"The query parameter '{key}' was malformed:\n{text}"
        check(owner.send("GET", "activations", **{key: value}), 400, text)


def test_namespaces_and_limits(owner: Client, other: Client, stranger: Client) -> None:
    assert owner.raw("GET", NAMES).json == owner.raw("GET", f"{NAMES}/").json == ["operations"]
    limits = owner.ok("GET", "limits")
    assert limits["maxActionTimeout"] == 300_000
    check(other.raw("GET", f"{NAMES}/operations/limits"), 403, FORBIDDEN.format("operations"))
    for path in (NAMES, f"{NAMES}/operations/limits"):
        assert stranger.raw("GET", path).status == 401
        check(owner.raw("PUT", path, b"{}"), 405, "HTTP method not allowed, supported methods: GET")
    check(owner.raw("GET", f"{NAMES}/_/nothing"), 404, UNKNOWN)
    assert owner.raw("OPTIONS", f"{NAMES}/_/actions").status == 200


def test_the_document_of_the_api_says_what_is_served(owner: Client, stranger: Client) -> None:
    about = stranger.raw("GET", "/api/v1").json
    document = stranger.raw("GET", f"/api/v1{about['swagger_paths']['api-docs']}").json
    assert (document["swagger"], document["basePath"]) == ("2.0", "/api/v1")
    names = [one["operationId"] for verbs in document["paths"].values() for one in verbs.values()]
    assert len(set(names)) == len(names) == 37
    described = {
        (verb.upper(), re.sub("{.*?}", "{}", path))
        for path, verbs in document["paths"].items()
        for verb in verbs
    }
    for one in ENTITIES.values():
        path = one.path.replace("box", "{}")
        assert (one.method, f"/namespaces/{{}}/{path}") in described
    for verb, path in described:
        answer = owner.raw(
            verb, "/api/v1" + path.replace("{}", "described"), b"{}" if verb in ("PUT", "POST") else None
        )
        assert answer.status != 405, (verb, path)
        assert verb == "HEAD" or UNKNOWN.encode() not in answer.body, (verb, path)


WEB = "/api/v1/web/operations/default/web"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_web_actions(owner: Client, stranger: Client, method: str) -> None:
    code = "def main(args):\n    return {'headers': {'x-method': args['__ow_method']}, 'body': 'seen'}"
    annotations = [{"key": "web-export", "value": True}, {"key": "require-whisk-auth", "value": "secret"}]
    owner.action("web", code, annotations=annotations)
    body = b"{}" if method in ("POST", "PUT", "PATCH") else None
    secret = {"X-Require-Whisk-Auth": "secret"}
    answer = stranger.raw(method, WEB, body, headers=secret)
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    if method == "OPTIONS":  # the platform's own answer
        return
    assert answer.headers["x-method"] == method.lower()
    refused = stranger.raw(method, WEB, body)
    assert refused.status == 401
    for path in (WEB.replace("web/op", "web/no"), f"{WEB}-none", WEB.replace("default/web", "box/action")):
        assert stranger.raw(method, path, body).status == 404, "not there, or not for the web"
    if method == "HEAD":
        return
    check(stranger.raw(method, WEB, body, {"__ow_user": "me"}, secret), 400, NOT_ALLOWED)
    if body:
        broken = stranger.raw(method, WEB, b"{", headers=secret)
        assert (broken.status, broken.json["error"][:31]) == (400, MALFORMED[:31])


NOT_ALLOWED = "Request defines parameters that are not allowed (e.g., reserved properties)."


def test_api_management(owner: Client, other: Client, stranger: Client) -> None:
    owner.action("shop", HELLO, annotations=[{"key": "web-export", "value": True}])
    action = {"name": "shop", "namespace": "_", "backendUrl": f"{owner.url}/api/v1/web/_/default/shop.json"}
    given = {
        "gatewayBasePath": "/shop",
        "gatewayPath": "/greet",
        "gatewayMethod": "GET",
        "action": {**action, "backendMethod": "GET", "authkey": owner.auth},
    }
    create, get, delete = (f"{MANAGEMENT}/{name}.http" for name in ("createApi", "getApi", "deleteApi"))
    made = owner.raw("POST", create, json.dumps({"apidoc": given}).encode())
    assert (made.status, set(made.json["apidoc"]["paths"])) == (200, {"/greet"})
    url = made.json["gwApiUrl"].removeprefix(owner.url)
    assert stranger.raw("GET", f"{url}/greet").json == {"greeting": "Hello stranger"}
    assert stranger.raw("GET", f"{url}/none").status == 404
    assert len(owner.raw("GET", get, None, {"basepath": "/shop"}).json["apis"]) == 1
    assert owner.raw("GET", get, None, {"basepath": "/none"}).json == {"apis": []}
    assert other.raw("GET", get, None, {"basepath": "/shop"}).json == {"apis": []}
    assert other.raw("DELETE", delete, None, {"basepath": "/shop"}).status == 502
    for method, path in (("POST", create), ("GET", get), ("DELETE", delete)):
        assert stranger.raw(method, path, b"{}" if method == "POST" else None).status == 401
    named = {**given, "action": {"namespace": "_"}}
    for body in (
        *(b"{", b"[]", b"{}", b'{"apidoc": {}}', b'{"apidoc": {"swagger": "{"}}'),
        json.dumps({"apidoc": named}).encode(),
    ):
        answer = owner.raw("POST", create, body)
        assert (answer.status, set(answer.json)) == (502, {"error"}), "an action's error, which has no code"
    unknown = owner.raw("DELETE", delete, None, {"basepath": "/none"})
    assert (unknown.status, unknown.json) == (502, FAILED)
    gone = owner.raw("DELETE", delete, None, {"basepath": "/shop"})
    assert (gone.status, gone.json) == (200, {})
    assert stranger.raw("GET", f"{url}/greet").status == 404


def test_what_else_is_in_conflict(owner: Client) -> None:
    owner.ok("PUT", "packages/full", {}, overwrite=True)
    owner.action("full/one")
    text = "Package not empty (contains 1 entity). Set force param or delete package contents."
    check(owner.send("DELETE", "packages/full"), 409, text)
    binding = {"binding": {"namespace": "_", "name": "full"}}
    text = "Resource is a package and cannot be converted into a binding."
    check(owner.send("PUT", "packages/box", binding, overwrite=True), 409, text)
    bound = {"binding": {"namespace": "_", "name": "trigger"}}
    check(owner.send("PUT", "packages/b", bound), 409, "Cannot bind to a resource that is not a package.")
    owner.ok("PUT", "packages/lent", binding, overwrite=True)
    twice = {"binding": {"namespace": "_", "name": "lent"}}
    check(owner.send("PUT", "packages/b", twice), 400, "Cannot bind to another package binding.")
    for method in ("PUT", "DELETE"):
        body = {"exec": EXEC} if method == "PUT" else None
        text = "Operation not permitted on package binding."
        check(owner.send(method, "actions/lent/one", body), 400, text)
    foreign = {"exec": {"kind": "sequence", "components": ["/whisk.system/none"]}}
    check(owner.send("PUT", "actions/s", foreign), 403, FORBIDDEN.format("whisk.system/none"))
    rule = {"trigger": "/whisk.system/t", "action": "/_/action"}
    check(owner.send("PUT", "rules/foreign", rule), 403, FORBIDDEN.format("whisk.system/t"))
    check(owner.send("PUT", "triggers/fed", {"annotations": [{"key": "feed", "value": "a$/b"}]}), 400, FEED)


FEED = "Feed name is not valid"
