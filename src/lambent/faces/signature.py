"""Who signed a request: AWS signature version 4, in the header or presigned, and S3's old version 2."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import parse_qsl

from lambent.faces import canonical
from lambent.faces.authorization import (
    ALGORITHM,
    UNSIGNED,
    Scope,
    check_payload_hash,
    check_presigned_time,
    check_signed_headers,
    check_time,
    date_header,
    presigned_scope,
    split_authorization,
)
from lambent.faces.errors import Fault, ServiceError, refuse
from lambent.faces.http import Request, WholeBody
from lambent.faces.signature_post import Post, verify_post
from lambent.faces.signature_v2 import verify_version2
from lambent.faces.verified import UNSIGNED_PAYLOAD, Payload, Verified
from lambent.model.identity import Credential
from lambent.model.limits import REQUEST_BYTES
from lambent.store.credentials import ExpiredToken, InvalidToken

__all__ = ["Verified", "Verifier"]

HASH_IN_THREAD_BYTES = 256 * 1024  # beyond it hashing would hold the event loop for too long


class Finder(Protocol):
    """Where credentials come from."""

    def find(self, access_key: str, token: str | None = None) -> Credential | None: ...


class Verifier:
    """Checks signatures. Signing keys are kept, verdicts never."""

    def __init__(self, credentials: Finder, clock: Callable[[], float] = time.time) -> None:
        self._credentials = credentials
        self._clock = clock

    async def verify(self, request: Request) -> Verified | None:
        """Who signed; None for a request without any signature. Raises `ServiceError`, `BodyTooLarge`.

        For every service but S3 the body is read, because it is signed, and stays readable; the path
        becomes the normal one, which is what was signed.
        """
        header, query = request.headers.get("authorization"), request.query
        if not query and header is not None and header.startswith("AWS"):
            return await self._verify_header(request, header)
        presigned = "X-Amz-Signature=" in query
        old = not presigned and "Signature=" in query and "AWSAccessKeyId=" in query
        if header is not None and header.startswith("AWS"):
            if presigned or old:
                raise ServiceError("InvalidArgument", "Only one auth mechanism allowed.", 400)
            return await self._verify_header(request, header)
        if presigned:
            return await self._verify_presigned(request)
        return verify_version2(request, self.credential, self._clock()) if old else None

    def verify_post(self, fields: Mapping[str, str], bucket: str) -> Post:
        """The signer of a form upload to S3, and what its policy allows. Raises `ServiceError`."""
        return verify_post(fields, bucket, self.credential, self._clock())

    async def _verify_header(self, request: Request, header: str) -> Verified:
        if not header.startswith(ALGORITHM):
            raise refuse("s3" if header.startswith("AWS ") else "", Fault.UNSUPPORTED)
        scope, signature = split_authorization(header)
        headers = request.headers
        timestamp = headers.get("x-amz-date") or date_header(headers.get("date", ""))
        check_time(scope, timestamp, self._clock())
        credential = self.credential(scope.access_key, headers.get("x-amz-security-token"), scope.service)
        check_signed_headers(scope, headers)
        if scope.service == "s3":
            payload = headers.get("x-amz-content-sha256", "")
            check_payload_hash(payload)
        else:
            payload = await hash_body(request)
        return self._match(request, scope, signature, credential, timestamp, payload)

    async def _verify_presigned(self, request: Request) -> Verified:
        values = dict(parse_qsl(request.query, keep_blank_values=True))
        scope = presigned_scope(values)
        timestamp, service = values.get("X-Amz-Date", ""), scope.service
        if values.get("X-Amz-Algorithm") != ALGORITHM:
            raise refuse(service, Fault.UNSUPPORTED)
        check_presigned_time(scope, timestamp, values.get("X-Amz-Expires", ""), self._clock())
        credential = self.credential(scope.access_key, values.get("X-Amz-Security-Token"), service)
        check_signed_headers(scope, request.headers)
        if service == "s3":
            payload = request.headers.get("x-amz-content-sha256", UNSIGNED)
            check_payload_hash(payload)
        else:
            payload = await hash_body(request)
        signature = values.get("X-Amz-Signature", "")
        return self._match(request, scope, signature, credential, timestamp, payload, "X-Amz-Signature")

    def _match(
        self,
        request: Request,
        scope: Scope,
        signature: str,
        credential: Credential,
        timestamp: str,
        payload: str,
        leave_out: str = "",
    ) -> Verified:
        """Compare with what the client must have signed: the request as it came, or tidied up."""
        service = scope.service
        key = canonical.signing_key(credential.secret_key, scope.date, scope.region, service)
        path = wanted = request.path
        if service != "s3":
            path, wanted = canonical.service_paths(path)
        if not signature.isascii():
            raise refuse(service, Fault.MISMATCH)
        for form, query in canonical.forms(service, wanted, request.query, leave_out):
            try:
                digest = canonical.request_digest(
                    request.method, form, query, request.headers, scope, payload
                )
            except (KeyError, UnicodeError):
                continue
            expected = canonical.sign(key, timestamp, scope.text, digest)
            if hmac.compare_digest(expected, signature):
                request.path = path
                proof = UNSIGNED_PAYLOAD
                if service == "s3":
                    proof = Payload(payload, key, scope.text, timestamp, signature)
                return Verified(credential.principal, scope.region, service, scope.access_key, proof)
        raise refuse(service, Fault.MISMATCH)

    def credential(self, access_key: str, token: str | None, service: str) -> Credential:
        """The credential of a key. Raises `ServiceError`."""
        try:
            found = self._credentials.find(access_key, token)
        except InvalidToken:
            raise refuse(service, Fault.BAD_TOKEN) from None
        except ExpiredToken:
            raise refuse(service, Fault.EXPIRED_TOKEN) from None
        if found is None:
            raise refuse(service, Fault.UNKNOWN_KEY)
        return found


async def hash_body(request: Request) -> str:
    """SHA-256 of the body, which is read for it and put back. Raises `BodyTooLarge`."""
    data = await request.body.read(REQUEST_BYTES)
    request.body = WholeBody(data)
    if len(data) <= HASH_IN_THREAD_BYTES:
        return hashlib.sha256(data).hexdigest()
    return (await asyncio.to_thread(hashlib.sha256, data)).hexdigest()
