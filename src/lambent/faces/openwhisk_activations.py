"""OpenWhisk's activations: lists, records, logs and results."""

import re

from lambent.faces.http import Response
from lambent.faces.openwhisk_ask import Ask, answer
from lambent.whisk.activations import Activations as Stored
from lambent.whisk.activations import Query
from lambent.whisk.errors import Refusal, not_found

ID_CHARACTERS = 32
_ID = re.compile(r"[0-9a-f]{32}")
PARTS = {"logs", "result"}


class Activations:
    """Only the namespace that invoked reads them."""

    deepest = 2

    def __init__(self, activations: Stored) -> None:
        self._activations = activations

    async def list(self, ask: Ask) -> Response:
        ask.check_own()
        skip, limit = ask.page()
        whole, counted = ask.flag("docs"), ask.flag("count")
        if whole and counted:
            raise Refusal(400, "The query parameters 'count' and 'docs' may not be used together")
        name = ask.query.get("name")
        if name is not None and name.count("/") > 1:
            raise Refusal(400, f"Parameter may be a 'simple' name or 'package-name/simple' name: {name}")
        query = Query(
            namespace=ask.namespace,
            name=name or None,
            since=ask.number("since"),
            upto=ask.number("upto"),
            skip=skip,
            limit=limit,
        )
        if counted:
            return answer({"activations": await self._activations.count(query)})
        return answer(await self._activations.list(query, whole=whole))

    async def get(self, ask: Ask) -> Response:
        activation_id, *part = ask.path
        ask.check_own(f"{ask.namespace}/{activation_id}")
        if len(activation_id) != ID_CHARACTERS:
            raise Refusal(400, f"Activation id length is {len(activation_id)} but must be {ID_CHARACTERS}.")
        if not _ID.fullmatch(activation_id):
            raise Refusal(400, "The activation id is not valid.")
        if part and part[0] not in PARTS:
            raise Refusal(404, "The requested resource could not be found.")
        found = self._activations.get(ask.namespace, activation_id)
        if found is None:
            raise not_found()
        if part and part[0] == "logs":
            return answer({"logs": found["logs"]})
        return answer(found["response"] if part else found)
