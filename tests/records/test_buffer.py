"""The bounded buffer."""

from lambent.records.buffer import Buffer


class Recorder:
    """A buffer of ten, with what it called."""

    def __init__(self) -> None:
        self.signals: list[bool] = []
        self.dropped: list[str] = []
        self.buffer: Buffer[str] = Buffer(10, self.signals.append, self.dropped.append)


def test_the_first_record_signals_once() -> None:
    r = Recorder()
    r.buffer.add("a", 1)
    r.buffer.add("b", 1)
    assert r.signals == [False]


def test_a_half_full_buffer_asks_for_haste() -> None:
    r = Recorder()
    r.buffer.add("a", 5)
    assert r.signals == [False]
    r.buffer.add("b", 1)
    assert r.signals == [False, True]


def test_over_the_limit_the_oldest_go() -> None:
    r = Recorder()
    for name in "abc":
        r.buffer.add(name, 4)
    assert r.dropped == ["a"]
    assert r.buffer.take() == [("b", 4), ("c", 4)]


def test_a_record_larger_than_the_buffer_goes_too() -> None:
    r = Recorder()
    r.buffer.add("huge", 11)
    assert r.dropped == ["huge"]
    assert r.buffer.take() == []


def test_taking_empties_it() -> None:
    r = Recorder()
    r.buffer.add("a", 9)
    assert r.buffer.take() == [("a", 9)]
    r.buffer.add("b", 9)
    assert r.dropped == []
    assert r.signals == [False, True, False, True]


def test_what_is_put_back_comes_before_what_came_since() -> None:
    r = Recorder()
    r.buffer.add("a", 2)
    r.buffer.add("b", 2)
    taken = r.buffer.take()
    r.buffer.add("c", 2)
    r.buffer.put_back(taken)
    assert [record for record, _ in r.buffer.take()] == ["a", "b", "c"]


def test_what_is_put_back_makes_room_too() -> None:
    r = Recorder()
    r.buffer.add("a", 6)
    taken = r.buffer.take()
    r.buffer.add("b", 6)
    r.buffer.put_back(taken)
    assert r.dropped == ["a"]
