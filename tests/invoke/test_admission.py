"""Admission: an account's places, and those that a function has for itself."""

from contextlib import ExitStack

import pytest

from lambent.invoke.admission import Admission
from lambent.model.errors import Throttled
from lambent.model.names import FunctionKey

F, G = (FunctionKey("000000000000", "us-east-1", name) for name in "fg")
ELSEWHERE = F._replace(region="eu-west-1")


def refusal(admission: Admission, key: FunctionKey) -> str:
    with pytest.raises(Throttled) as caught, admission.admit(key):
        pass
    return caught.value.reason


def test_an_accounts_places_are_shared_within_its_region() -> None:
    admission = Admission(limit=2)
    with admission.admit(F), admission.admit(G):
        assert admission.running == 2
        assert refusal(admission, F) == "ConcurrentInvocationLimitExceeded"
        with admission.admit(ELSEWHERE):
            assert admission.running == 3
    assert admission.running == 0


def test_a_function_has_what_is_reserved_for_it_and_no_more() -> None:
    admission = Admission(limit=3)
    admission.reserve(F, 1)
    assert admission.unreserved(F.account, F.region) == 2
    with ExitStack() as running:
        running.enter_context(admission.admit(F))
        assert refusal(admission, F) == "ReservedFunctionConcurrentInvocationLimitExceeded"
        for _ in range(2):
            running.enter_context(admission.admit(G))
        assert refusal(admission, G) == "ConcurrentInvocationLimitExceeded"
        admission.reserve(F, 2)  # who runs counts on
        assert refusal(admission, G) == "ConcurrentInvocationLimitExceeded"
        with admission.admit(F):
            assert refusal(admission, F) == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_none_reserved_is_off_and_given_back_is_on() -> None:
    admission = Admission(limit=1)
    admission.reserve(F, 0)
    assert refusal(admission, F) == "ReservedFunctionConcurrentInvocationLimitExceeded"
    admission.reserve(F, None)
    with admission.admit(F):
        assert admission.running == 1
    assert admission.unreserved(F.account, F.region) == 1
