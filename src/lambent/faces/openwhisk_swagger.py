"""The description of OpenWhisk's REST API that a node gives of itself: OpenAPI 2, made from one table."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import orjson

from lambent.faces.http import Request, Response
from lambent.faces.openwhisk_ask import JSON

Object = Mapping[str, Any]
TEXT = {"type": "string"}
_VARIABLE = re.compile(r"{(\w+)}")
COLLECTIONS = ("Actions", "Rules", "Triggers", "Packages")
ACTIVATE = {"Actions": "invokeAction", "Rules": "setState", "Triggers": "fireTrigger"}
LIST = {"limit": "integer", "skip": "integer", "count": "boolean"}
FILTERS = {**LIST, "docs": "boolean", "name": "string", "since": "integer", "upto": "integer"}
WAIT = {"blocking": "boolean", "result": "boolean", "timeout": "integer"}
WEB_VERBS = ("get", "put", "post", "delete", "head", "patch", "options")
ERRORS = {
    400: "Bad request",
    401: "Unauthorized request",
    403: "Forbidden",
    404: "Item not found",
    409: "Conflicting item already exists",
    413: "Request entity too large",
    429: "Too many requests",
    500: "Server error",
}
MEANINGS = {200: "Success", 202: "Accepted", 204: "Nothing to do", 502: "The action ended with an error"}


class Operation(NamedTuple):
    """A row of the table. `given` says whether it has a body, `statuses` what else it answers."""

    path: str
    verb: str
    name: str
    tag: str
    query: Mapping[str, str] = {}
    statuses: tuple[int, ...] = (200,)
    given: bool = False


def document() -> Object:
    paths: dict[str, dict[str, Object]] = {}
    for one in _operations():
        paths.setdefault(one.path, {})[one.verb] = _shown(one)
    error = {"type": "object", "required": ["error", "code"], "properties": {"error": TEXT, "code": TEXT}}
    return {
        "swagger": "2.0",
        "info": {"title": "OpenWhisk REST API", "description": "API for OpenWhisk", "version": "0.1.0"},
        "basePath": "/api/v1",
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "securityDefinitions": {"basicAuth": {"type": "basic"}},
        "security": [{"basicAuth": []}],
        "paths": paths,
        "definitions": {"ErrorMessage": error},
    }


@cache
def _body() -> bytes:
    return orjson.dumps(document())


def answer(request: Request) -> Response:
    return Response(200, [JSON], _body())


def _operations() -> Iterator[Operation]:
    yield Operation("/namespaces", "get", "getAllNamespaces", "Namespaces")
    yield Operation("/namespaces/{namespace}/limits", "get", "getLimits", "Namespaces")
    for tag in COLLECTIONS:
        place, noun = f"/namespaces/{{namespace}}/{tag.lower()}", tag.removesuffix("s")
        yield Operation(place, "get", f"getAll{tag}", tag, LIST)
        yield from _entity(f"{place}/{{{noun.lower()}Name}}", tag, noun)
    place = "/namespaces/{namespace}/actions/{packageName}/"
    yield Operation(place, "get", "getAllPackageActions", "Actions", LIST)
    yield from _entity(f"{place}{{actionName}}", "Actions", "ActionInPackage")
    place = "/namespaces/{namespace}/activations"
    yield Operation(place, "get", "getActivations", "Activations", FILTERS)
    yield Operation(f"{place}/{{activationid}}", "get", "getActivationById", "Activations")
    for part in ("logs", "result"):
        name = f"getActivation{part.capitalize()}"
        yield Operation(f"{place}/{{activationid}}/{part}", "get", name, "Activations")
    for verb in WEB_VERBS:
        place = "/web/{namespace}/{packageName}/{actionName}.{extension}"
        statuses = (200, 202, 204)
        yield Operation(
            place, verb, f"{verb}WebAction", "Actions", {}, statuses, verb in ("put", "post", "patch")
        )


def _entity(place: str, tag: str, noun: str) -> Iterator[Operation]:
    code = {"code": "boolean"} if tag == "Actions" else {}
    force = {"force": "boolean"} if tag == "Packages" else {}
    yield Operation(place, "get", f"get{noun}ByName", tag, code)
    yield Operation(place, "put", f"update{noun}", tag, {"overwrite": "boolean"}, given=True)
    yield Operation(place, "delete", f"delete{noun}", tag, force)
    if tag in ACTIVATE:
        name = ACTIVATE[tag] + noun.removeprefix(tag.removesuffix("s"))
        statuses = {"Actions": (200, 202, 502), "Triggers": (202, 204)}.get(tag, (200,))
        yield Operation(place, "post", name, tag, WAIT if tag == "Actions" else {}, statuses, given=True)


def _shown(one: Operation) -> Object:
    path = [{"name": name, "in": "path", "required": True, **TEXT} for name in _VARIABLE.findall(one.path)]
    query = [
        {"name": name, "in": "query", "required": False, "type": kind} for name, kind in one.query.items()
    ]
    body = [{"name": "body", "in": "body", "schema": {"type": "object"}}] if one.given else []
    fine = {str(status): {"description": MEANINGS[status]} for status in one.statuses}
    schema = {"schema": {"$ref": "#/definitions/ErrorMessage"}}
    wrong = {str(status): {"description": text, **schema} for status, text in ERRORS.items()}
    return {
        "operationId": one.name,
        "tags": [one.tag],
        "summary": re.sub(r"(?<=[a-z])(?=[A-Z])", " ", one.name).capitalize(),
        "parameters": [*path, *query, *body],
        "responses": fine | wrong,
        **({"security": []} if one.path.startswith("/web/") else {}),
    }
