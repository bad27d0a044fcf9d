"""API management as `wsk api` asks for it, as if by web actions, and the gateway to what it makes."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson

from lambent.faces.http import Request, Response
from lambent.faces.openwhisk_ask import ENTITY_BYTES, answer, parse
from lambent.whisk import apis
from lambent.whisk.apis import BadApi
from lambent.whisk.entities import Api
from lambent.whisk.errors import NO_KEY, Refusal, not_found
from lambent.whisk.names import OWN
from lambent.whisk.namespaces import Namespaces
from lambent.whisk.registry import Registry

MANAGEMENT = "/api/v1/web/whisk.system/apimgmt/"
GATEWAY = "/api/v1/gateway/"
SECRET = "x-require-whisk-auth"

Web = Callable[[Request, str], Awaitable[Response]]


class Apis:
    """Makes APIs, and serves them under `/api/v1/gateway/NAMESPACE/BASE`."""

    def __init__(self, namespaces: Namespaces, registry: Registry, web: Web, url: str) -> None:
        self._namespaces = namespaces
        self._registry = registry
        self._web = web
        self._url = url

    async def manage(self, request: Request) -> Response:
        """Whatever is wrong is a 502, as from an action that failed."""
        caller = self._namespaces.authenticate(request.headers.get("authorization", ""))
        if caller is None:
            raise Refusal(401, NO_KEY)
        operation = request.path.removeprefix(MANAGEMENT).removesuffix(".http")
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        own = caller.namespace.name
        try:
            if (operation, request.method) == ("createApi", "POST"):
                body = await parse(await request.body.read(ENTITY_BYTES))
                return answer(await self._create(own, body.get("apidoc")))
            if (operation, request.method) == ("getApi", "GET"):
                return answer(self._get(own, query))
            if (operation, request.method) == ("deleteApi", "DELETE"):
                await self._delete(own, query)
                return answer({})
        except (BadApi, Refusal) as error:
            return answer({"error": str(error)}, 502)
        raise not_found()

    async def serve(self, request: Request, transaction: str) -> Response:
        """A request to an API becomes one to the web action behind its operation."""
        namespace, _, rest = request.path.removeprefix(GATEWAY).partition("/")
        path = unquote(f"/{rest}")
        for api in self._registry.of(unquote(namespace), Api):
            base = api.document["basePath"].rstrip("/")
            method = request.headers.get("access-control-request-method", request.method)
            if path == base or path.startswith(f"{base}/"):
                below = path.removeprefix(base) or "/"
                operation = apis.find_operation(api, below, method)
                if operation is not None:
                    return await self._web(_behind(request, operation, below, api), transaction)
        raise not_found()

    async def _create(self, namespace: str, given: Any) -> Mapping[str, Any]:
        if not isinstance(given, dict):
            raise BadApi("apidoc is a JSON object")
        if "swagger" in given:
            whole = _document(given["swagger"])
            made = apis.from_document(namespace, whole)
        else:
            base = apis.name_of(namespace, str(given.get("gatewayBasePath", "")).rstrip("/") or "/")
            made = apis.add_operation(self._registry.find(base, Api), namespace, given)
        return self._shown(await self._registry.put(made.name, Api, lambda _: made))

    def _get(self, namespace: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        found = [self._shown(api) for api in self._named(namespace, query.get("basepath"))]
        path, method = query.get("relpath"), query.get("operation", "").lower()
        if path is not None:
            found = [
                shown
                for shown in found
                if path in shown["apidoc"]["paths"] and method in ("", *shown["apidoc"]["paths"][path])
            ]
        return {"apis": [{"id": "Not Used", "key": "Not Used", "value": shown} for shown in found]}

    async def _delete(self, namespace: str, query: Mapping[str, str]) -> None:
        found = self._named(namespace, query.get("basepath", ""))
        if not found:
            raise BadApi(f"API deletion failure: API '{query.get('basepath', '')}' does not exist.")
        left = apis.without(found[0], query.get("relpath"), query.get("operation"))
        if left is None:
            await self._registry.delete(found[0].name, Api)
        else:
            await self._registry.put(left.name, Api, lambda _: left)

    def _named(self, namespace: str, wanted: str | None) -> list[Api]:
        """By base path or by title; all without one."""
        every = self._registry.of(namespace, Api)
        if wanted is None:
            return every
        return [a for a in every if wanted in (a.document["basePath"], a.document["info"].get("title"))]

    def _shown(self, api: Api) -> dict[str, Any]:
        return {
            "namespace": "Not Used",
            "gwApiUrl": f"{self._url}{GATEWAY}{api.name.namespace}{api.document['basePath'].rstrip('/')}",
            "gwApiActivated": True,
            "tenantId": "Not Used",
            "apidoc": api.document,
        }


def _document(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    try:
        return orjson.loads(given)
    except orjson.JSONDecodeError as error:
        raise BadApi(f"Swagger file is not valid JSON: {error}") from None


def _behind(request: Request, operation: Mapping[str, Any], path: str, api: Api) -> Request:
    """The same request for the web action. Only `.http` ones see the path."""
    about = operation["x-openwhisk"]
    place = about["url"].partition("/web/")[2]
    if not place:
        raise not_found()
    if place.startswith(f"{OWN}/"):
        place = api.name.namespace + place.removeprefix(OWN)
    rest = path if place.endswith(".http") else ""
    headers = {**request.headers, **({SECRET: str(about["secureKey"])} if "secureKey" in about else {})}
    return replace(request, path=f"/api/v1/web/{place}{rest}", headers=headers)
