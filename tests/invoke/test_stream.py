"""An answer on its way: bounded, in order, at AWS's pace, and to nowhere when nobody takes it."""

import asyncio
from typing import Any

import pytest

from lambent.invoke import stream as stream_module
from lambent.invoke.stream import BUFFERED_BYTES, Stream
from lambent.model.invocation import TooLong

WAIT_S = 20.0


class Source:
    """Stands where the process's connection stands."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.said: list[str] = []

    def feed(self, data: bytes) -> None:
        self.stream.feed(data, lambda: self.said.append("hold"), lambda: self.said.append("go on"))


async def gather(stream: Stream) -> list[bytes]:
    async with asyncio.timeout(WAIT_S):
        return [piece async for piece in stream]


async def test_pieces_come_out_in_their_order_and_without_what_is_empty() -> None:
    stream = Stream()
    source = Source(stream)
    taking = asyncio.create_task(gather(stream))
    for piece in (b"one", b"", b"two"):
        source.feed(piece)
        await asyncio.sleep(0)
    stream.end()
    assert await taking == [b"one", b"two"]
    assert (stream.total, source.said) == (6, [])


async def test_it_has_begun_with_its_first_bytes_or_never() -> None:
    stream, empty = Stream(), Stream()
    Source(stream).feed(b"x")
    empty.end()
    assert await stream.begun()
    assert not await empty.begun()


async def test_a_process_waits_while_its_caller_takes_nothing() -> None:
    stream = Stream()
    source = Source(stream)
    source.feed(bytes(BUFFERED_BYTES))
    assert source.said == []
    source.feed(b"x")
    source.feed(b"y")
    assert source.said == ["hold"]
    await anext(stream)
    assert source.said == ["hold", "go on"]


async def test_when_its_caller_has_gone_a_process_goes_on_into_nowhere() -> None:
    stream = Stream()
    source = Source(stream)
    source.feed(bytes(BUFFERED_BYTES + 1))
    stream.lose()
    for _ in range(10):
        source.feed(bytes(BUFFERED_BYTES))
    assert source.said == ["hold", "go on"]
    stream.end()
    assert await gather(stream) == []


async def test_beyond_its_first_bytes_it_keeps_a_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(delay_s: float) -> None:
        waits.append(delay_s)

    settings: Any = {"STREAM_FREE_BYTES": 1000, "STREAM_BYTES_PER_S": 100}
    for name, value in settings.items():
        monkeypatch.setattr(stream_module, name, value)
    stream = Stream()
    source = Source(stream)
    for size in (1000, 200, 300):
        source.feed(bytes(size))
    stream.end()
    monkeypatch.setattr(asyncio, "sleep", sleep)
    assert [len(piece) async for piece in stream] == [1000, 200, 300]
    assert waits == pytest.approx([2.0, 5.0], abs=0.5)


async def test_it_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "STREAM_BYTES", 10)
    source = Source(Stream())
    source.feed(bytes(10))
    with pytest.raises(TooLong):
        source.feed(b"x")
