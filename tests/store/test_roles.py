"""Roles: by account and name, changed whole."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from lambent.model.errors import Conflict, NotFound
from lambent.model.role import Role
from lambent.store.roles import Roles
from lambent.store.sqlite import Sqlite

ROLE = Role(
    account="000000000000",
    name="r",
    role_id="AROA",
    trust_policy="{}",
    created_at=1.0,
    path="/service-role/",
    tags={"a": "b"},
    attached=("arn:aws:iam::aws:policy/p",),
    inline={"n": "{}"},
)


@pytest.fixture
async def roles(tmp_path: Path) -> AsyncIterator[Roles]:
    store = await Sqlite.open(tmp_path / "state.db", fsync=False)
    yield Roles(store)
    await store.close()


async def test_a_role_comes_back_as_it_was(roles: Roles) -> None:
    await roles.create(ROLE)
    assert roles.get("000000000000", "r") == ROLE
    assert ROLE.arn == "arn:aws:iam::000000000000:role/service-role/r"


async def test_names_belong_to_accounts(roles: Roles) -> None:
    await roles.create(ROLE)
    with pytest.raises(Conflict, match=r"Role with name r already exists\."):
        await roles.create(ROLE)
    await roles.create(replace(ROLE, account="111111111111"))
    with pytest.raises(NotFound, match=r"The role with name r cannot be found\."):
        roles.get("222222222222", "r")


async def test_a_refused_change_changes_nothing(roles: Roles) -> None:
    await roles.create(ROLE)

    def refuse(role: Role) -> Role:
        raise Conflict("no")

    def check(role: Role) -> None:
        raise Conflict("no")

    with pytest.raises(Conflict):
        await roles.update(ROLE.account, "r", refuse)
    with pytest.raises(Conflict):
        await roles.delete(ROLE.account, "r", check)
    assert roles.get(ROLE.account, "r") == ROLE
    changed = await roles.update(ROLE.account, "r", lambda role: replace(role, description="d"))
    assert roles.get(ROLE.account, "r") == changed == replace(ROLE, description="d")
    await roles.delete(ROLE.account, "r", lambda role: None)
    with pytest.raises(NotFound):
        await roles.update(ROLE.account, "r", lambda role: role)


async def test_lists_are_ordered_pages(roles: Roles) -> None:
    for name in ("c", "a", "b"):
        await roles.create(replace(ROLE, name=name))
    assert [role.name for role in roles.list(ROLE.account, limit=2)] == ["a", "b"]
    assert [role.name for role in roles.list(ROLE.account, after="b")] == ["c"]
    assert roles.list("111111111111") == []
