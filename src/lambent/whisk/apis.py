"""APIs over web actions: an OpenAPI document for each base path of a namespace."""

import re
from collections.abc import Mapping
from typing import Any

from lambent.whisk.entities import Api
from lambent.whisk.names import Name

Document = dict[str, Any]

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
_VARIABLE = re.compile(r"\\\{[^/]+?\\\}")


class BadApi(Exception):
    """An API that cannot be made, or is not there."""


def name_of(namespace: str, base: str) -> Name:
    """What the API of a base path is kept under: a name that no other entity can have."""
    return Name(namespace, f"API:{base}")


def from_document(namespace: str, swagger: Any) -> Api:
    """The API that a client describes whole. Raises `BadApi`."""
    if not isinstance(swagger, dict) or not isinstance(swagger.get("paths"), dict):
        raise BadApi("Swagger is missing or has no paths")
    base = _base(swagger.get("basePath"))
    for path, operations in swagger["paths"].items():
        if not isinstance(operations, dict):
            raise BadApi(f"{path} has no operations")
        for method, operation in _operations(operations):
            about = operation.get("x-openwhisk") if isinstance(operation, dict) else None
            if not isinstance(about, dict) or not isinstance(about.get("url"), str):
                raise BadApi(f"x-openwhisk of {method} {path} has no url")
    info = swagger["info"] if isinstance(swagger.get("info"), dict) else {}
    whole = {"swagger": "2.0", **swagger, "basePath": base, "info": info}
    return Api(name=name_of(namespace, base), document=whole)


def add_operation(before: Api | None, namespace: str, given: Mapping[str, Any]) -> Api:
    """An API with one more operation, or a new API with that one. Raises `BadApi`."""
    missing = [
        key for key in ("gatewayBasePath", "gatewayPath", "gatewayMethod", "action") if not given.get(key)
    ]
    if missing:
        raise BadApi(f"apidoc is missing the {missing[0]} field")
    base, path, method = (
        _base(given["gatewayBasePath"]),
        str(given["gatewayPath"]),
        str(given["gatewayMethod"]),
    )
    if method.lower() not in METHODS or not path.startswith("/"):
        raise BadApi(f"{method} {path} is no operation of an API")
    action = given["action"]
    if not isinstance(action, dict) or "name" not in action:
        raise BadApi("apidoc is missing the action.name field")
    package, _, name = str(action["name"]).rpartition("/")
    own = "" if action.get("namespace") in (None, "_") else str(action["namespace"])
    operation_id = f"{method.lower()}{re.sub('[^A-Za-z0-9]', '', path.title())}"
    operation: Document = {
        "operationId": operation_id,
        "parameters": given.get("pathParameters", []),
        "responses": {"default": {"description": "Default response"}},
        "x-openwhisk": {
            "namespace": own or namespace,
            "package": package or "default",
            "action": name,
            "url": str(action["backendUrl"]),
        },
    }
    if action.get("secureKey"):
        operation["x-openwhisk"]["secureKey"] = action["secureKey"]
    title = given.get("apiName") or base
    old: Document = dict(before.document) if before else {"info": {"title": title, "version": "1.0.0"}}
    paths = {**old.get("paths", {})}
    paths[path] = {**paths.get(path, {}), method.lower(): operation}
    return Api(name=name_of(namespace, base), document=_assembled({**old, "basePath": base, "paths": paths}))


def without(api: Api, path: str | None, method: str | None) -> Api | None:
    """The API without a path or an operation of it; None when nothing is left. Raises `BadApi`."""
    paths = {where: dict(operations) for where, operations in api.document["paths"].items()}
    if path is None:
        return None
    if path not in paths:
        raise BadApi(f"API deletion failure: Path '{path}' does not exist")
    if method is None:
        del paths[path]
    elif paths[path].pop(method.lower(), None) is None:
        raise BadApi(f"API deletion failure: Path '{path}' has no {method} operation")
    paths = {where: operations for where, operations in paths.items() if operations}
    return Api(name=api.name, document=_assembled({**api.document, "paths": paths})) if paths else None


def find_operation(api: Api, path: str, method: str) -> Mapping[str, Any] | None:
    """What serves a path below the base path; what is written out goes before what has variables."""
    paths = sorted(api.document["paths"].items(), key=lambda item: item[0].count("{"))
    for template, operations in paths:
        pattern = _VARIABLE.sub("[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in operations:
            found: Mapping[str, Any] = operations[method.lower()]
            return found
    return None


def _assembled(document: Document) -> Document:
    """With what API gateways read: which operation leads where."""
    cases = [
        {
            "operations": [operation["operationId"]],
            "execute": [{"invoke": {"target-url": operation["x-openwhisk"]["url"], "verb": "keep"}}],
        }
        for operations in document["paths"].values()
        for _, operation in _operations(operations)
    ]
    assembly = {"execute": [{"operation-switch": {"case": cases}}]}
    return {
        "swagger": "2.0",
        **document,
        "x-ibm-configuration": {"assembly": assembly, "cors": {"enabled": True}},
    }


def _operations(operations: Mapping[str, Any]) -> list[tuple[str, Document]]:
    return [(method, operation) for method, operation in operations.items() if method in METHODS]


def _base(given: Any) -> str:
    if not isinstance(given, str) or not given.startswith("/"):
        raise BadApi("The base path of an API begins with a slash")
    return given.rstrip("/") or "/"
