"""IAM's operations on users."""

import time
from dataclasses import replace

from lambent.faces.aws_iam_checks import Members, delete_conflict, new_id, page, tagged, tags_of
from lambent.faces.aws_iam_shapes import full_user, listed_user, tag_list
from lambent.faces.call import Call
from lambent.faces.errors import ServiceError
from lambent.model.identity import PrincipalKind
from lambent.model.user import User
from lambent.store.directory import Directory

WHOSE = "Must specify userName when calling with non-User credentials"


class UserOperations:
    """One method an operation; keys are the service model's member names."""

    directory: Directory

    async def create_user(self, call: Call, given: Members) -> Members:
        user = User(
            account=call.account,
            name=given["UserName"],
            user_id=new_id("AIDA"),
            created_at=time.time(),
            path=given.get("Path", "/"),
            boundary=given.get("PermissionsBoundary"),
            tags=tags_of(given.get("Tags", [])),
        )
        await self.directory.users.create(user)
        return {"User": full_user(user)}

    async def get_user(self, call: Call, given: Members) -> Members:
        if "UserName" not in given and call.principal.kind is PrincipalKind.ROOT:
            root = {"UserId": call.account, "Arn": call.principal.arn, "CreateDate": 0}
            return {"User": {"Path": "/", "UserName": "root", **root}}
        return {"User": full_user(self.directory.users.get(call.account, user_name(call, given)))}

    async def list_users(self, call: Call, given: Members) -> Members:
        return page(given, "Users", self.directory.users.of(call.account), listed_user)

    async def update_user(self, call: Call, given: Members) -> Members:
        if "NewUserName" in given:
            text = "A user's name does not change here; make a new user with it."
            raise ServiceError("NotImplemented", text, 501)
        await self.directory.users.update(
            call.account, given["UserName"], lambda user: replace(user, path=given.get("NewPath", user.path))
        )
        return {}

    async def delete_user(self, call: Call, given: Members) -> Members:
        name = given["UserName"]
        has_keys = any(key.user == name for key in self.directory.keys.of(call.account))

        def check(user: User) -> None:
            if user.groups:
                raise delete_conflict("Cannot delete entity, must remove users from group first.")
            if user.attached:
                raise delete_conflict("Cannot delete entity, must detach all policies first.")
            if user.inline:
                raise delete_conflict("Cannot delete entity, must delete policies first.")
            if has_keys:
                raise delete_conflict("Cannot delete entity, must delete access keys first.")

        await self.directory.users.delete(call.account, name, check)
        return {}

    async def tag_user(self, call: Call, given: Members) -> Members:
        added = tags_of(given["Tags"])
        await self.directory.users.update(
            call.account, given["UserName"], lambda user: replace(user, tags=tagged(dict(user.tags), added))
        )
        return {}

    async def untag_user(self, call: Call, given: Members) -> Members:
        gone = set(given["TagKeys"])

        def change(user: User) -> User:
            return replace(user, tags={key: v for key, v in user.tags.items() if key not in gone})

        await self.directory.users.update(call.account, given["UserName"], change)
        return {}

    async def list_user_tags(self, call: Call, given: Members) -> Members:
        user = self.directory.users.get(call.account, given["UserName"])
        return {"Tags": tag_list(user.tags), "IsTruncated": False}


def user_name(call: Call, given: Members) -> str:
    """The user that is meant; without a name it is the caller."""
    if "UserName" in given:
        return str(given["UserName"])
    if call.principal.kind is not PrincipalKind.USER:
        raise ServiceError("ValidationError", WHOSE)
    return call.principal.name
