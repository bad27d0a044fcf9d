"""From a service's model to a face: parse, check, call one method, render."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any, Protocol

from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, StructureShape

from lambent.faces.call import Call
from lambent.faces.codec_check import Checker
from lambent.faces.codec_json import Json
from lambent.faces.codec_query import Query
from lambent.faces.codec_rest import RestJson
from lambent.faces.errors import ServiceError
from lambent.faces.http import BodyTooLarge, Disconnected, Request, Response
from lambent.faces.verified import Verified
from lambent.model.errors import PlatformError, Throttled, Unavailable
from lambent.model.limits import REQUEST_BYTES

__all__ = ["Call", "Codec", "ServiceError", "describe", "load_model"]

log = logging.getLogger(__name__)

Answer = Callable[[Request, Verified], Awaitable[Response]]
Check = Callable[[Call, str, dict[str, Any]], None]  # raises `ServiceError` for who may not do what


def everybody(call: Call, operation: str, given: dict[str, Any]) -> None:
    """Where nobody guards."""


class Wire(Protocol):
    """One of AWS's protocols, for one service."""

    invalid_code: str
    missing_code: str

    def match(self, request: Request, body: bytes) -> tuple[OperationModel, Mapping[str, str]]: ...

    def read(
        self, operation: OperationModel, labels: Mapping[str, str], request: Request, body: bytes
    ) -> dict[str, Any]: ...

    def write(self, operation: OperationModel, output: dict[str, Any], request_id: str) -> Response: ...

    def write_error(self, error: ServiceError, shape: StructureShape | None, request_id: str) -> Response: ...


_MODELS = Loader()  # one, as it looks up what there is only once
_WIRES: dict[str, Callable[[ServiceModel], Wire]] = {"rest-json": RestJson, "json": Json, "query": Query}


@cache
def describe(service: str) -> dict[str, Any]:
    """A service as botocore's package data has it; nobody changes it."""
    found: dict[str, Any] = _MODELS.load_service_model(service, "service-2")
    return found


def load_model(service: str) -> ServiceModel:
    return ServiceModel(describe(service), service)


class Codec:
    """Everything between HTTP and a face's methods, for one service.

    A face has one method an operation, `await face.get_function(call, input)`; keys are the model's
    member names. `face.errors` gives the codes of `PlatformError`s, `face.refused` the reasons why an
    operation has no method.
    """

    def __init__(
        self,
        service: str,
        *,
        unchecked: frozenset[str] = frozenset(),
        wire: Callable[[ServiceModel], Wire] | None = None,
        model: ServiceModel | None = None,
    ) -> None:
        """`unchecked` names members, and shapes of maps' keys, that the face checks, with words of its own.

        `wire` and `model` are for a service that speaks otherwise than botocore's model says.
        """
        self.service = service
        self.model = model or load_model(service)
        self._wire = (wire or _WIRES[self.model.resolved_protocol])(self.model)
        self._checker = Checker(service, self._wire.invalid_code, unchecked)
        self._methods = {name: xform_name(name) for name in self.model.operation_names}
        self._errors: dict[str, StructureShape] = {}
        for shape in self.model.error_shapes:
            self._errors[shape.name] = self._errors[shape.error_code] = shape

    def bind(self, face: object, check: Check = everybody) -> Answer:
        """A handler of verified requests that calls this face's methods, if `check` lets it."""

        async def answer(request: Request, verified: Verified) -> Response:
            return await self.serve(request, verified, face, check)

        return answer

    async def serve(
        self, request: Request, verified: Verified, face: object, check: Check = everybody
    ) -> Response:
        try:
            return await self._call(request, verified, face, check)
        except Exception as error:
            return self.render_error(error, getattr(face, "errors", {}), request)

    def knows(self, request: Request) -> bool:
        """Whether method and path are those of one of the service's operations."""
        try:
            self._wire.match(request, b"")
        except ServiceError:
            return False
        return True

    def operations(self, face: object) -> dict[str, bool]:
        """Every operation of the service, and whether the face has it."""
        return {name: hasattr(face, method) for name, method in self._methods.items()}

    def render_error(
        self, error: Exception, codes: Mapping[type[PlatformError], str], request: Request
    ) -> Response:
        """The answer for whatever went wrong. What nobody foresaw is logged and told to nobody."""
        known = self._too_large(request) if isinstance(error, BodyTooLarge) else self._known(error, codes)
        if known is None:
            log.error("%s %s failed", self.service, request.id, exc_info=error)
            known = ServiceError(self._internal_code, "An internal error occurred.", 500)
        return self._wire.write_error(known, self._errors.get(known.code), request.id)

    async def _call(self, request: Request, verified: Verified, face: object, check: Check) -> Response:
        body = await request.body.read(REQUEST_BYTES)
        operation, labels = self._wire.match(request, body)
        method = getattr(face, self._methods[operation.name], None)
        if method is None:
            reason = getattr(face, "refused", {}).get(operation.name, "not in this version")
            text = f"{operation.name} of {self.service} is not supported here: {reason}."
            raise ServiceError(self._wire.missing_code, text, 501)
        given = self._wire.read(operation, labels, request, body)
        if operation.input_shape is not None:
            self._checker.check(operation.input_shape, given)
        principal = verified.principal
        trace = request.headers.get("x-amzn-trace-id", "")
        call = Call(
            principal, verified.region, principal.account, request.id, self.service, trace, request.peer
        )
        check(call, operation.name, given)
        output = await method(call, given)
        if isinstance(output, Response):  # an event stream, which goes on after this
            return output
        return self._wire.write(operation, output or {}, request.id)

    def _too_large(self, request: Request) -> ServiceError:
        text = f"Request must be smaller than {REQUEST_BYTES} bytes"
        try:
            operation, _ = self._wire.match(request, b"")
            text += f" for the {operation.name} operation"
        except ServiceError:  # only what the body says would tell the operation
            pass
        return ServiceError("RequestEntityTooLargeException", text, 413)

    def _known(self, error: Exception, codes: Mapping[type[PlatformError], str]) -> ServiceError | None:
        if isinstance(error, ServiceError):
            return error
        if isinstance(error, Disconnected):
            return ServiceError("RequestAbortedException", "The body is incomplete.", 400)
        if not isinstance(error, PlatformError):
            return None
        code = next((codes[kind] for kind in type(error).__mro__ if kind in codes), None)
        if code is None:
            if not isinstance(error, Unavailable):
                return None
            code = self._internal_code
        shape = self._errors.get(code)
        facts = shape.metadata.get("error", {}) if shape is not None else {}
        status = facts.get("httpStatusCode", 500 if isinstance(error, Unavailable) else 400)
        fields = {}
        if isinstance(error, Throttled):
            fields = {"Reason": error.reason, "retryAfterSeconds": str(error.retry_after_s)}
        return ServiceError(code, error.message, status, **fields)

    @property
    def _internal_code(self) -> str:
        return "ServiceException" if "ServiceException" in self._errors else "InternalFailure"
