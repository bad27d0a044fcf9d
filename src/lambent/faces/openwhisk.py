"""OpenWhisk's REST API: who calls, which operation is meant, and the form of every refusal."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from random import getrandbits
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote

from lambent.faces import openwhisk_swagger
from lambent.faces.http import Disconnected, Request, Response
from lambent.faces.openwhisk_apis import GATEWAY, MANAGEMENT, Apis
from lambent.faces.openwhisk_ask import CORS, Ask, answer, refusal
from lambent.faces.openwhisk_info import Info, limits_document
from lambent.model.errors import InvalidParameter, PlatformError, Throttled, Unavailable
from lambent.whisk.errors import NO_KEY, Refusal, malformed
from lambent.whisk.names import OWN, check_namespace
from lambent.whisk.namespaces import Identity, Namespaces

log = logging.getLogger(__name__)

BASE = "/api/v1"
WEB = f"{BASE}/web/"
HOST = ".openwhisk."
INDEX = "/public/index.html"
DOCUMENTS = (("api-docs",), ("api-docs", ""), ("docs",), ("docs", ""))  # OpenWhisk has a page for /docs
UNKNOWN = "The requested resource could not be found."
UNSUPPORTED = "HTTP method not allowed, supported methods: {}"
BAD_KEY = "The supplied authentication is invalid"
BROKEN = "There was an internal server error."
VERBS = {"PUT": "put", "GET": "get", "DELETE": "delete", "POST": "post"}
Operation = Callable[[Ask], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class OpenWhisk:
    """Answers everything under `/api/v1`. A collection has a method for each verb that it knows."""

    namespaces: Namespaces
    collections: Mapping[str, Any]
    info: Info
    web: Callable[[Request, str], Awaitable[Response]]
    apis: Apis

    async def __call__(self, request: Request) -> Response:
        transaction = transaction_of(request)
        try:
            if request.path.startswith(MANAGEMENT):
                response = await self.apis.manage(request)
            elif request.path.startswith(WEB):
                response = await self.web(request, transaction)
            elif request.path.startswith(GATEWAY):
                response = await self.apis.serve(request, transaction)
            else:
                response = await self._serve(request, transaction)
                response.headers.extend(CORS)
        except Refusal as error:
            response = refusal(error, transaction)
        except PlatformError as error:
            response = refusal(_platform(error), transaction)
        except Disconnected:
            raise
        except Exception:
            log.exception("openwhisk %s failed", transaction)
            response = refusal(Refusal(500, BROKEN), transaction)
        response.headers.append(("X-Request-ID", transaction))
        return response

    async def by_host(self, request: Request) -> Response:
        """`http://NAMESPACE.openwhisk.HOST/PACKAGE/ACTION` is a web action; without a path its index."""
        namespace = request.headers["host"].partition(HOST)[0]
        path = INDEX if request.path == "/" else request.path
        return await self(replace(request, path=f"{WEB}{namespace}{path}"))

    async def _serve(self, request: Request, transaction: str) -> Response:
        if request.method == "OPTIONS":
            return Response(200)
        parts = _parts(request.path)
        if not parts or parts == ("",):
            return self.info.api(request)
        if parts in DOCUMENTS:
            return openwhisk_swagger.answer(request)
        if parts[0] != "namespaces":
            raise Refusal(404, UNKNOWN)
        identity = self._authenticate(request)
        if parts[1:] in ((), ("",)):
            _check_verb(request, "GET")
            return answer([identity.namespace.name])
        ask = Ask(request, transaction, _query(request.query), identity)
        ask.namespace = identity.namespace.name if parts[1] == OWN else check_namespace(parts[1])
        return await self._route(ask, parts[2:])

    async def _route(self, ask: Ask, path: tuple[str, ...]) -> Response:
        if path in (("limits",), ("limits", "")):
            _check_verb(ask.request, "GET")
            ask.check_own()
            return answer(limits_document(ask.identity.namespace))
        collection = self.collections.get(path[0]) if path else None
        if collection is None:
            raise Refusal(404, UNKNOWN)
        ask.collection, ask.path = path[0], path[1:]
        if ask.path in ((), ("",)) or (len(ask.path) == 2 and not ask.path[1] and collection.deepest > 1):
            _check_verb(ask.request, "GET")
            response: Response = await collection.list(ask)
            return response
        if not ask.path[-1]:
            ask.path = ask.path[:-1]
        if len(ask.path) > collection.deepest:
            raise Refusal(404, UNKNOWN)
        method = VERBS.get(ask.request.method, "")
        operation: Operation | None = getattr(collection, method, None) if method else None
        if operation is None:
            known = [verb for verb, name in VERBS.items() if hasattr(collection, name)]
            raise Refusal(405, UNSUPPORTED.format(", ".join(known)))
        return await operation(ask)

    def _authenticate(self, request: Request) -> Identity:
        header = request.headers.get("authorization")
        if header is None:
            raise Refusal(401, NO_KEY)
        identity = self.namespaces.authenticate(header)
        if identity is None:
            raise Refusal(401, BAD_KEY)
        return identity


@lru_cache(maxsize=4096)
def _parts(path: str) -> tuple[str, ...]:
    """What follows `/api/v1`, decoded part by part."""
    return tuple(map(unquote, path.removeprefix(BASE).split("/")[1:]))


@lru_cache(maxsize=1024)
def _query(text: str) -> Mapping[str, str]:
    return MappingProxyType(dict(parse_qsl(text, keep_blank_values=True)))


def transaction_of(request: Request) -> str:
    """The client's own id of the request, or a new one."""
    given = request.headers.get("x-request-id", "")
    if (
        given
        and not given.startswith("sid_")
        and given.isascii()
        and given.isprintable()
        and len(given) < 256
    ):
        return given
    return f"{getrandbits(128):032x}"


def _check_verb(request: Request, verb: str) -> None:
    if request.method not in (verb, "HEAD"):
        raise Refusal(405, UNSUPPORTED.format(verb))


def _platform(error: PlatformError) -> Refusal:
    if isinstance(error, InvalidParameter):
        return malformed(error.message)
    if isinstance(error, Throttled):
        return Refusal(429, error.message)
    return Refusal(503 if isinstance(error, Unavailable) else 500, error.message)
