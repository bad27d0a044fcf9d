"""The databases of the accounts: each has one of its own and a role that owns it and sees no other."""

import asyncio
import hashlib
from dataclasses import dataclass
from importlib import resources

from lambent.model.names import DEFAULT_ACCOUNT
from lambent.warehouse.cluster import Cluster
from lambent.warehouse.upstream import Client

DATABASE = "dev"  # what clients name, in every account
ROLE = "awsuser"

SETUP = (resources.files("lambent.warehouse") / "setup.sql").read_text()
DIGEST = hashlib.sha256(SETUP.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Login:
    """An account, and the names under which PostgreSQL knows it."""

    account: str
    role: str
    database: str


def login(account: str) -> Login:
    if not (account.isdigit() and account.isascii()):
        raise ValueError(f"an account is digits, not {account!r}")
    suffix = "" if account == DEFAULT_ACCOUNT else f"_{account}"
    return Login(account, ROLE + suffix, DATABASE + suffix)


class Accounts:
    """Makes an account's role and database when its first session comes."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._ready: set[str] = set()
        self._making = asyncio.Lock()

    async def ensure(self, account: str) -> Login:
        names = login(account)
        if account not in self._ready:
            async with self._making:
                if account not in self._ready:
                    await self._make(names)
                    self._ready.add(account)
        return names

    async def client(self, names: Login) -> Client:
        """A connection to the account's database as the superuser."""
        return await self._cluster.client(names.database)

    async def _make(self, names: Login) -> None:
        admin = await self._cluster.client()
        try:
            if not await admin.rows("SELECT 1 FROM pg_roles WHERE rolname = $1", names.role):
                await admin.run(f"CREATE ROLE {names.role} LOGIN")
            if not await admin.rows("SELECT 1 FROM pg_database WHERE datname = $1", names.database):
                await admin.run(f"CREATE DATABASE {names.database} OWNER {names.role}")
            await admin.run(f"REVOKE ALL ON DATABASE {names.database}, postgres, template1 FROM PUBLIC")
        finally:
            await admin.close()
        client = await self._cluster.client(names.database)
        try:
            await self._set_up(client)
        finally:
            await client.close()

    async def _set_up(self, client: Client) -> None:
        known = await client.rows("SELECT obj_description(to_regnamespace('lambent'), 'pg_namespace')")
        if known[0][0] == DIGEST:
            return
        # The lock is for another node that shares the server and starts at the same moment.
        await client.run(
            f"BEGIN; SELECT pg_advisory_xact_lock(5439); {SETUP}\n"
            f"COMMENT ON SCHEMA lambent IS '{DIGEST}'; COMMIT"
        )
