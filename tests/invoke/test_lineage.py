"""Chains of events: counted in the trace that they carry."""

from urllib.parse import quote

from lambent.invoke.lineage import ROUNDS, extended, merged
from lambent.model.names import FunctionKey

F = FunctionKey("000000000000", "us-east-1", "f")
G = F._replace(name="g")
ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"


def runs(*keys: FunctionKey) -> int:
    """How often a chain through these functions, again and again, runs the first of them."""
    trace, count = ROOT, 0
    while True:
        for key in keys:
            sent = quote(trace, safe="-=;:+&[]{}\"',")  # as botocore sends it from inside a function
            told = extended(sent, key)
            if told is None:
                return count
            trace = told
        count += 1


def test_a_function_that_calls_itself_runs_sixteen_times() -> None:
    assert runs(F) == ROUNDS


def test_a_loop_of_two_stops_too() -> None:
    assert runs(F, G) == ROUNDS


def test_a_function_that_may_loop_goes_on() -> None:
    trace: str | None = ROOT
    for _ in range(40):
        assert trace is not None
        trace = extended(trace, F, loops=True)
    assert trace is not None
    assert trace.startswith(ROOT)
    assert extended(trace, F) is None


def test_many_calls_from_one_run_are_no_loop() -> None:
    once = extended(ROOT, F)
    assert once is not None
    assert {extended(once, G) for _ in range(100)} == {extended(once, G)}


def test_a_batch_has_the_longest_chain_of_its_messages() -> None:
    one, other = extended(ROOT, F), extended(ROOT, G)
    assert one is not None
    assert other is not None
    twice = extended(one, F)
    assert twice is not None
    told = merged(["", one, twice, other])
    assert told.startswith(ROOT)
    again = extended(told, F)
    assert again is not None
    assert ":3" in again
    assert ":1" in again


def test_what_is_no_lineage_is_ignored() -> None:
    for odd in ("Lineage=", "Lineage=x", "Lineage=a:b|c", "x;;=;Lineage=1:2:99999", "Lineage=%FF%00"):
        told = extended(odd, F)
        assert told is not None
        assert ":1" in told
    assert merged([]) == ""
