"""Event patterns: every rule of EventBridge's language, and what is none."""

import json
from typing import Any

import pytest

from lambent.events.patterns import BadPattern, Pattern

EVENT: dict[str, Any] = {
    "name": "Anna",
    "n": 5,
    "f": 1.0,
    "yes": True,
    "none": None,
    "empty": "",
    "tags": ["a", "b"],
    "gone": [],
    "file": "in/2026/data.CSV",
    "ip": "10.1.2.3",
    "deep": {"er": {"x": "y"}},
    "items": [{"sku": 1, "size": "s"}, {"sku": 2}],
}


def matches(pattern: Any) -> bool:
    return Pattern(json.dumps(pattern)).matches(EVENT)


@pytest.mark.parametrize(
    "pattern",
    [
        {"name": ["Anna"]},
        {"name": ["Bob", "Anna"]},
        {"n": [5]},
        {"n": [5.0]},
        {"f": [1]},
        {"yes": [True]},
        {"none": [None]},
        {"empty": [""]},
        {"tags": ["b"]},
        {"name": ["Anna"], "n": [5]},
        {"deep": {"er": {"x": ["y"]}}},
        {"items": {"sku": [2]}},
        {"name": [{"prefix": "An"}]},
        {"name": [{"suffix": "na"}]},
        {"file": [{"suffix": {"equals-ignore-case": ".csv"}}]},
        {"file": [{"prefix": {"equals-ignore-case": "IN/"}}]},
        {"name": [{"equals-ignore-case": "aNNa"}]},
        {"file": [{"wildcard": "in/*/data.*"}]},
        {"name": [{"exists": True}]},
        {"other": [{"exists": False}]},
        {"gone": [{"exists": False}]},
        {"deep": {"none": [{"exists": False}]}},
        {"missing": {"deeper": [{"exists": False}]}},
        {"n": [{"numeric": ["=", 5]}]},
        {"n": [{"numeric": [">", 4, "<=", 5]}]},
        {"ip": [{"cidr": "10.0.0.0/8"}]},
        {"name": [{"anything-but": "Bob"}]},
        {"name": [{"anything-but": ["Bob", "Eve"]}]},
        {"n": [{"anything-but": [6, 7]}]},
        {"name": [{"anything-but": {"prefix": "B"}}]},
        {"name": [{"anything-but": {"suffix": ["x", "y"]}}]},
        {"name": [{"anything-but": {"equals-ignore-case": "BOB"}}]},
        {"file": [{"anything-but": {"wildcard": "out/*"}}]},
        {"$or": [{"name": ["Bob"]}, {"n": [5]}]},
        {"yes": [True], "$or": [{"name": ["Anna"]}, {"n": [6]}]},
    ],
)
def test_it_matches(pattern: Any) -> None:
    assert matches(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        {"name": ["anna"]},
        {"n": ["5"]},
        {"n": [True]},
        {"yes": [1]},
        {"f": [True]},
        {"empty": [None]},
        {"other": [None]},
        {"tags": ["c"]},
        {"name": ["Anna"], "n": [6]},
        {"deep": ["y"]},
        {"deep": [{"exists": True}]},
        {"name": {"first": ["Anna"]}},
        {"items": {"sku": [2], "size": ["s"]}},
        {"n": [{"prefix": "5"}]},
        {"name": [{"exists": False}]},
        {"n": [{"numeric": [">", 5]}]},
        {"name": [{"numeric": ["=", 5]}]},
        {"yes": [{"numeric": ["=", 1]}]},
        {"name": [{"cidr": "10.0.0.0/8"}]},
        {"name": [{"anything-but": "Anna"}]},
        {"other": [{"anything-but": "x"}]},
        {"name": [{"anything-but": {"prefix": "A"}}]},
        {"file": [{"wildcard": "in/*.txt"}]},
        {"$or": [{"name": ["Bob"]}, {"n": [6]}]},
    ],
)
def test_it_does_not_match(pattern: Any) -> None:
    assert not matches(pattern)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "{}",
        '"x"',
        '{"a": "x"}',
        '{"a": []}',
        '{"a": {}}',
        '{"a": 5}',
        '{"a": [["x"]]}',
        '{"a": [{"between": 1}]}',
        '{"a": [{"prefix": 1}]}',
        '{"a": [{"prefix": "x", "suffix": "y"}]}',
        '{"a": [{"exists": "yes"}]}',
        '{"a": [{"numeric": [">"]}]}',
        '{"a": [{"numeric": ["!", 5]}]}',
        '{"a": [{"numeric": [">", "5"]}]}',
        '{"a": [{"anything-but": {}}]}',
        '{"a": [{"anything-but": {"exists": true}}]}',
        '{"a": [{"anything-but": []}]}',
        '{"a": [{"cidr": "10.0.0.0/99"}]}',
        '{"a": [{"wildcard": "a**"}]}',
        '{"$or": [{"a": ["x"]}]}',
        '{"a":' * 200 + '["x"]' + "}" * 200,
    ],
)
def test_it_is_no_pattern(text: str) -> None:
    with pytest.raises(BadPattern):
        Pattern(text)
