"""Who waits for messages, and how they learn of one: no queue is asked on a timer."""

import asyncio
from collections import deque


class Arrivals:
    """The waiting receivers of every queue, longest first."""

    def __init__(self) -> None:
        self._waiting: dict[int, deque[asyncio.Future[None]]] = {}
        self._told: dict[int, int] = {}  # how often each queue was told of, beginning with
        self._before = 0  # which is more than any queue's that was forgotten
        self.closed = False

    @property
    def waiting(self) -> int:
        return sum(len(waiting) for waiting in self._waiting.values())

    def tell(self, queue: int, messages: int) -> None:
        """Wake one receiver for each message that may be there now."""
        self._told[queue] = self.told(queue) + 1
        waiting = self._waiting.get(queue)
        while waiting and messages:
            future = waiting.popleft()
            if not future.done():
                future.set_result(None)
                messages -= 1

    def tell_all(self, queue: int) -> None:
        self.tell(queue, len(self._waiting.get(queue, ())))

    def told(self, queue: int) -> int:
        """A receiver asks for it before it looks, and tells it when it waits: what came in between counts."""
        return self._told.get(queue, self._before)

    def forget(self, queue: int) -> None:
        """It is gone, which whoever waits for it learns, or is about to."""
        self.tell_all(queue)
        self._before = max(self._before, self._told.pop(queue)) + 1

    async def wait(self, queue: int, told: int, timeout_s: float) -> bool:
        """Until a message may be there, or `timeout_s` is over; False when the node stops."""
        if self.closed or self.told(queue) != told:
            return not self.closed
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(queue, deque())
        waiting.append(future)
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():  # told, and gone: the next one is to come
                self.tell(queue, 1)
            raise
        finally:
            if future in waiting:
                waiting.remove(future)
            if not waiting and self._waiting.get(queue) is waiting:
                del self._waiting[queue]
        return not self.closed

    def close(self) -> None:
        """Wake everyone, for the last time."""
        self.closed = True
        for queue in list(self._waiting):
            self.tell_all(queue)
