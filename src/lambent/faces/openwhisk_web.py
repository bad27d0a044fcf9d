"""Web actions: actions that answer plain HTTP requests."""

from dataclasses import dataclass
from hmac import compare_digest
from typing import Any
from urllib.parse import unquote

from lambent.faces.http import BodyTooLarge, Request, Response
from lambent.faces.openwhisk_ask import answer
from lambent.faces.openwhisk_invoke import ID, PAYLOAD_BYTES, WAIT_MS, Invocations
from lambent.faces.openwhisk_projection import MEDIA, project
from lambent.faces.openwhisk_web_input import read_input
from lambent.whisk.activation import Activation, Status
from lambent.whisk.call import Call
from lambent.whisk.errors import NO_KEY, Refusal, not_found
from lambent.whisk.names import OWN, SEGMENT, Name
from lambent.whisk.namespaces import Identity, Namespaces
from lambent.whisk.registry import Registry
from lambent.whisk.resolve import Resolved, resolve

PREFIX = "/api/v1/web/"
DEFAULT = "default"  # the package of actions without one
ALLOWED = "Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent"
SECRET = "x-require-whisk-auth"
NOT_READY = "Response not yet ready."
FAILED = "There was an error processing your request."


@dataclass(frozen=True, slots=True)
class Target:
    """What a path means."""

    name: Name
    extension: str
    rest: str  # of the path, for the action


class WebActions:
    """Answers everything under `/api/v1/web/`. What runs is charged to the action's owner."""

    def __init__(self, namespaces: Namespaces, registry: Registry, invocations: Invocations) -> None:
        self._namespaces = namespaces
        self._registry = registry
        self._invocations = invocations

    async def __call__(self, request: Request, transaction: str) -> Response:
        caller = self._namespaces.authenticate(request.headers.get("authorization", ""))
        target = _target(request.path.removeprefix(PREFIX), caller)
        owner = self._namespaces.owner(target.name.namespace)
        if owner is None:
            raise not_found()
        resolved = self._resolve(target.name, owner)
        if request.method == "OPTIONS" and not _own_options(resolved):
            return Response(200, _cors(request))
        try:
            response = await self._run(request, transaction, target, resolved, owner, caller)
        except Refusal as error:
            response = _refusal(error, transaction)
        if not _own_options(resolved):
            response.headers.extend(_cors(request))
        return response

    def _resolve(self, name: Name, owner: Identity) -> Resolved:
        """Whatever is wrong with it, it is not there."""
        try:
            resolved = resolve(self._registry, name, owner)
        except Refusal:
            raise not_found() from None
        if resolved.action.annotation("web-export") is not True:
            raise not_found()
        return resolved

    async def _run(
        self,
        request: Request,
        transaction: str,
        target: Target,
        resolved: Resolved,
        owner: Identity,
        caller: Identity | None,
    ) -> Response:
        _check_secret(resolved, request, caller)
        try:
            body = await request.body.read(PAYLOAD_BYTES)
        except BodyTooLarge:
            size = request.body.length or PAYLOAD_BYTES + 1
            raise Refusal(413, f"Request larger than allowed: {size} > {PAYLOAD_BYTES} bytes.") from None
        user = caller.namespace.name if caller else None
        payload = read_input(request, body, target.rest, user, resolved)
        call = Call(resolved=resolved, identity=owner, payload=payload, transaction=transaction)
        self._invocations.admit(owner)
        activation = await self._invocations.wait(call, WAIT_MS / 1000)
        if activation is None:
            return answer({"code": transaction, "error": NOT_READY}, 202, (ID, call.id))
        try:
            response = _project(activation, target.extension)
        except Refusal as error:
            response = _refusal(error, transaction)
        response.headers.append((ID, call.id))
        return response


def _target(path: str, caller: Identity | None) -> Target:
    """NAMESPACE/PACKAGE/ACTION[.EXTENSION][/REST]. Raises `Refusal` when it is too short."""
    parts = path.split("/", 3)
    if len(parts) < 3 or not all(parts[:3]):
        raise not_found()
    namespace, package, name = map(unquote, parts[:3])
    extension = next((one for one in MEDIA if name.endswith(one)), "")
    name = name.removesuffix(extension)
    if namespace == OWN and caller is not None:
        namespace = caller.namespace.name
    if not all(SEGMENT.fullmatch(part) for part in (namespace, package, name)):
        raise not_found()
    rest = f"/{unquote(parts[3])}" if len(parts) > 3 else ""
    return Target(Name(namespace, name, "" if package == DEFAULT else package), extension or ".http", rest)


def _own_options(resolved: Resolved) -> bool:
    return resolved.action.annotation("web-custom-options") is True


def _check_secret(resolved: Resolved, request: Request, caller: Identity | None) -> None:
    """Raises `Refusal` when the action asks for a key or a secret that did not come."""
    wanted: Any = resolved.action.annotation("require-whisk-auth")
    if wanted is None or wanted is False or (request.method == "OPTIONS" and _own_options(resolved)):
        return
    given = request.headers.get(SECRET, "")
    known = caller is not None if wanted is True else compare_digest(given.encode(), str(wanted).encode())
    if not known:
        raise Refusal(401, NO_KEY)


def _project(activation: Activation, extension: str) -> Response:
    response = activation.response
    if response.status not in (Status.SUCCESS, Status.APPLICATION_ERROR):
        raise Refusal(400, FAILED)
    if response.result.startswith(b"["):
        raise Refusal(500, "There was an internal server error.")
    return project(response, extension)


def _refusal(error: Refusal, transaction: str) -> Response:
    """Without the realm of the API's refusals, by which a browser would ask its user for a key."""
    return answer({"code": transaction, "error": error.message}, error.status)


def _cors(request: Request) -> list[tuple[str, str]]:
    wanted = request.headers.get("access-control-request-headers")
    return [
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Methods", "OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH"),
        ("Access-Control-Allow-Headers", wanted or ALLOWED),
    ]
