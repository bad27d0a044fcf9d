"""OpenWhisk's activations: lists, records, logs and results."""

import re

from lambent.faces.http import Response
from lambent.faces.openwhisk_ask import Ask, answer
from lambent.whisk.activations import Activations as Stored
from lambent.whisk.activations import Query
from lambent.whisk.errors import Refusal, malformed_query, not_found
from lambent.whisk.names import SEGMENT

ID_CHARACTERS = 32
_ID = re.compile(r"[0-9a-f]{32}")
PARTS = {"logs", "result"}
BAD_NAME = "Parameter may be a 'simple' name or 'package-name/simple' name: {}"
BAD_MOMENT = "Parameter is not a valid value for epoch seconds: {}"


class Activations:
    """Only the namespace that invoked reads them."""

    deepest = 2

    def __init__(self, activations: Stored) -> None:
        self._activations = activations

    async def list(self, ask: Ask) -> Response:
        ask.check_own()
        skip, limit = ask.page()
        whole, counted = ask.flag("docs"), ask.flag("count")
        name = ask.query.get("name", "").strip().strip("/")
        if name and not (name.count("/") < 2 and all(map(SEGMENT.fullmatch, name.split("/")))):
            raise malformed_query("name", BAD_NAME.format(ask.query["name"]))
        since, upto = (_moment(ask, end) for end in ("since", "upto"))
        if whole and counted:
            raise Refusal(400, "The parameter 'docs' is not permitted with 'count'.")
        query = Query(
            namespace=ask.namespace,
            name=name or None,
            since=since,
            upto=upto,
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


def _moment(ask: Ask, end: str) -> int | None:
    """Milliseconds since the epoch."""
    if end not in ask.query:
        return None
    return ask.number(end, 0, 2**63 - 1, BAD_MOMENT, BAD_MOMENT)
