"""The directory: entities by account and name, changed whole, and what older versions kept."""

import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

from lambent.model.errors import Conflict, NotFound
from lambent.model.identity import Principal, PrincipalKind
from lambent.model.role import Role
from lambent.model.user import AccessKey, Group, ManagedPolicy, PolicyVersion, User
from lambent.store.directory import Directory
from lambent.store.sqlite import MIGRATIONS, Sqlite, migrate

ACCOUNT = "000000000000"
ROLE = Role(
    account=ACCOUNT,
    name="r",
    role_id="AROA",
    trust_policy="{}",
    created_at=1.0,
    path="/service-role/",
    tags={"a": "b"},
    attached=("arn:aws:iam::aws:policy/p",),
    inline={"n": "{}"},
)
USER = User(account=ACCOUNT, name="ann", user_id="AIDA", created_at=1.0, path="/x/", groups=("g",))
KEY = AccessKey(account=ACCOUNT, name="AKIA1", user="ann", created_at=1.0)
POLICY = ManagedPolicy(
    account=ACCOUNT,
    name="p",
    policy_id="ANPA",
    created_at=1.0,
    updated_at=2.0,
    versions=(PolicyVersion(1, "one", 1.0), PolicyVersion(2, "two", 2.0)),
    default=2,
    last=2,
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Sqlite]:
    store = await Sqlite.open(tmp_path / "state.db", fsync=False)
    yield store
    await store.close()


@pytest.fixture
def directory(store: Sqlite) -> Directory:
    return Directory(store)


async def test_everything_comes_back_as_it_was(store: Sqlite, directory: Directory) -> None:
    group = Group(account=ACCOUNT, name="g", group_id="AGPA", created_at=1.0)
    await directory.roles.create(ROLE)
    await directory.users.create(USER)
    await directory.groups.create(group)
    await directory.policies.create(POLICY)
    await directory.keys.create(KEY)
    again = Directory(store)
    again.load()
    for one in (directory, again):
        assert one.roles.get(ACCOUNT, "r") == ROLE
        assert one.users.of(ACCOUNT) == [USER]
        assert one.groups.find(ACCOUNT, "g") == group
        assert one.policies.find(ACCOUNT, "p") == POLICY
        assert one.keys.by_name("AKIA1") == KEY
    assert ROLE.arn == f"arn:aws:iam::{ACCOUNT}:role/service-role/r"
    assert POLICY.document == "two"


async def test_names_belong_to_accounts_and_kinds(directory: Directory) -> None:
    await directory.roles.create(ROLE)
    await directory.roles.create(replace(ROLE, account="111111111111"))
    await directory.users.create(replace(USER, name="r"))
    with pytest.raises(Conflict, match="Role with name r already exists"):
        await directory.roles.create(ROLE)
    with pytest.raises(NotFound, match="The role with name r cannot be found"):
        directory.roles.get("222222222222", "r")
    with pytest.raises(NotFound, match="The user with name x cannot be found"):
        await directory.users.update(ACCOUNT, "x", lambda user: user)


async def test_a_change_that_raises_changes_nothing(directory: Directory) -> None:
    def refuse(role: Role) -> Role:
        raise Conflict("no")

    await directory.roles.create(ROLE)
    with pytest.raises(Conflict):
        await directory.roles.update(ACCOUNT, "r", refuse)
    changed = await directory.roles.update(ACCOUNT, "r", lambda role: replace(role, description="d"))
    assert changed == directory.roles.get(ACCOUNT, "r") == replace(ROLE, description="d")


async def test_a_deleted_role_leaves_its_name(store: Sqlite, directory: Directory) -> None:
    assert not directory.roles.was_deleted(ACCOUNT, "r")
    await directory.roles.create(ROLE)
    await directory.roles.delete(ACCOUNT, "r")
    again = Directory(store)
    again.load()
    for one in (directory, again):
        assert one.roles.find(ACCOUNT, "r") is None
        assert one.roles.was_deleted(ACCOUNT, "r")
    with pytest.raises(NotFound):
        await directory.roles.delete(ACCOUNT, "r")
    await directory.roles.create(ROLE)
    assert not directory.roles.was_deleted(ACCOUNT, "r")
    await directory.users.create(USER)
    await directory.users.delete(ACCOUNT, "ann")
    assert store.query("SELECT kind FROM identities") == [("role",)]


async def test_an_active_key_speaks_for_its_user(directory: Directory) -> None:
    assert directory.user_of_key("AKIA1") is None
    await directory.keys.create(KEY)
    assert directory.user_of_key("AKIA1") is None
    await directory.users.create(USER)
    assert directory.user_of_key("AKIA1") == Principal(PrincipalKind.USER, ACCOUNT, "ann", path="/x/")
    await directory.keys.update(ACCOUNT, "AKIA1", lambda key: replace(key, active=False))
    assert directory.user_of_key("AKIA1") is None


async def test_listeners_hear_of_changes(directory: Directory) -> None:
    heard: list[int] = []
    directory.on_change(lambda: heard.append(1))
    await directory.users.create(USER)
    await directory.users.delete(ACCOUNT, "ann")
    assert heard == [1, 1]


OLD_PERMISSIONS = [
    {"sid": "s3", "action": "lambda:InvokeFunction", "principal": "s3.amazonaws.com"}
    | {"source_arn": "arn:aws:s3:::b", "source_account": ACCOUNT, "via_url": None, "organization": None},
    {"sid": "all", "action": "lambda:*", "principal": "*", "via_url": True, "url_auth_type": "NONE"},
    {"sid": "account", "action": "lambda:GetFunction", "principal": "111122223333"},
    {"sid": "arn", "action": "lambda:GetFunction", "principal": "arn:aws:iam::111122223333:role/r"},
]


def test_what_was_kept_before_goes_on(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "old.db", isolation_level=None)
    migrate(connection, MIGRATIONS[: MIGRATIONS.index("identities.sql")])
    bare = {"account": ACCOUNT, "name": "bare", "attached": [], "inline": {}}
    kept = {"account": ACCOUNT, "name": "kept", "attached": [], "inline": {"p": "{}"}}
    for role in (bare, kept):
        connection.execute("INSERT INTO roles VALUES (?, ?, ?)", (ACCOUNT, role["name"], json.dumps(role)))
    row = (ACCOUNT, "us-east-1", "f", "1", json.dumps(OLD_PERMISSIONS))
    connection.execute("INSERT INTO policies VALUES (?, ?, ?, ?, ?)", row)
    migrate(connection, MIGRATIONS)
    roles = dict(connection.execute("SELECT name, entity FROM identities WHERE kind = 'role'").fetchall())
    power_user = "arn:aws:iam::aws:policy/PowerUserAccess"
    assert json.loads(roles["bare"]) == {**bare, "attached": [power_user]}
    assert json.loads(roles["kept"]) == kept
    ((document,),) = connection.execute("SELECT document FROM policies").fetchall()
    start = {"Effect": "Allow"}
    function = {"Resource": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f:1"}
    assert document == json.dumps(
        {
            "Version": "2012-10-17",
            "Id": "default",
            "Statement": [
                {"Sid": "s3", **start, "Principal": {"Service": "s3.amazonaws.com"}}
                | {"Action": "lambda:InvokeFunction", **function}
                | {
                    "Condition": {
                        "StringEquals": {"AWS:SourceAccount": ACCOUNT},
                        "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"},
                    }
                },
                {"Sid": "all", **start, "Principal": "*", "Action": "lambda:*", **function}
                | {
                    "Condition": {
                        "StringEquals": {"lambda:FunctionUrlAuthType": "NONE"},
                        "Bool": {"lambda:InvokedViaFunctionUrl": "true"},
                    }
                },
                {"Sid": "account", **start, "Principal": {"AWS": "arn:aws:iam::111122223333:root"}}
                | {"Action": "lambda:GetFunction", **function},
                {"Sid": "arn", **start, "Principal": {"AWS": "arn:aws:iam::111122223333:role/r"}}
                | {"Action": "lambda:GetFunction", **function},
            ],
        },
        separators=(",", ":"),
    )
    assert (resources.files("lambent.store") / "identities.sql").is_file()
    connection.close()
