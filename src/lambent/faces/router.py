"""Which face a request is for; here, and nowhere else, its signature is checked."""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping

import orjson

from lambent.faces.codec import Check, Codec, everybody
from lambent.faces.errors import Fault, ServiceError, refuse, render_json, render_s3
from lambent.faces.http import BodyTooLarge, Handler, Request, Response
from lambent.faces.signature import Verifier
from lambent.faces.verified import UNSIGNED_PAYLOAD, Verified
from lambent.model.errors import PlatformError
from lambent.model.identity import ANONYMOUS, Principal

log = logging.getLogger(__name__)

RESERVED = "/_lambent/"
HEALTH = "/_lambent/health"

Face = Callable[[Request, Verified], Awaitable[Response]]
Render = Callable[[Exception, Request], Response]
Invoke = Callable[[Request, Principal, str], Awaitable[Response]]
Admin = Callable[[Request, Principal], Awaitable[Response]]

_INVOKE_START = "/2015-03-31/functions/"
_INVOKE_END = "/invocations"
_STREAM_START = "/2021-11-15/functions/"
_STREAM_END = "/response-streaming-invocations"
_CREDENTIAL = re.compile(r"Credential=[^,&]*?(?:/|%2F)([a-z0-9-]+)(?:/|%2F)aws4_request")
_UNSIGNED = Verified(ANONYMOUS, "", "s3", "", UNSIGNED_PAYLOAD)


class Router:
    """Faces by the name that their service signs with; `check` guards their operations."""

    def __init__(self, verifier: Verifier, check: Check = everybody) -> None:
        self._verifier = verifier
        self._check = check
        self._faces: dict[str, Face] = {}
        self._renders: dict[str, Render] = {}
        self._codecs: dict[str, Codec] = {}
        self._invoke: Face | None = None
        self._stream: Face | None = None
        self._admin: dict[str, Admin] = {}
        self._unsigned: dict[str, Handler] = {}
        self._index: Handler | None = None
        self._public: dict[str, Handler] = {}
        self._hosts: dict[str, Handler] = {}

    def add_service(self, codec: Codec, face: object) -> None:
        """A face that botocore's model of its service describes."""
        name = codec.model.signing_name
        codes: Mapping[type[PlatformError], str] = getattr(face, "errors", {})
        self._codecs[name] = codec
        self.add(
            name,
            codec.bind(face, self._check),
            lambda error, request: codec.render_error(error, codes, request),
        )

    def add(self, service: str, face: Face, render: Render) -> None:
        """A face that reads its requests itself; `render` makes answers of errors."""
        self._faces[service] = face
        self._renders[service] = render

    def add_invoke(self, invoke: Invoke, stream: Invoke | None = None) -> None:
        """Where Lambda's invocations go, past its service's model; `stream` takes those that are streamed."""
        self._invoke = _face(invoke)
        self._stream = _face(stream) if stream is not None else None

    def add_admin(self, admin: Admin, prefix: str = RESERVED) -> None:
        """Everything under /_lambent/, or under a part of it. Only health is answered unsigned."""
        self._admin[prefix] = admin

    def add_index(self, handler: Handler) -> None:
        """What `GET /` is answered with unless it is signed, for clients that look there for an API."""
        self._index = handler

    def add_unsigned(self, prefix: str, handler: Handler) -> None:
        """Paths of an API that knows its callers by other means; what is signed there is meant for S3."""
        self._unsigned[prefix] = handler

    def add_public(self, prefix: str, handler: Handler) -> None:
        """Paths under /_lambent/ that need no signature; the handler knows why not."""
        self._public[prefix] = handler

    def add_host(self, part: str, handler: Handler) -> None:
        """Hosts with this in their names, whatever is asked of them."""
        self._hosts[part] = handler

    async def __call__(self, request: Request) -> Response:
        host = request.headers.get("host", "")
        for part, handler in self._hosts.items():
            if part in host:
                return await handler(request)
        if request.path.startswith(RESERVED):
            if request.path == HEALTH:
                return await self._answer_reserved(request, ANONYMOUS)
            for prefix, handler in self._public.items():
                if request.path.startswith(prefix):
                    return await handler(request)
        try:
            verified = await self._verifier.verify(request)
        except (ServiceError, BodyTooLarge) as error:
            return self._render(self._guess(request), error, request)
        if verified is None:
            return await self._route_unsigned(request)
        service, path = verified.service, request.path
        if path.startswith(RESERVED) and service != "s3":
            return await self._answer_reserved(request, verified.principal)
        face = self._faces.get(service)
        if service == "lambda" and request.method == "POST":
            if is_invoke(path):
                face = self._invoke or face
            elif is_stream(path):
                face = self._stream or face
        if face is None:
            text = f"The service {service!r} is not served here; {', '.join(sorted(self._faces))} are."
            return render_json(ServiceError("UnknownOperationException", text, 404))
        return await self._call(face, request, verified)

    async def _route_unsigned(self, request: Request) -> Response:
        """Public objects and forms are S3's; every other service wants a signature."""
        for prefix, handler in self._unsigned.items():
            if request.path == prefix or request.path.startswith(f"{prefix}/"):
                return await handler(request)
        if self._index is not None and (request.method, request.path, request.query) == ("GET", "/", ""):
            return await self._index(request)
        service = self._guess(request)
        face = self._faces.get(service)
        if service == "s3" and face is not None:
            return await self._call(face, request, _UNSIGNED)
        return self._render(service, refuse(service, Fault.MISSING), request)

    async def _call(self, face: Face, request: Request, verified: Verified) -> Response:
        try:
            return await face(request, verified)
        except Exception as error:
            return self._render(verified.service, error, request)

    async def _answer_reserved(self, request: Request, principal: Principal) -> Response:
        prefixes = [prefix for prefix in self._admin if request.path.startswith(prefix)]
        if prefixes:
            return await self._admin[max(prefixes, key=len)](request, principal)
        if request.path == HEALTH:
            return Response(200, [("Content-Type", "application/json")], orjson.dumps({"status": "ok"}))
        return render_json(ServiceError("NotFound", f"{request.path} is not served here.", 404))

    def _render(self, service: str, error: Exception, request: Request) -> Response:
        render = self._renders.get(service)
        if render is not None:
            return render(error, request)
        if isinstance(error, BodyTooLarge):
            raise error
        if not isinstance(error, ServiceError):
            log.error("%s %s failed", service, request.id, exc_info=error)
            error = ServiceError("InternalFailure", "An internal error occurred.", 500)
        return render_s3(error, request) if service == "s3" else render_json(error)

    def _guess(self, request: Request) -> str:
        """The service that a request without a good signature means, so that it can read the refusal."""
        headers = request.headers
        found = _CREDENTIAL.search(headers.get("authorization", "")) or _CREDENTIAL.search(request.query)
        if found is not None:
            return found[1]
        if request.path.startswith(RESERVED):
            return "lambda"
        if target := headers.get("x-amz-target", ""):
            return self._service_of(target)
        if request.path == "/" and headers.get("content-type", "").startswith(
            "application/x-www-form-urlencoded"
        ):
            return "sts"
        codec = self._codecs.get("lambda")
        if codec is not None and codec.knows(request):
            return "lambda"
        return "s3"

    def _service_of(self, target: str) -> str:
        """The service whose X-Amz-Target this is."""
        prefix = target.partition(".")[0]
        for name, codec in self._codecs.items():
            if codec.model.metadata.get("targetPrefix") == prefix:
                return name
        return ""


def _face(invoke: Invoke) -> Face:
    async def call(request: Request, verified: Verified) -> Response:
        return await invoke(request, verified.principal, verified.region)

    return call


def is_stream(path: str) -> bool:
    return path.startswith(_STREAM_START) and path.endswith(_STREAM_END) and path.count("/") == 4


def is_invoke(path: str) -> bool:
    return (
        path.startswith(_INVOKE_START)
        and path.endswith(_INVOKE_END)
        and path.count("/") == _INVOKE_START.count("/") + _INVOKE_END.count("/")
    )
