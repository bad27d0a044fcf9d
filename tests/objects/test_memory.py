"""Large bodies go through in bounded memory."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.objects.bench import ALICE, Bench

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
SIZE_MIB = 200
GROWTH_MIB = 24


class Large:
    """A body that is made as it is read."""

    length: int | None = SIZE_MIB * MIB

    async def read(self, limit: int) -> bytes:
        raise AssertionError("only streamed")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        piece = bytes(256 * 1024)
        for _ in range(4 * SIZE_MIB):
            yield piece


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def resident_mib(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{field}:"))
    return int(line.split()[1]) // 1024


@pytest.mark.parametrize("watched", [False, True])
async def test_a_large_object_passes_in_little_memory(bench: Bench, watched: bool) -> None:
    await bench.watch(prefix="watched/")
    key = "watched/large" if watched else "large"
    await bench.ask("PUT", key, b"1")
    forget_peak()
    before = resident_mib("VmRSS")
    await bench.ask("PUT", key, Large())
    assert resident_mib("VmHWM") - before < GROWTH_MIB
    forget_peak()
    answer = await bench.gateway.reader.open(ALICE, bench.bucket, key)
    assert answer.size == SIZE_MIB * MIB
    size = 0
    async for piece in answer.chunks:
        size += len(piece)
    assert size == answer.size
    assert resident_mib("VmHWM") - before < GROWTH_MIB
    assert len(await bench.events()) == (2 if watched else 0)
