import asyncio

import pytest

from lambent.objects import turns
from lambent.objects.errors import S3Error
from lambent.objects.turns import Turns


async def test_turns_at_one_place_follow_each_other_in_order_of_arrival() -> None:
    taken = Turns()
    order: list[str] = []

    async def write(name: str) -> None:
        async with taken.at(["k"]):
            order.append(f"{name} in")
            await asyncio.sleep(0)
            order.append(f"{name} out")

    await asyncio.gather(*(write(name) for name in "abc"))
    assert order == ["a in", "a out", "b in", "b out", "c in", "c out"]
    assert len(taken) == 0


async def test_other_places_do_not_wait() -> None:
    taken = Turns()
    async with taken.at(["a"]), taken.at(["b"]):
        assert len(taken) == 2


async def test_many_places_in_any_order_do_not_wait_in_a_ring() -> None:
    taken = Turns()

    async def write(places: list[str]) -> None:
        async with taken.at(places):
            await asyncio.sleep(0)

    async with asyncio.timeout(5):
        await asyncio.gather(*(write(["a", "b", "c", "b"][:: 1 - 2 * (n % 2)]) for n in range(50)))
    assert len(taken) == 0


async def test_who_waits_too_long_is_told_to_slow_down_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "WAIT_S", 0.01)
    taken = Turns()
    async with taken.at(["b"]):
        with pytest.raises(S3Error) as caught:
            async with taken.at(["a", "b"]):
                raise AssertionError("two have the turn")
        assert caught.value.code == "SlowDown"
        assert len(taken) == 1
    async with taken.at(["a", "b"]):
        pass
    assert len(taken) == 0


async def test_a_waiter_that_is_cancelled_leaves_nothing() -> None:
    taken = Turns()
    async with taken.at(["k"]):
        waiter = asyncio.create_task(taken.at(["k"]).__aenter__())
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
    assert len(taken) == 0
