"""IAM's operations on roles."""

import time
from dataclasses import replace

from lambent.faces.aws_iam_checks import Members, check_trust, delete_conflict, new_id, page, tagged, tags_of
from lambent.faces.aws_iam_shapes import full_role, listed_role, tag_list
from lambent.faces.call import Call
from lambent.model.role import Role
from lambent.store.directory import Directory


class RoleOperations:
    """One method an operation; keys are the service model's member names."""

    directory: Directory

    async def create_role(self, call: Call, given: Members) -> Members:
        role = Role(
            account=call.account,
            name=given["RoleName"],
            role_id=new_id("AROA"),
            trust_policy=check_trust(given["AssumeRolePolicyDocument"]),
            created_at=time.time(),
            path=given.get("Path", "/"),
            description=given.get("Description"),
            max_session_s=given.get("MaxSessionDuration", 3600),
            boundary=given.get("PermissionsBoundary"),
            tags=tags_of(given.get("Tags", [])),
        )
        await self.directory.roles.create(role)
        shape = full_role(role)
        del shape["RoleLastUsed"]
        return {"Role": shape}

    async def get_role(self, call: Call, given: Members) -> Members:
        return {"Role": full_role(self.directory.roles.get(call.account, given["RoleName"]))}

    async def list_roles(self, call: Call, given: Members) -> Members:
        return page(given, "Roles", self.directory.roles.of(call.account), listed_role)

    async def update_role(self, call: Call, given: Members) -> Members:
        def change(role: Role) -> Role:
            return replace(
                role,
                description=given.get("Description", role.description),
                max_session_s=given.get("MaxSessionDuration", role.max_session_s),
            )

        await self.directory.roles.update(call.account, given["RoleName"], change)
        return {}

    async def update_role_description(self, call: Call, given: Members) -> Members:
        role = await self.directory.roles.update(
            call.account, given["RoleName"], lambda role: replace(role, description=given["Description"])
        )
        return {"Role": full_role(role)}

    async def update_assume_role_policy(self, call: Call, given: Members) -> Members:
        document = check_trust(given["PolicyDocument"])
        await self.directory.roles.update(
            call.account, given["RoleName"], lambda role: replace(role, trust_policy=document)
        )
        return {}

    async def delete_role(self, call: Call, given: Members) -> Members:
        await self.directory.roles.delete(call.account, given["RoleName"], _check_bare)
        return {}

    async def list_instance_profiles_for_role(self, call: Call, given: Members) -> Members:
        self.directory.roles.get(call.account, given["RoleName"])
        return {"InstanceProfiles": [], "IsTruncated": False}

    async def tag_role(self, call: Call, given: Members) -> Members:
        added = tags_of(given["Tags"])
        await self.directory.roles.update(
            call.account, given["RoleName"], lambda role: replace(role, tags=tagged(dict(role.tags), added))
        )
        return {}

    async def untag_role(self, call: Call, given: Members) -> Members:
        gone = set(given["TagKeys"])

        def change(role: Role) -> Role:
            return replace(role, tags={key: v for key, v in role.tags.items() if key not in gone})

        await self.directory.roles.update(call.account, given["RoleName"], change)
        return {}

    async def list_role_tags(self, call: Call, given: Members) -> Members:
        role = self.directory.roles.get(call.account, given["RoleName"])
        return {"Tags": tag_list(role.tags), "IsTruncated": False}


def _check_bare(role: Role) -> None:
    if role.attached:
        raise delete_conflict("Cannot delete entity, must detach all policies first.")
    if role.inline:
        raise delete_conflict("Cannot delete entity, must delete policies first.")
