"""The security token service, as far as clients ask it who they are."""

from collections.abc import Mapping
from typing import Any

from lambent.faces.call import Call
from lambent.model.errors import PlatformError
from lambent.model.identity import PrincipalKind

Members = dict[str, Any]


class StsFace:
    """One method an operation; keys are the service model's member names."""

    errors: Mapping[type[PlatformError], str] = {}

    async def get_caller_identity(self, call: Call, input: Members) -> Members:
        principal = call.principal
        user = principal.account
        if principal.kind is PrincipalKind.ROLE:
            user = f"AROA{principal.name.upper()}:{principal.session}"
        return {"UserId": user, "Account": principal.account, "Arn": principal.arn}
