"""A run whose answer is taken as it comes; hanging up does not end it."""

import asyncio
from collections.abc import Iterator
from typing import Protocol

from lambent.invoke.stream import Stream
from lambent.model.invocation import Invocation, Outcome
from lambent.model.names import Target

PIECE_BYTES = 256 * 1024  # an answer that was not streamed is cut, so that the loop goes on


class Invoker(Protocol):
    async def invoke(self, invocation: Invocation, stream: Stream | None = None) -> Outcome: ...

    def resolve(self, target: Target) -> object:
        """Raises `NotFound`, and `Conflict` for what cannot run now."""


class Streamed:
    """Iterating `stream` gives what the handler sends; the outcome has what it did not send so."""

    def __init__(self, invoker: Invoker, invocation: Invocation) -> None:
        self.stream = Stream()
        self._run = asyncio.create_task(invoker.invoke(invocation, self.stream))
        self._run.add_done_callback(lambda _: self.stream.end())

    async def begin(self) -> None:
        """Wait for its first bytes or its end. Raises `PlatformError` when it could not run."""
        try:
            if not await self.stream.begun():
                await self._run
        except asyncio.CancelledError:
            self._run.cancel()
            raise

    async def outcome(self) -> Outcome:
        """How it ended; take its pieces first."""
        return await self._run

    async def aclose(self) -> None:
        """Nobody takes any more of it; wait until it is over."""
        self.stream.lose()
        try:
            await asyncio.wait((self._run,))
        except asyncio.CancelledError:
            self._run.cancel()
            raise


def cut(data: bytes) -> Iterator[bytes]:
    return (data[start : start + PIECE_BYTES] for start in range(0, len(data), PIECE_BYTES))
