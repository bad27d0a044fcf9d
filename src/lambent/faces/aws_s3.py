"""The S3 face: a verified request to the gateway, its answers and errors back as S3 writes them."""

import logging
from collections.abc import AsyncIterable, AsyncIterator
from urllib.parse import parse_qsl, unquote

from lambent.faces.aws_s3_form import FormUploads
from lambent.faces.chunked import open_body
from lambent.faces.errors import ServiceError
from lambent.faces.http import BodyTooLarge, Disconnected, Request, Response
from lambent.faces.verified import Verified
from lambent.model.errors import Forbidden, PlatformError, Throttled, TooLarge, Unavailable
from lambent.model.names import DEFAULT_REGION
from lambent.objects import xml
from lambent.objects.errors import S3Error
from lambent.objects.gateway import Gateway
from lambent.objects.request import Answer, S3Request, host_id

log = logging.getLogger(__name__)

LOCALHOST = ".localhost"
NOT_IMPLEMENTED = 501

# Code and status of what other parts of the platform refuse.
_ERRORS: dict[type[PlatformError], tuple[str, int]] = {
    Forbidden: ("AccessDenied", 403),
    Throttled: ("SlowDown", 503),
    TooLarge: ("EntityTooLarge", 400),
    Unavailable: ("ServiceUnavailable", 503),
}


class S3:
    """Answers every request that is signed for S3, or not signed at all."""

    def __init__(self, gateway: Gateway, forms: FormUploads) -> None:
        self._gateway = gateway
        self._forms = forms

    async def __call__(self, request: Request, verified: Verified) -> Response:
        bucket, key = split_path(request)
        content_type = request.headers.get("content-type", "")
        if request.method == "POST" and not key and content_type.startswith("multipart/form-data"):
            return await self._forms(request, bucket)
        answer = await self._gateway.handle(_s3_request(request, verified, bucket, key))
        return _response(answer)

    def render(self, error: Exception, request: Request) -> Response:
        """Every way in which a request can fail, as S3's error document."""
        code, message, status, fields = _describe(error)
        if status >= 500 and status != NOT_IMPLEMENTED:  # which anybody can ask for
            log.error("S3 %s %s %s failed", request.id, request.method, request.path, exc_info=error)
        where = {"Resource": unquote(request.path), "RequestId": request.id, "HostId": host_id(request.id)}
        headers = [
            ("Content-Type", "application/xml"),
            ("x-amz-request-id", request.id),
            ("x-amz-id-2", host_id(request.id)),
        ]
        return Response(status, headers, xml.error(code, message, [*fields.items(), *where.items()]))


def split_path(request: Request) -> tuple[str, str]:
    """Bucket and key, from the path or from a host such as `bucket.localhost`. Raises InvalidURI."""
    try:
        path = unquote(request.path, errors="strict").removeprefix("/")
    except UnicodeDecodeError:
        raise S3Error("InvalidURI", "Couldn't parse the specified URI.", URI=request.path) from None
    host = request.headers.get("host", "").partition(":")[0]
    if host.endswith(LOCALHOST):
        return host.removesuffix(LOCALHOST), path
    bucket, _, key = path.partition("/")
    return bucket, key


def _s3_request(request: Request, verified: Verified, bucket: str, key: str) -> S3Request:
    body = open_body(request, verified.payload)
    if body.length is None and request.method == "PUT":
        raise S3Error("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
    return S3Request(
        method=request.method,
        bucket=bucket,
        key=key,
        query=dict(parse_qsl(request.query, keep_blank_values=True)),
        headers=request.headers,
        body=body,
        principal=verified.principal,
        region=verified.region or DEFAULT_REGION,
        id=request.id,
        peer=request.peer,
        trailers=body.trailers,
    )


def _response(answer: Answer) -> Response:
    body = answer.body if isinstance(answer.body, bytes) else _pieces(answer.body)
    return Response(answer.status, answer.headers, body)


async def _pieces(body: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """As a generator, because that is what the server closes when the client goes away."""
    try:
        async for piece in body:
            yield piece
    finally:
        if (close := getattr(body, "aclose", None)) is not None:
            await close()


def _describe(error: Exception) -> tuple[str, str, int, dict[str, str]]:
    if isinstance(error, S3Error | ServiceError):
        return error.code, error.message, error.status, error.fields
    if isinstance(error, BodyTooLarge):
        return "MaxMessageLengthExceeded", "Your request was too big.", 400, {}
    if isinstance(error, Disconnected):
        return "IncompleteBody", "The request body terminated unexpectedly", 400, {}
    for kind, (code, status) in _ERRORS.items():
        if isinstance(error, kind):
            return code, error.message, status, {}
    return "InternalError", "We encountered an internal error. Please try again.", 500, {}
