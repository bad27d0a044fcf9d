"""S3's form uploads: a policy that the bucket's owner signed, and whether the form keeps it."""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from lambent.faces.authorization import ALGORITHM, parse_credential
from lambent.faces.canonical import signing_key
from lambent.faces.errors import Fault, ServiceError, refuse
from lambent.faces.verified import Verified
from lambent.model.identity import Credential

# Fields that no condition needs to name.
_FREE = frozenset({"awsaccesskeyid", "x-amz-signature", "signature", "policy", "file", "bucket"})

FindCredential = Callable[[str, str | None, str], Credential]


@dataclass(frozen=True, slots=True)
class Post:
    """A form upload that its policy allows, and how long the file may be."""

    verified: Verified
    least_bytes: int
    most_bytes: int | None


def verify_post(fields: Mapping[str, str], bucket: str, find: FindCredential, now: float) -> Post:
    """Check a form's policy. Names of fields are compared in lower case. Raises `ServiceError`."""
    form = {name.lower(): value for name, value in fields.items()}
    policy = form.get("policy")
    if policy is None:
        raise refuse("s3", Fault.MISSING)
    verified = _verify_signature(form, policy, find)
    try:
        document = orjson.loads(base64.b64decode(policy, validate=True))
        expires = datetime.fromisoformat(document["expiration"])
        conditions = [_condition(c) for c in document["conditions"]]
    except (binascii.Error, ValueError, TypeError, LookupError):
        raise ServiceError("InvalidPolicyDocument", "Invalid Policy: Invalid JSON.", 400) from None
    if (expires if expires.tzinfo else expires.replace(tzinfo=UTC)).timestamp() < now:
        raise _broken("Policy expired.")
    return _keep(conditions, form | {"bucket": bucket}, verified)


def _verify_signature(form: Mapping[str, str], policy: str, find: FindCredential) -> Verified:
    token = form.get("x-amz-security-token")
    if form.get("x-amz-algorithm") == ALGORITHM:
        scope = parse_credential(form.get("x-amz-credential", ""), "")
        credential = find(scope.access_key, token, "s3")
        key = signing_key(credential.secret_key, scope.date, scope.region, "s3")
        expected = hmac.digest(key, policy.encode(), "sha256").hex()
        given, region = form.get("x-amz-signature", ""), scope.region
    elif "awsaccesskeyid" in form:
        credential = find(form["awsaccesskeyid"], token, "s3")
        digest = hmac.digest(credential.secret_key.encode(), policy.encode(), "sha1")
        expected, given, region = base64.b64encode(digest).decode(), form.get("signature", ""), ""
    else:
        raise refuse("s3", Fault.MISSING)
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise refuse("s3", Fault.MISMATCH)
    return Verified(credential.principal, region, "s3", credential.access_key)


def _condition(condition: Any) -> tuple[str, str, Any, Any]:
    """Operator, field, and what it must be. Raises `ValueError`."""
    if isinstance(condition, dict):
        ((name, value),) = condition.items()
        return "eq", name.lower(), str(value), condition
    operator, first, second = condition
    if operator == "content-length-range":
        return operator, "", (int(first), int(second)), condition
    if operator not in ("eq", "starts-with") or not first.startswith("$"):
        raise ValueError
    return operator, first[1:].lower(), str(second), condition


def _keep(conditions: list[tuple[str, str, Any, Any]], form: Mapping[str, str], verified: Verified) -> Post:
    least, most = 0, None
    named = set()
    for operator, name, wanted, written in conditions:
        named.add(name)
        value = form.get(name, "")
        if operator == "content-length-range":
            least, most = wanted
        elif value != wanted if operator == "eq" else not value.startswith(wanted):
            raise _broken(f"Policy Condition failed: {orjson.dumps(written).decode()}")
    extra = [n for n in form if n not in named and n not in _FREE and not n.startswith("x-ignore-")]
    if extra:
        raise _broken(f"Extra input fields: {extra[0]}")
    return Post(verified, least, most)


def _broken(text: str) -> ServiceError:
    return ServiceError("AccessDenied", f"Invalid according to Policy: {text}", 403)
