"""IAM's operations on groups of users."""

import time
from dataclasses import replace

from lambent.faces.aws_iam_checks import Members, delete_conflict, limit_exceeded, new_id, page
from lambent.faces.aws_iam_shapes import group_shape, listed_user
from lambent.faces.call import Call
from lambent.model.errors import NotFound
from lambent.model.user import Group, User
from lambent.store.directory import Directory

GROUPS_PER_USER = 10


class GroupOperations:
    """One method an operation; keys are the service model's member names."""

    directory: Directory

    async def create_group(self, call: Call, given: Members) -> Members:
        group = Group(
            account=call.account,
            name=given["GroupName"],
            group_id=new_id("AGPA"),
            created_at=time.time(),
            path=given.get("Path", "/"),
        )
        await self.directory.groups.create(group)
        return {"Group": group_shape(group)}

    async def get_group(self, call: Call, given: Members) -> Members:
        group = self.directory.groups.get(call.account, given["GroupName"])
        return {"Group": group_shape(group), **page(given, "Users", self._users_in(group), listed_user)}

    async def list_groups(self, call: Call, given: Members) -> Members:
        return page(given, "Groups", self.directory.groups.of(call.account), group_shape)

    async def delete_group(self, call: Call, given: Members) -> Members:
        name = given["GroupName"]
        has_users = bool(self._users_in(self.directory.groups.get(call.account, name)))

        def check(group: Group) -> None:
            if has_users:
                raise delete_conflict("Cannot delete entity, must remove users from group first.")
            if group.attached:
                raise delete_conflict("Cannot delete entity, must detach all policies first.")
            if group.inline:
                raise delete_conflict("Cannot delete entity, must delete policies first.")

        await self.directory.groups.delete(call.account, name, check)
        return {}

    async def add_user_to_group(self, call: Call, given: Members) -> Members:
        name = self.directory.groups.get(call.account, given["GroupName"]).name

        def change(user: User) -> User:
            groups = tuple(dict.fromkeys((*user.groups, name)))
            if len(groups) > GROUPS_PER_USER:
                raise limit_exceeded(f"Cannot exceed quota for GroupsPerUser: {GROUPS_PER_USER}")
            return replace(user, groups=groups)

        await self.directory.users.update(call.account, given["UserName"], change)
        return {}

    async def remove_user_from_group(self, call: Call, given: Members) -> Members:
        name = self.directory.groups.get(call.account, given["GroupName"]).name

        def change(user: User) -> User:
            if name not in user.groups:
                raise NotFound(f"User {user.name} is not in group {name}.")
            return replace(user, groups=tuple(one for one in user.groups if one != name))

        await self.directory.users.update(call.account, given["UserName"], change)
        return {}

    async def list_groups_for_user(self, call: Call, given: Members) -> Members:
        user = self.directory.users.get(call.account, given["UserName"])
        groups = [self.directory.groups.get(call.account, name) for name in sorted(user.groups)]
        return page(given, "Groups", groups, group_shape)

    def _users_in(self, group: Group) -> list[User]:
        return [user for user in self.directory.users.of(group.account) if group.name in user.groups]
