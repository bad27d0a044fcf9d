"""Lists of Lambda's in pages: at most fifty items, and a marker behind the last."""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, TypeVar

from lambent.model.errors import InvalidParameter

T = TypeVar("T")
Members = dict[str, Any]

PAGE_ITEMS = 50
UNREADABLE_MARKER = "Invalid Marker: use the NextMarker of the page before."


def limit(given: Mapping[str, Any]) -> int:
    return min(int(given.get("MaxItems", PAGE_ITEMS)), PAGE_ITEMS)


def pack(position: str) -> str:
    return base64.urlsafe_b64encode(position.encode()).decode()


def unpack(marker: str | None) -> str:
    """The position in a marker, empty without one. Raises `InvalidParameter`."""
    try:
        return base64.urlsafe_b64decode(marker or "").decode()
    except (binascii.Error, ValueError):
        raise InvalidParameter(UNREADABLE_MARKER) from None


def page(
    name: str,
    items: Iterable[T],
    given: Mapping[str, Any],
    *,
    position: Callable[[T], str],
    show: Callable[[T], Any],
) -> Members:
    """The page that is asked for; `items` come in the order of their positions."""
    begin = unpack(given.get("Marker"))
    rest = (item for item in items if not begin or position(item) > begin)
    shown = list(islice(rest, limit(given)))
    answer: Members = {name: [show(item) for item in shown]}
    if next(rest, None) is not None:
        answer["NextMarker"] = pack(position(shown[-1]))
    return answer
