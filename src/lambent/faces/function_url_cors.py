"""CORS of function URLs, which the platform answers for the function."""

from collections.abc import Mapping
from typing import Any

from lambent.faces.http import Request, Response

Headers = list[tuple[str, str]]
PREFIX = "access-control-"


def is_preflight(request: Request) -> bool:
    headers = request.headers
    return request.method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def preflight(cors: Mapping[str, Any], request: Request) -> Response:
    """What a browser may do; an origin that may do nothing gets an answer that says nothing."""
    allowed = _origin(cors, request)
    if not allowed:
        return Response(200)
    wanted = request.headers
    methods = _named(cors, "AllowMethods", wanted["access-control-request-method"])
    names = _named(cors, "AllowHeaders", wanted.get("access-control-request-headers", ""))
    if methods:
        allowed.append(("Access-Control-Allow-Methods", methods))
    if names:
        allowed.append(("Access-Control-Allow-Headers", names))
    if cors.get("MaxAge") is not None:
        allowed.append(("Access-Control-Max-Age", str(cors["MaxAge"])))
    return Response(200, allowed)


def add(cors: Mapping[str, Any], request: Request, headers: Headers) -> Headers:
    """An answer's headers with those of CORS in place of the function's own."""
    kept = [(name, value) for name, value in headers if not name.lower().startswith(PREFIX)]
    allowed = _origin(cors, request)
    if allowed and cors.get("ExposeHeaders"):
        allowed.append(("Access-Control-Expose-Headers", ",".join(cors["ExposeHeaders"])))
    return kept + allowed


def _origin(cors: Mapping[str, Any], request: Request) -> Headers:
    """Whether the request's origin is allowed; nothing when it is not."""
    origin = request.headers.get("origin")
    origins = cors.get("AllowOrigins") or ()
    if origin is None or not any(one in ("*", origin) for one in origins):
        return []
    if cors.get("AllowCredentials"):
        return [
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Allow-Credentials", "true"),
            ("Vary", "Origin"),
        ]
    if "*" in origins:
        return [("Access-Control-Allow-Origin", "*")]
    return [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]


def _named(cors: Mapping[str, Any], member: str, wanted: str) -> str:
    """A list as browsers read it: with credentials they take no asterisk, so what is wanted is named."""
    names = cors.get(member) or ()
    return wanted if "*" in names and cors.get("AllowCredentials") else ",".join(names)
