"""S3's presigned URL of signature version 2, which boto3 still makes in us-east-1."""

import base64
import hmac
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, unquote

from botocore.auth import HmacV1Auth

from lambent.faces.errors import Fault, ServiceError, refuse
from lambent.faces.http import Request
from lambent.faces.verified import Verified
from lambent.model.identity import Credential

_RESOURCES = frozenset(HmacV1Auth.QSAOfInterest)  # query parameters that are signed with the path

FindCredential = Callable[[str, str | None, str], Credential]


def verify_version2(request: Request, find: FindCredential, now: float) -> Verified:
    """Who signed. The region stays empty: version 2 does not name it. Raises `ServiceError`."""
    values = dict(parse_qsl(request.query, keep_blank_values=True))
    expires, given = values.get("Expires", ""), values.get("Signature", "")
    if not (expires.isascii() and expires.isdigit()):
        raise ServiceError("AccessDenied", "Invalid date (should be seconds since epoch)", 403)
    if now > int(expires):
        raise refuse("s3", Fault.EXPIRED_URL)
    credential = find(values.get("AWSAccessKeyId", ""), values.get("x-amz-security-token"), "s3")
    text = signed_text(request, values, expires)
    expected = base64.b64encode(hmac.digest(credential.secret_key.encode(), text.encode(), "sha1"))
    if not hmac.compare_digest(expected, given.encode()):
        raise refuse("s3", Fault.MISMATCH)
    return Verified(credential.principal, "", "s3", credential.access_key)


def signed_text(request: Request, values: Mapping[str, str], expires: str) -> str:
    """What version 2 signs. boto3 moves the headers that it signs into the query."""
    headers = request.headers
    amz = {n: v for n, v in (*headers.items(), *values.items()) if n.startswith("x-amz-")}
    lines = [
        request.method,
        values.get("content-md5") or headers.get("content-md5", ""),
        values.get("content-type") or headers.get("content-type", ""),
        expires,
        *(f"{name}:{amz[name].strip()}" for name in sorted(amz)),
    ]
    parts = (part.partition("=") for part in request.query.split("&"))
    resource = sorted((name, sep, unquote(value)) for name, sep, value in parts if name in _RESOURCES)
    query = "&".join(f"{name}{sep}{value}" for name, sep, value in resource)
    return "\n".join(lines) + f"\n{request.path}" + (f"?{query}" if query else "")
