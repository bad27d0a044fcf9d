"""The operator's side of the OpenWhisk face, for `lambent whisk`: users, keys and limits of an account."""

import logging
from collections.abc import Mapping
from typing import Any

import orjson

from lambent.faces.http import Request, Response
from lambent.faces.openwhisk_ask import answer, parse
from lambent.model.errors import PlatformError
from lambent.model.identity import Principal, PrincipalKind
from lambent.whisk.errors import Refusal
from lambent.whisk.namespaces import Key, Namespaces
from lambent.whisk.system import System

log = logging.getLogger(__name__)

PREFIX = "/_lambent/whisk/"
BODY_BYTES = 64 * 1024


class OpenWhiskAdmin:
    """`users`, `users/SUBJECT` and `limits/NAMESPACE`; only an account's own key may come here."""

    def __init__(self, namespaces: Namespaces, system: System, region: str) -> None:
        self._namespaces = namespaces
        self._system = system
        self._region = region

    async def __call__(self, request: Request, principal: Principal) -> Response:
        if principal.kind is not PrincipalKind.ROOT:
            return answer({"message": "Sign the request with a root key of this node (SigV4)."}, 403)
        page, _, name = request.path.removeprefix(PREFIX).partition("/")
        body = await request.body.read(BODY_BYTES)
        try:
            content = await parse(body) if body else {}
            if page == "users":
                return await self._users(request.method, name, content, principal.account)
            if page == "limits" and name:
                return await self._limits(request.method, name, content, principal.account)
        except Refusal as error:
            return answer({"message": error.message}, error.status)
        except (PlatformError, OSError) as error:  # its operator may know what it is about
            log.exception("%s %s failed", request.method, request.path)
            return answer({"message": f"{type(error).__name__}: {error}"}, 500)
        return answer({"message": f"{PREFIX} has users and limits/NAMESPACE, but no {page!r}."}, 404)

    async def _users(self, method: str, subject: str, content: Mapping[str, Any], account: str) -> Response:
        if method == "GET":
            keys = [k for k in self._namespaces.keys(account) if subject in ("", k.subject)]
            if subject and not keys:
                raise Refusal(404, f"Subject {subject} does not exist")
            return answer([_shown(key) for key in keys])
        if method == "PUT" and subject:
            await self._system.install(self._region)  # first, so that a user who is there has all of it
            namespace = content.get("namespace") or subject
            key = await self._namespaces.create(
                subject, namespace, account, self._region, content.get("auth")
            )
            return answer(_shown(key))
        if method == "POST" and subject:
            keys = await self._namespaces.block(subject, account, bool(content.get("blocked")))
            return answer([_shown(key) for key in keys])
        if method == "DELETE" and subject:
            keys = await self._namespaces.delete(subject, account)
            return answer([_shown(key) for key in keys])
        return answer({"message": f"{method} is not served here."}, 405)

    async def _limits(self, method: str, name: str, content: Mapping[str, Any], account: str) -> Response:
        namespace = self._namespaces.get(name)
        if namespace is None or namespace.account != account:
            raise Refusal(404, f"Namespace {name} does not exist")
        if method == "PUT":
            namespace = await self._namespaces.limit(name, account, content)
        elif method != "GET":
            return answer({"message": f"{method} is not served here."}, 405)
        return answer(orjson.Fragment(orjson.dumps(namespace.own_limits)))


def _shown(key: Key) -> Mapping[str, Any]:
    return {
        "subject": key.subject,
        "namespace": key.namespace,
        "auth": key.auth,
        "blocked": key.blocked,
    }
