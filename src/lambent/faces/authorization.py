"""What a request says about its own signature: credential scope, signed headers, time, payload."""

import base64
import calendar
import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache

from lambent.faces.errors import Fault, ServiceError, refuse

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
STREAMING_PREFIX = "STREAMING-"
SKEW_S = 300
SKEW_S3_S = 900
PRESIGNED_MAX_S = 7 * 24 * 3600

_HEX64 = re.compile(r"[0-9a-f]{64}")
_REGION = re.compile(r"[a-z0-9-]{1,32}")
_TIMESTAMP = re.compile(r"\d{8}T\d{6}Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature says it was made with."""

    access_key: str
    date: str
    region: str
    service: str
    signed: tuple[str, ...]  # names of the signed headers
    text: str  # DATE/REGION/SERVICE/aws4_request
    signed_text: str


def split_authorization(header: str) -> tuple[Scope, str]:
    """Scope and signature of an Authorization header. Raises `ServiceError`."""
    start, _, signature = header.rpartition("Signature=")
    if "," in signature or len(start) > 1024:
        return _parse_authorization(header)
    return _parse_start(start), signature


@lru_cache(maxsize=4096)
def _parse_start(start: str) -> Scope:
    """What stands before the signature is the same all day for one client."""
    return _parse_authorization(start + "Signature=")[0]


def _parse_authorization(header: str) -> tuple[Scope, str]:
    parts = (part.strip().partition("=") for part in header[len(ALGORITHM) :].split(","))
    fields = {name: value for name, _, value in parts}
    missing = [name for name in ("Credential", "SignedHeaders", "Signature") if name not in fields]
    if missing:
        service = _service_of(fields.get("Credential", ""))
        hashed = base64.b64encode(hashlib.sha256(header.encode()).digest()).decode()
        text = " ".join(f"Authorization header requires '{name}' parameter." for name in missing)
        text += f" (Hashed with SHA-256 and encoded with Base64) Authorization={hashed}"
        raise refuse(service, Fault.INCOMPLETE, text)
    return parse_credential(fields["Credential"], fields["SignedHeaders"]), fields["Signature"]


def _service_of(credential: str) -> str:
    """The service that even half a credential names, so that the refusal comes in its form."""
    parts = credential.split("/")
    return parts[-2] if len(parts) > 1 else ""


def parse_credential(credential: str, signed: str) -> Scope:
    """`KEY/DATE/REGION/SERVICE/aws4_request` and `host;x-amz-date`. Raises `ServiceError`."""
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or parts[4] != "aws4_request":
        text = "Credential must have exactly 5 slash-delimited elements, the last of them aws4_request"
        raise refuse("s3" if "/s3/" in credential else "", Fault.INCOMPLETE, text)
    if not _REGION.fullmatch(parts[2]):
        raise refuse(parts[3], Fault.INCOMPLETE, "Credential should be scoped to a valid region.")
    names = signed.lower()
    access_key, date, region, service, _ = parts
    return Scope(access_key, date, region, service, tuple(names.split(";")), "/".join(parts[1:]), names)


def presigned_scope(values: Mapping[str, str]) -> Scope:
    missing = [n for n in ("X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Date") if n not in values]
    if missing:
        service = _service_of(values.get("X-Amz-Credential", "")) or "s3"
        raise query_error(
            service, f"Query-string authentication version 4 requires the {missing[0]} parameter"
        )
    return parse_credential(values["X-Amz-Credential"], values["X-Amz-SignedHeaders"])


def query_error(service: str, text: str) -> ServiceError:
    if service == "s3":
        return ServiceError("AuthorizationQueryParametersError", text, 400)
    return refuse(service, Fault.INCOMPLETE, text)


def check_signed_headers(scope: Scope, headers: Mapping[str, str]) -> None:
    """Nobody on the way may add what changes the request's meaning."""
    loose = [n for n in headers if n[:6] == "x-amz-" and n not in scope.signed]
    if "host" not in scope.signed:
        loose.append("host")
    if loose:
        text = f"'{loose[0]}' must be a 'SignedHeader' in the AWS Authorization."
        raise refuse(scope.service, Fault.UNSIGNED_HEADERS, text)


def check_payload_hash(payload: str) -> None:
    if not payload:
        text = "Missing required header for this request: x-amz-content-sha256"
        raise ServiceError("InvalidRequest", text, 400)
    if not (_HEX64.fullmatch(payload) or payload == UNSIGNED or payload.startswith(STREAMING_PREFIX)):
        text = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-…, or a valid sha256 value."
        raise ServiceError("InvalidArgument", text, 400)


@lru_cache(maxsize=1024)
def _seconds(timestamp: str) -> int | None:
    if not _TIMESTAMP.fullmatch(timestamp):
        return None
    try:
        return calendar.timegm(time.strptime(timestamp, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        return None


def parse_timestamp(timestamp: str) -> int | None:
    """Seconds since the epoch of `20251123T140249Z`; None when it is none."""
    return _seconds(timestamp) if len(timestamp) == 16 else None


def date_header(text: str) -> str:
    """The Date header in the form of X-Amz-Date; empty when it is none."""
    try:
        return parsedate_to_datetime(text).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    except ValueError:
        return ""


def skew_text(timestamp: str, signed_at: float, now: float, allowed_s: int) -> str:
    def form(seconds: float) -> str:
        return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))

    span = f"{allowed_s // 60} min." if allowed_s % 60 == 0 else f"{allowed_s} s."
    if signed_at < now:
        return (
            f"Signature expired: {timestamp} is now earlier than {form(now - allowed_s)}"
            f" ({form(now)} - {span})"
        )
    return (
        f"Signature not yet current: {timestamp} is still later than {form(now + allowed_s)}"
        f" ({form(now)} + {span})"
    )


def check_time(scope: Scope, timestamp: str, now: float) -> None:
    signed_at = parse_timestamp(timestamp)
    if signed_at is None:
        text = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        raise refuse(scope.service, Fault.MISSING if scope.service == "s3" else Fault.INCOMPLETE, text)
    if timestamp[:8] != scope.date:
        text = (
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP:"
            f" '{scope.date}' != '{timestamp[:8]}', from '{timestamp}'."
        )
        raise refuse(scope.service, Fault.INCOMPLETE if scope.service == "s3" else Fault.SKEWED, text)
    allowed = SKEW_S3_S if scope.service == "s3" else SKEW_S
    if abs(now - signed_at) > allowed:
        raise refuse(scope.service, Fault.SKEWED, skew_text(timestamp, signed_at, now, allowed))


def check_presigned_time(scope: Scope, timestamp: str, expires: str, now: float) -> None:
    signed_at = parse_timestamp(timestamp)
    if signed_at is None or timestamp[:8] != scope.date or not (expires.isascii() and expires.isdigit()):
        raise query_error(scope.service, "X-Amz-Date and X-Amz-Expires must be a valid time and a number")
    if not 1 <= int(expires) <= PRESIGNED_MAX_S:
        text = "X-Amz-Expires must be less than a week (in seconds) that is 604800, and at least 1"
        raise query_error(scope.service, text)
    if now > signed_at + int(expires):
        raise refuse(scope.service, Fault.EXPIRED_URL, skew_text(timestamp, signed_at, now, int(expires)))
    if signed_at > now + (SKEW_S3_S if scope.service == "s3" else SKEW_S):
        raise ServiceError("AccessDenied", "Request is not valid yet", 403)
