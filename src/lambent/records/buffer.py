"""A bounded queue of records that wait for the disk."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Buffer(Generic[T]):
    """Takes records at the cost of an append; over `limit` the oldest make room and go to `dropped`.

    `filled` is called when the first record comes, and again when the buffer is half full. One thread only.
    """

    def __init__(self, limit: int, filled: Callable[[bool], None], dropped: Callable[[T], None]) -> None:
        self._limit = limit
        self._filled = filled
        self._dropped = dropped
        self._waiting: deque[tuple[T, int]] = deque()
        self._size = 0

    def add(self, record: T, size: int) -> None:
        if not self._waiting:
            self._filled(False)
        self._waiting.append((record, size))
        self._size += size
        if self._size * 2 > self._limit:
            self._filled(True)
            self._make_room()

    def take(self) -> list[tuple[T, int]]:
        """All that waits, with its sizes, oldest first; the buffer is empty then."""
        taken = list(self._waiting)
        self._waiting.clear()
        self._size = 0
        return taken

    def put_back(self, taken: Iterable[tuple[T, int]]) -> None:
        """What could not be written, to be tried again before what came since."""
        for record, size in reversed(list(taken)):
            self._waiting.appendleft((record, size))
            self._size += size
        self._make_room()

    def _make_room(self) -> None:
        while self._size > self._limit:
            record, size = self._waiting.popleft()
            self._size -= size
            self._dropped(record)
