"""Triggers are read, merged with what a bucket has, and taken out again."""

from typing import Any

import pytest

from lambent.cli.triggers import BadTrigger, Trigger, merge, parse, without

ARN = "arn:aws:lambda:us-east-1:000000000000:function:load"
OTHER = f"{ARN}er"
QUEUE = {"Id": "q", "QueueArn": "arn:aws:sqs:us-east-1:000000000000:q", "Events": ["s3:ObjectRemoved:*"]}


@pytest.mark.parametrize(
    ("text", "trigger", "shown"),
    [
        ("s3://lake", Trigger("lake"), "s3://lake/*"),
        ("s3://lake/", Trigger("lake"), "s3://lake/*"),
        ("s3://lake/*", Trigger("lake"), "s3://lake/*"),
        ("s3://lake/in/", Trigger("lake", "in/"), "s3://lake/in/"),
        ("s3://lake/*.csv", Trigger("lake", "", ".csv"), "s3://lake/*.csv"),
        ("s3://lake/in/*.csv.gz", Trigger("lake", "in/", ".csv.gz"), "s3://lake/in/*.csv.gz"),
    ],
)
def test_a_trigger_is_read_and_shown(text: str, trigger: Trigger, shown: str) -> None:
    assert parse(text) == trigger
    assert str(trigger) == shown
    assert parse(shown) == trigger


@pytest.mark.parametrize(
    "text", ["lake/in", "s3://", "s3:///in", "s3://l*ke/x", "s3://lake/a*b*c", "http://x/y"]
)
def test_what_is_no_trigger_is_refused(text: str) -> None:
    with pytest.raises(BadTrigger, match=r"s3://bucket/prefix\*suffix"):
        parse(text)


def rules(configuration: dict[str, Any] | None) -> list[dict[str, Any]]:
    assert configuration is not None
    found: list[dict[str, Any]] = configuration["LambdaFunctionConfigurations"]
    return found


def test_a_trigger_joins_what_the_bucket_has() -> None:
    before = {"QueueConfigurations": [QUEUE]}
    once = merge(before, parse("s3://lake/in/*.csv"), ARN)
    assert once is not None
    assert once["QueueConfigurations"] == [QUEUE]
    assert rules(once)[0]["Filter"]["Key"]["FilterRules"] == [
        {"Name": "prefix", "Value": "in/"},
        {"Name": "suffix", "Value": ".csv"},
    ]
    twice = merge(once, parse("s3://lake/out/"), ARN)
    assert len(rules(twice)) == 2
    assert len({rule["Id"] for rule in rules(twice)}) == 2


def test_a_trigger_that_is_there_is_not_added_again() -> None:
    once = merge({}, parse("s3://lake/in/*.csv"), ARN)
    assert once is not None
    for rule in rules(once)[0]["Filter"]["Key"]["FilterRules"]:
        rule["Name"] = rule["Name"].capitalize()  # as S3 gives it back
    assert merge(once, parse("s3://lake/in/*.csv"), ARN) is None
    assert merge(once, parse("s3://lake/in/*.csv"), OTHER) is not None


def test_a_rule_for_the_whole_bucket_has_no_filter() -> None:
    once = merge({}, parse("s3://lake"), ARN)
    assert "Filter" not in rules(once)[0]
    assert once is not None
    assert merge(once, parse("s3://lake/*"), ARN) is None


def test_taking_a_function_out_leaves_the_others() -> None:
    both = merge(
        merge({"QueueConfigurations": [QUEUE]}, parse("s3://lake/a"), ARN) or {}, parse("s3://lake/b"), OTHER
    )
    assert both is not None
    rest = without(both, ARN)
    assert [rule["LambdaFunctionArn"] for rule in rules(rest)] == [OTHER]
    assert without(rest or {}, ARN) is None
    assert without(rest or {}, OTHER) == {"QueueConfigurations": [QUEUE]}


def test_rules_to_a_version_go_with_the_function() -> None:
    versioned = merge({}, parse("s3://lake"), f"{ARN}:live")
    assert without(versioned or {}, ARN) == {}
