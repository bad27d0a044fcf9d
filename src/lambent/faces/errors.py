"""Errors that a face answers with, and what each service calls the ways in which a signature fails."""

import enum

import orjson

from lambent.faces.http import Request, Response
from lambent.objects import xml


class ServiceError(Exception):
    """An error with its service's code. `fields` are further members of the error's shape."""

    def __init__(self, code: str, message: str, status: int = 400, **fields: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields


class Fault(enum.Enum):
    """Why a request is not authenticated."""

    MISSING = enum.auto()
    INCOMPLETE = enum.auto()
    UNSUPPORTED = enum.auto()
    UNKNOWN_KEY = enum.auto()
    MISMATCH = enum.auto()
    SKEWED = enum.auto()
    EXPIRED_URL = enum.auto()
    EXPIRED_TOKEN = enum.auto()
    BAD_TOKEN = enum.auto()
    UNSIGNED_HEADERS = enum.auto()


_KEY = "The security token included in the request is invalid."
_MATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret"
    " Access Key and signing method. Consult the service documentation for details."
)
_EXPIRED = "The security token included in the request is expired"
_MISSING = "Missing Authentication Token"
_MATCH_S3 = (
    "The request signature we calculated does not match the signature you provided."
    " Check your key and signing method."
)

# Code, status and message; an empty message is filled in by the place that finds the fault.
_Row = tuple[str, int, str]
_JSON: dict[Fault, _Row] = {
    Fault.MISSING: ("MissingAuthenticationTokenException", 403, _MISSING),
    Fault.INCOMPLETE: ("IncompleteSignatureException", 403, ""),
    Fault.UNSUPPORTED: ("IncompleteSignatureException", 403, "Unsupported AWS 'algorithm'."),
    Fault.UNKNOWN_KEY: ("UnrecognizedClientException", 403, _KEY),
    Fault.MISMATCH: ("InvalidSignatureException", 403, _MATCH),
    Fault.SKEWED: ("InvalidSignatureException", 403, ""),
    Fault.EXPIRED_URL: ("InvalidSignatureException", 403, ""),
    Fault.EXPIRED_TOKEN: ("ExpiredTokenException", 403, _EXPIRED),
    Fault.BAD_TOKEN: ("UnrecognizedClientException", 403, _KEY),
    Fault.UNSIGNED_HEADERS: ("InvalidSignatureException", 403, ""),
}
_QUERY: dict[Fault, _Row] = {
    Fault.MISSING: ("MissingAuthenticationToken", 403, _MISSING),
    Fault.INCOMPLETE: ("IncompleteSignature", 403, ""),
    Fault.UNSUPPORTED: ("IncompleteSignature", 403, "Unsupported AWS 'algorithm'."),
    Fault.UNKNOWN_KEY: ("InvalidClientTokenId", 403, _KEY),
    Fault.MISMATCH: ("SignatureDoesNotMatch", 403, _MATCH),
    Fault.SKEWED: ("SignatureDoesNotMatch", 403, ""),
    Fault.EXPIRED_URL: ("SignatureDoesNotMatch", 403, ""),
    Fault.EXPIRED_TOKEN: ("ExpiredToken", 403, _EXPIRED),
    Fault.BAD_TOKEN: ("InvalidClientTokenId", 403, _KEY),
    Fault.UNSIGNED_HEADERS: ("SignatureDoesNotMatch", 403, ""),
}
_S3: dict[Fault, _Row] = {
    Fault.MISSING: ("AccessDenied", 403, "Access Denied"),
    Fault.INCOMPLETE: ("AuthorizationHeaderMalformed", 400, ""),
    Fault.UNSUPPORTED: (
        "InvalidRequest",
        400,
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    ),
    Fault.UNKNOWN_KEY: (
        "InvalidAccessKeyId",
        403,
        "The AWS Access Key Id you provided does not exist in our records.",
    ),
    Fault.MISMATCH: ("SignatureDoesNotMatch", 403, _MATCH_S3),
    Fault.SKEWED: (
        "RequestTimeTooSkewed",
        403,
        "The difference between the request time and the current time is too large.",
    ),
    Fault.EXPIRED_URL: ("AccessDenied", 403, "Request has expired"),
    Fault.EXPIRED_TOKEN: ("ExpiredToken", 400, "The provided token has expired."),
    Fault.BAD_TOKEN: ("InvalidToken", 400, "The provided token is malformed or otherwise invalid."),
    Fault.UNSIGNED_HEADERS: (
        "AccessDenied",
        403,
        "There were headers present in the request which were not signed",
    ),
}
_FORMS = {"s3": _S3, "sts": _QUERY, "iam": _QUERY}


def refuse(service: str, fault: Fault, detail: str = "") -> ServiceError:
    """The service's own error for a fault; `detail` stands in where the service has no fixed words."""
    code, status, message = _FORMS.get(service, _JSON)[fault]
    return ServiceError(code, message or detail, status)


def render_json(error: ServiceError) -> Response:
    """An error for a service that has no face here."""
    headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", error.code)]
    return Response(error.status, headers, orjson.dumps({"__type": error.code, "message": error.message}))


def render_s3(error: ServiceError, request: Request) -> Response:
    """An error as S3 writes it."""
    fields = [*error.fields.items(), ("Resource", request.path), ("RequestId", request.id)]
    headers = [("Content-Type", "application/xml"), ("x-amz-request-id", request.id)]
    return Response(error.status, headers, xml.error(error.code, error.message, fields))
