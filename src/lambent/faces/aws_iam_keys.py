"""IAM's operations on the access keys of users."""

import time
from collections.abc import Callable
from dataclasses import replace

from lambent.faces.aws_iam_checks import Members, limit_exceeded, new_id
from lambent.faces.aws_iam_shapes import key_shape
from lambent.faces.aws_iam_users import user_name
from lambent.faces.call import Call
from lambent.model.errors import NotFound
from lambent.model.user import AccessKey
from lambent.store.directory import Directory

KEYS_PER_USER = 2


class KeyOperations:
    """One method an operation; keys are the service model's member names."""

    directory: Directory
    secret_of: Callable[[str], str]

    async def create_access_key(self, call: Call, given: Members) -> Members:
        user = self.directory.users.get(call.account, user_name(call, given))
        if len(self._keys(call, user.name)) >= KEYS_PER_USER:
            raise limit_exceeded(f"Cannot exceed quota for AccessKeysPerUser: {KEYS_PER_USER}")
        key = AccessKey(account=call.account, name=new_id("AKIA", 16), user=user.name, created_at=time.time())
        await self.directory.keys.create(key)
        return {"AccessKey": key_shape(key) | {"SecretAccessKey": self.secret_of(key.name)}}

    async def list_access_keys(self, call: Call, given: Members) -> Members:
        user = self.directory.users.get(call.account, user_name(call, given))
        keys = sorted(self._keys(call, user.name), key=lambda key: key.created_at)
        return {"AccessKeyMetadata": [key_shape(key) for key in keys], "IsTruncated": False}

    async def update_access_key(self, call: Call, given: Members) -> Members:
        key = self._key(call, given)
        active = given["Status"] == "Active"
        await self.directory.keys.update(call.account, key.name, lambda key: replace(key, active=active))
        return {}

    async def delete_access_key(self, call: Call, given: Members) -> Members:
        await self.directory.keys.delete(call.account, self._key(call, given).name)
        return {}

    def _keys(self, call: Call, user: str) -> list[AccessKey]:
        return [key for key in self.directory.keys.of(call.account) if key.user == user]

    def _key(self, call: Call, given: Members) -> AccessKey:
        name, user = given["AccessKeyId"], user_name(call, given)
        key = self.directory.keys.get(call.account, name)
        if key.user != user:
            raise NotFound(f"The Access Key with id {name} cannot be found.")
        return key
