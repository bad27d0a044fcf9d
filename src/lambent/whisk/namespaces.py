"""Namespaces and their keys: who a caller of the OpenWhisk face is, and for which account it acts."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import re
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

import orjson

from lambent.store.base import Store, Transaction
from lambent.whisk.errors import Refusal
from lambent.whisk.names import check_namespace

SYSTEM = "whisk.system"
SUBJECT_MIN = 5  # characters, as wskadmin has it
SECRET_CHARACTERS = 64
HEADERS_KEPT = 4096
_SECRET = re.compile(r"[A-Za-z0-9]{64,}")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

# OpenWhisk's own deployment allows this much; `lambent whisk limits set` changes it for a namespace.
DEFAULT_LIMITS: Mapping[str, int] = {
    "invocationsPerMinute": 60,
    "concurrentInvocations": 30,
    "firesPerMinute": 60,
    "minActionMemory": 128,
    "maxActionMemory": 512,
    "minActionLogs": 0,
    "maxActionLogs": 10,
    "minActionTimeout": 100,
    "maxActionTimeout": 300_000,
    "minActionConcurrency": 1,
    "maxActionConcurrency": 1,
}
SWITCHES = ("storeActivations",)


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace, the account and region that it belongs to, and its limits."""

    name: str
    account: str
    region: str
    own_limits: Mapping[str, int | bool] = field(default_factory=dict)

    def limit(self, name: str) -> int:
        return self.own_limits.get(name, DEFAULT_LIMITS[name])

    @property
    def tenant(self) -> str:
        """Whose instances its calls run in; tenants' names have fewer characters than namespaces'."""
        return _digest(self.name)

    @property
    def stores_activations(self) -> bool:
        return bool(self.own_limits.get("storeActivations", True))


@dataclass(frozen=True, slots=True)
class Key:
    """Lets a subject act for a namespace."""

    subject: str
    namespace: str
    uuid: str
    secret: str = field(repr=False)
    blocked: bool = False

    @property
    def auth(self) -> str:
        return f"{self.uuid}:{self.secret}"


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller whose key was found good."""

    subject: str
    namespace: Namespace
    auth: str = field(repr=False)


class Namespaces:
    """In memory for every call, on disk for every change."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._namespaces: dict[str, Namespace] = {}
        self._keys: dict[str, Key] = {}  # by uuid
        self._known: dict[str, Identity] = {}  # by Authorization headers that were found good
        self._changing = asyncio.Lock()

    def load(self) -> None:
        for name, account, region, limits in self._store.query(
            "SELECT namespace, account, region, limits FROM whisk_namespaces"
        ):
            self._namespaces[name] = Namespace(name, account, region, orjson.loads(limits))
        for row in self._store.query("SELECT subject, namespace, uuid, secret, blocked FROM whisk_keys"):
            self._remember(Key(*row))

    def get(self, name: str) -> Namespace | None:
        return self._namespaces.get(name)

    def authenticate(self, header: str) -> Identity | None:
        """Who an Authorization header speaks for; None when nobody."""
        known = self._known.get(header)
        if known is not None:
            return known
        user, secret = _basic(header)
        key = self._keys.get(user)
        if key is None or key.blocked or not hmac.compare_digest(key.secret.encode(), secret.encode()):
            return None
        identity = Identity(key.subject, self._namespaces[key.namespace], key.auth)
        if len(self._known) >= HEADERS_KEPT:
            self._known.clear()
        self._known[header] = identity
        return identity

    def owner(self, name: str) -> Identity | None:
        """The identity that a namespace acts by itself with: a web action, an alarm."""
        namespace = self._namespaces.get(name)
        key = next((key for key in self._keys.values() if key.namespace == name and not key.blocked), None)
        return None if namespace is None or key is None else Identity(key.subject, namespace, key.auth)

    def identity(self, subject: str, namespace: str) -> Identity | None:
        """A subject again that had been authenticated; None when its key is gone or blocked."""
        for key in self._keys.values():
            if (key.subject, key.namespace) == (subject, namespace) and not key.blocked:
                return Identity(subject, self._namespaces[namespace], key.auth)
        return None

    def keys(self, account: str) -> list[Key]:
        """Those of an account's namespaces, in the order of subjects."""
        own = [k for k in self._keys.values() if self._namespaces[k.namespace].account == account]
        return sorted(own, key=lambda key: (key.subject, key.namespace))

    async def create(
        self, subject: str, name: str, account: str, region: str, auth: str | None = None
    ) -> Key:
        """A key for a subject, and the namespace when it is new. Raises `Refusal`."""
        if len(subject) < SUBJECT_MIN:
            raise Refusal(400, f"Subject name must be at least {SUBJECT_MIN} characters")
        check_namespace(name)
        key = Key(subject, name, *_pair(auth))
        async with self._changing:
            namespace = self._namespaces.get(name) or Namespace(name, account, region)
            if namespace.account != account:
                raise Refusal(409, f"Namespace {name} belongs to another account")
            if any((k.subject, k.namespace) == (subject, name) for k in self._keys.values()):
                raise Refusal(409, f"Subject {subject} already has the namespace {name}")
            if key.uuid in self._keys:
                raise Refusal(409, "A key with this uuid exists already")

            def work(tx: Transaction) -> None:
                tx.execute(
                    "INSERT INTO whisk_namespaces (namespace, account, region) VALUES (?, ?, ?)"
                    " ON CONFLICT DO NOTHING",
                    (name, namespace.account, namespace.region),
                )
                tx.execute(
                    "INSERT INTO whisk_keys (subject, namespace, uuid, secret) VALUES (?, ?, ?, ?)",
                    (subject, name, key.uuid, key.secret),
                )

            await self._store.write(work)
            self._namespaces[name] = namespace
            self._remember(key)
        return key

    async def delete(self, subject: str, account: str) -> list[Key]:
        """Take a subject's keys away; its namespaces stay, with what is in them."""
        async with self._changing:
            keys = self._of(subject, account)
            gone = [(key.uuid,) for key in keys]
            await self._store.write(lambda tx: tx.execute_many("DELETE FROM whisk_keys WHERE uuid = ?", gone))
            for key in keys:
                del self._keys[key.uuid]
            self._known.clear()
        return keys

    async def block(self, subject: str, account: str, blocked: bool) -> list[Key]:
        """Refuse a subject's keys, or accept them again."""
        async with self._changing:
            keys = [replace(key, blocked=blocked) for key in self._of(subject, account)]
            rows = [(int(blocked), key.uuid) for key in keys]
            sql = "UPDATE whisk_keys SET blocked = ? WHERE uuid = ?"
            await self._store.write(lambda tx: tx.execute_many(sql, rows))
            for key in keys:
                self._remember(key)
        return keys

    async def limit(self, name: str, account: str, limits: Mapping[str, int | bool]) -> Namespace:
        """Replace a namespace's own limits. Raises `Refusal`."""
        check_limits(limits)
        async with self._changing:
            namespace = self._namespaces.get(name)
            if namespace is None or namespace.account != account:
                raise Refusal(404, f"Namespace {name} does not exist")
            changed = replace(namespace, own_limits=dict(limits))
            sql = "UPDATE whisk_namespaces SET limits = ? WHERE namespace = ?"
            text = orjson.dumps(changed.own_limits).decode()
            await self._store.write(lambda tx: tx.execute(sql, (text, name)))
            self._namespaces[name] = changed
            self._known.clear()
        return changed

    def _of(self, subject: str, account: str) -> list[Key]:
        keys = [key for key in self.keys(account) if key.subject == subject]
        if not keys:
            raise Refusal(404, f"Subject {subject} does not exist")
        return keys

    def _remember(self, key: Key) -> None:
        self._keys[key.uuid] = key
        self._known.clear()


@lru_cache(maxsize=4096)
def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def check_limits(limits: Mapping[str, int | bool]) -> None:
    for name, value in limits.items():
        if name in SWITCHES and isinstance(value, bool):
            continue
        if name not in DEFAULT_LIMITS:
            known = ", ".join((*DEFAULT_LIMITS, *SWITCHES))
            raise Refusal(400, f"There is no limit {name!r}; known are {known}")
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise Refusal(400, f"The limit {name} is a whole number from 0 on, not {value!r}")


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, secret


def _pair(auth: str | None) -> tuple[str, str]:
    """The given `uuid:key`, or a new one."""
    if auth is None:
        return str(uuid.uuid4()), "".join(secrets.choice(_ALPHABET) for _ in range(SECRET_CHARACTERS))
    user, _, secret = auth.partition(":")
    try:
        uuid.UUID(user)
    except ValueError:
        raise Refusal(400, f"authorization id {user[:40]!r} is not a valid UUID") from None
    if not _SECRET.fullmatch(secret):
        raise Refusal(400, f"authorization key must be at least {SECRET_CHARACTERS} letters and digits")
    return user, secret
