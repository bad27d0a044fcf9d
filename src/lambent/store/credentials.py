"""Keys: the accounts' own, and the sessions that a node signs and any node verifies without state."""

import base64
import hmac
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from lambent.model.identity import Credential, Principal, PrincipalKind
from lambent.model.names import DEFAULT_ACCOUNT
from lambent.settings import BadSetting

ADMIN_USER = "awsuser"  # the warehouse's first user, as Redshift names it

SESSIONS_KEPT = 4096

_ACCOUNT = re.compile(r"[0-9]{12}")
_ACCESS_KEY = re.compile(r"[A-Za-z0-9_-]{3,128}")


class InvalidToken(Exception):
    """A session token that this platform did not sign, or that belongs to another key."""


class ExpiredToken(Exception):
    """A session token whose time is over."""


class Credentials:
    """Finds the credential behind an access key, issues session credentials and warehouse passwords.

    `find_user` gives the IAM user of an access key, None for an unknown or inactive one.
    """

    def __init__(
        self,
        static: Iterable[Credential],
        secret: bytes,
        clock: Callable[[], float] = time.time,
        find_user: Callable[[str], Principal | None] = lambda _: None,
    ) -> None:
        self._static = {c.access_key: c for c in static}
        self._secret = secret
        self._find_user = find_user
        self._clock = clock
        self._sessions: dict[str, Credential] = {}  # by tokens whose seal was found good

    def find(self, access_key: str, token: str | None = None) -> Credential | None:
        """The credential of a key, None for an unknown one. Raises `InvalidToken`, `ExpiredToken`."""
        static = self._static.get(access_key)
        if token is None:
            return static or self._user_credential(access_key)
        if static is not None:
            raise InvalidToken
        found = self._sessions.get(token) or self._open_session(token)
        if found.access_key != access_key:
            raise InvalidToken
        if found.expires_at is None or found.expires_at <= self._clock():
            raise ExpiredToken
        return found

    def issue(self, account: str, role: str, session: str, lifetime_s: float) -> Credential:
        """A new key pair for a role's session."""
        return self.session(Principal(PrincipalKind.ROLE, account, role, session), lifetime_s)

    def session(self, principal: Principal, lifetime_s: float) -> Credential:
        """A new key pair that expires. Its secret and its token follow from the node's secret."""
        claims = {
            "key": "ASIA" + _characters(),
            **_claims(principal),
            "expires": int(self._clock() + lifetime_s),
        }
        return self._session(claims, self._seal("session", claims))

    def secret_of(self, access_key: str) -> str:
        """The secret of a user's or a session's key: kept nowhere, made again when needed."""
        return base64.b64encode(self._sign(f"secret:{access_key}".encode())).decode()[:40]

    def password(self, principal: Principal, lifetime_s: float) -> str:
        """A password with which `warehouse_user(principal)` logs in to the warehouse."""
        return self._seal("password", {**_claims(principal), "expires": int(self._clock() + lifetime_s)})

    def check_password(self, user: str, password: str) -> Principal | None:
        """Whom a warehouse login speaks for; None when user and password do not go together.

        A session's password is one that `password` made; an account's own key logs in with its secret.
        """
        static = self._static.get(user)
        if static is not None:
            return static.principal if _same(password, static.secret_key) else None
        try:
            claims = self._open("password", password)
        except (InvalidToken, ExpiredToken):
            return None
        principal = _principal(claims)
        return principal if _same(user, warehouse_user(principal)) else None

    def _open_session(self, token: str) -> Credential:
        session = self._session(self._open("session", token), token)
        if len(self._sessions) >= SESSIONS_KEPT:
            self._sessions.clear()
        self._sessions[token] = session
        return session

    def _session(self, claims: dict[str, Any], token: str) -> Credential:
        secret = self.secret_of(claims["key"])
        return Credential(claims["key"], secret, _principal(claims), token, float(claims["expires"]))

    def _user_credential(self, access_key: str) -> Credential | None:
        principal = self._find_user(access_key)
        return None if principal is None else Credential(access_key, self.secret_of(access_key), principal)

    def _sign(self, data: bytes) -> bytes:
        return hmac.digest(self._secret, data, "sha256")

    def _seal(self, purpose: str, claims: dict[str, Any]) -> str:
        body = base64.urlsafe_b64encode(json.dumps(claims, separators=(",", ":")).encode()).decode()
        signature = base64.urlsafe_b64encode(self._sign(f"{purpose}:{body}".encode())).decode()
        return f"{body}.{signature}"

    def _open(self, purpose: str, token: str) -> dict[str, Any]:
        """The claims of a token that was sealed for this purpose and is still good."""
        body, _, given = token.partition(".")
        signature = base64.urlsafe_b64encode(self._sign(f"{purpose}:{body}".encode()))
        if not hmac.compare_digest(given.encode(), signature):
            raise InvalidToken
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body))
        if claims["expires"] <= self._clock():
            raise ExpiredToken
        return claims


def _claims(principal: Principal) -> dict[str, str]:
    """What a token says about whom it speaks for."""
    claims = {
        "kind": principal.kind.value,
        "account": principal.account,
        "role": principal.name,
        "session": principal.session,
    }
    more = {
        "path": principal.path if principal.path != "/" else "",
        "policy": principal.policy,
        "policies": " ".join(principal.policy_arns),
    }
    return {**claims, **{name: value for name, value in more.items() if value}}


def _principal(claims: dict[str, Any]) -> Principal:
    return Principal(
        PrincipalKind(claims.get("kind", "role")),
        claims["account"],
        claims["role"],
        claims["session"],
        claims.get("path", "/"),
        claims.get("policy", ""),
        tuple(claims.get("policies", "").split()),
    )


def _same(given: str, right: str) -> bool:
    """Without telling by its time how much of it was right."""
    return hmac.compare_digest(given.encode(), right.encode())


def warehouse_user(principal: Principal) -> str:
    """The database user of a principal, as Redshift names users that come by IAM."""
    return ADMIN_USER if principal.kind is PrincipalKind.ROOT else f"IAM:{principal.name}"


def load_or_create(path: Path, given: str) -> list[Credential]:
    """The accounts' keys: the given ones, else those in the file at `path`, else a new pair.

    The file holds the keys in force, so that the command line finds them; only its owner reads it.
    Raises `BadSetting`.
    """
    if given.startswith("@"):
        found = parse(_read(Path(given[1:])), given[1:])
    elif given:
        found = parse(given, "credentials")
    elif path.exists():
        return parse(_read(path), str(path))
    else:
        found = [_credential("AKIA" + _characters(), secrets.token_urlsafe(30), DEFAULT_ACCOUNT)]
    _write(path, found)
    return found


def parse(text: str, source: str) -> list[Credential]:
    """Credentials from `KEY:SECRET[:ACCOUNT]`, parted by commas or lines. Raises `BadSetting`."""
    found: dict[str, Credential] = {}
    for entry in filter(None, (part.strip() for part in re.split(r"[,\n]", text))):
        key, _, rest = entry.partition(":")
        secret, _, account = rest.partition(":")
        if not _ACCESS_KEY.fullmatch(key) or not secret:
            raise BadSetting(
                f"{source}: a credential is KEY:SECRET[:ACCOUNT]; the one of {key[:20]!r} is not"
            )
        if not account:
            account = key if _ACCOUNT.fullmatch(key) else DEFAULT_ACCOUNT
        if not _ACCOUNT.fullmatch(account):
            raise BadSetting(f"{source}: an account has 12 digits; that of key {key!r} is {account!r}")
        if key in found:
            raise BadSetting(f"{source}: key {key!r} is there twice")
        found[key] = _credential(key, secret, account)
    if not found:
        raise BadSetting(f"{source}: no credential in it; write KEY:SECRET[:ACCOUNT]")
    return list(found.values())


def _credential(key: str, secret: str, account: str) -> Credential:
    return Credential(key, secret, Principal(PrincipalKind.ROOT, account))


def _characters() -> str:
    """Sixteen of those that AWS's keys are made of."""
    return base64.b32encode(secrets.token_bytes(10)).decode()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise BadSetting(f"cannot read the credentials in {path}: {error.strerror}") from None


def _write(path: Path, credentials: Iterable[Credential]) -> None:
    lines = "".join(f"{c.access_key}:{c.secret_key}:{c.principal.account}\n" for c in credentials)
    new = path.with_suffix(".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
