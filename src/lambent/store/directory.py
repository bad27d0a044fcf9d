"""The directory: the roles, users, groups, access keys and policies of every account."""

from collections.abc import Callable
from typing import Any

from lambent.model.identity import Principal, PrincipalKind
from lambent.model.role import Role
from lambent.model.user import AccessKey, Group, ManagedPolicy, PolicyVersion, User
from lambent.store.base import Store
from lambent.store.entities import Entities, Kind, tuples


def _policy(told: dict[str, Any]) -> ManagedPolicy:
    return ManagedPolicy(**{**told, "versions": tuple(PolicyVersion(**one) for one in told["versions"])})


ROLE = Kind[Role](
    "role",
    lambda told: Role(**tuples(told, "attached")),
    "The role with name {} cannot be found.",
    "Role with name {} already exists.",
    remembered=True,
)
USER = Kind[User](
    "user",
    lambda told: User(**tuples(told, "attached", "groups")),
    "The user with name {} cannot be found.",
    "User with name {} already exists.",
)
GROUP = Kind[Group](
    "group",
    lambda told: Group(**tuples(told, "attached")),
    "The group with name {} cannot be found.",
    "Group with name {} already exists.",
)
POLICY = Kind[ManagedPolicy](
    "policy",
    _policy,
    "Policy {} was not found.",
    "A policy called {} already exists. Duplicate names are not allowed.",
)
KEY = Kind[AccessKey](
    "key",
    lambda told: AccessKey(**told),
    "The Access Key with id {} cannot be found.",
    "Access key {} exists.",
)


class Directory:
    """All five kinds; `on_change` listeners hear of every change of any of them."""

    def __init__(self, store: Store) -> None:
        self._listeners: list[Callable[[], None]] = []
        self.roles = Entities(store, ROLE, self._changed)
        self.users = Entities(store, USER, self._changed)
        self.groups = Entities(store, GROUP, self._changed)
        self.policies = Entities(store, POLICY, self._changed)
        self.keys = Entities(store, KEY, self._changed)

    def load(self) -> None:
        for entities in (self.roles, self.users, self.groups, self.policies, self.keys):
            entities.load()

    def on_change(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def user_of_key(self, access_key: str) -> Principal | None:
        """Whom an active key speaks for."""
        key = self.keys.by_name(access_key)
        user = self.users.find(key.account, key.user) if key is not None and key.active else None
        if user is None:
            return None
        return Principal(PrincipalKind.USER, user.account, user.name, path=user.path)

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()
