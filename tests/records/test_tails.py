"""Live tails: which lines they hear of, and that they are bounded."""

from lambent.model.invocation import Run
from lambent.records.chunks import GroupKey
from lambent.records.pattern import parse
from lambent.records.tails import UPDATE_LINES, Tail

GROUP = GroupKey("000000000000", "us-east-1", "g")
OTHER = GROUP._replace(name="h")


def heard(tail: Tail) -> list[str]:
    return [line.message for line in tail.take()[0]]


def test_lines_of_its_groups_are_heard_once() -> None:
    tail = Tail([GROUP])
    tail.hear(GROUP, "s", [(1, "a"), (2, "b")])
    tail.hear(OTHER, "s", [(3, "c")])
    assert heard(tail) == ["a", "b"]
    assert heard(tail) == []


def test_streams_prefixes_and_patterns_choose() -> None:
    by_name, by_prefix = Tail([GROUP], streams=["one"]), Tail([GROUP], prefixes=["o"])
    by_pattern = Tail([GROUP], parse("ERROR -quiet"))
    for tail in (by_name, by_prefix, by_pattern):
        for stream in ("one", "other", "two"):
            tail.hear(GROUP, stream, [(1, f"{stream} ERROR"), (2, f"{stream} quiet ERROR"), (3, stream)])
    assert heard(by_name) == ["one ERROR", "one quiet ERROR", "one"]
    assert len(heard(by_prefix)) == 6
    assert heard(by_pattern) == ["one ERROR", "other ERROR", "two ERROR"]


def test_a_run_that_printed_nothing_has_its_lines() -> None:
    tail = Tail([GROUP])
    tail.hear(GROUP, "s", Run("id-1", "7", 1.5, 2.5, 3.25, 4, 128, 40))
    assert [line.split()[0] for line in heard(tail)] == ["START", "END", "REPORT"]


def test_what_is_too_much_is_sampled() -> None:
    tail = Tail([GROUP])
    tail.hear(GROUP, "s", [(at, str(at)) for at in range(UPDATE_LINES + 1)])
    lines, sampled = tail.take()
    assert (len(lines), sampled) == (UPDATE_LINES, True)
    assert tail.take() == ([], False)
