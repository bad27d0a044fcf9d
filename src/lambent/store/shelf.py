"""The functions by their keys; one that is stored is decoded when it is first asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from lambent.model.alias import Alias
from lambent.model.function import Function, State, UpdateStatus
from lambent.model.names import FunctionKey
from lambent.store import version_rows as rows


@dataclass(frozen=True, slots=True)
class Stored:
    """A function's rows as text: its tags, $LATEST and what was published; and what a start asks of them."""

    tags: str
    versions: tuple[str, ...]
    aliases: Mapping[str, Alias]
    digests: tuple[str, ...]  # of all its packages
    last_modified: str
    unsettled: bool  # a step of a version was begun and not ended

    def function(self) -> Function:
        latest, *published = map(rows.decode, self.versions)
        return Function(
            latest=latest,
            serving=latest,
            published={version.version: version for version in published},
            tags=rows.decode_tags(self.tags),
            aliases=self.aliases,
        )


class Shelf(dict[FunctionKey, Function]):
    """`shelf[key]` costs no more than a dictionary's; `in`, `len` and loops see only what was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._stored: dict[FunctionKey, Stored] = {}

    def lay(self, key: FunctionKey, stored: Stored) -> None:
        self._stored[key] = stored

    def holds(self, key: FunctionKey) -> bool:
        return key in self or key in self._stored

    def digests(self) -> set[str]:
        """The packages that any version needs."""
        made = {
            code.digest
            for function in self.values()
            for version in (function.latest, function.serving, *function.published.values())
            for code in version.packages
        }
        return made.union(*(stored.digests for stored in self._stored.values()))

    def __missing__(self, key: FunctionKey) -> Function:
        self[key] = function = self._stored[key].function()
        del self._stored[key]
        return function


def stored(tags: str, versions: tuple[str, ...], aliases: Mapping[str, Alias]) -> Stored:
    """Look at the rows as far as a node has to when it starts."""
    seen: list[dict[str, Any]] = [orjson.loads(text) for text in versions]
    codes = [one["code"] for one in seen]
    codes += [layer["code"] for one in seen for layer in one.get("layers", ())]
    return Stored(
        tags=tags,
        versions=versions,
        aliases=aliases,
        digests=tuple([code["digest"] for code in codes]),
        last_modified=seen[0]["last_modified"],
        unsettled=any(
            one["state"] == State.PENDING or one["update_status"] == UpdateStatus.IN_PROGRESS for one in seen
        ),
    )
