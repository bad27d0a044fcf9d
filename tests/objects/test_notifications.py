import pytest

from lambent.objects.errors import S3Error
from lambent.objects.notifications import RULES_PER_BUCKET, Rule, check_events, check_together

ARN = "arn:aws:lambda:us-east-1:111111111111:function:f"


def rule(*events: str, id: str = "r", prefix: str | None = None, suffix: str | None = None) -> Rule:
    return Rule(id, ARN, tuple(f"s3:{event}" for event in events), prefix, suffix)


@pytest.mark.parametrize(
    ("wanted", "event", "expected"),
    [
        ("ObjectCreated:*", "ObjectCreated:Put", True),
        ("ObjectCreated:*", "ObjectRemoved:Delete", False),
        ("ObjectCreated:Put", "ObjectCreated:Post", False),
        ("ObjectRemoved:*", "ObjectRemoved:DeleteMarkerCreated", True),
        ("ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", False),
    ],
)
def test_an_event_is_wanted_by_name_or_by_kind(wanted: str, event: str, expected: bool) -> None:
    assert rule(wanted).wants(event, "k") is expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [("in/a.csv", True), ("in/a.CSV", False), ("out/a.csv", False), ("in/", False), ("in/.csv", True)],
)
def test_a_key_is_wanted_by_prefix_and_suffix(key: str, expected: bool) -> None:
    assert rule("ObjectCreated:*", prefix="in/", suffix=".csv").wants("ObjectCreated:Put", key) is expected


def test_prefix_and_suffix_may_share_characters() -> None:
    assert rule("ObjectCreated:*", prefix="ab", suffix="bc").wants("ObjectCreated:Put", "abc")


@pytest.mark.parametrize("event", ["s3:ObjectEaten:*", "ObjectCreated:Put", "s3:Replication:*", ""])
def test_an_event_that_never_comes_is_refused(event: str) -> None:
    with pytest.raises(S3Error, match="The event is not supported for notifications"):
        check_events(("s3:ObjectCreated:*", event))


def test_rules_that_share_no_event_or_no_key_stand_together() -> None:
    check_together(
        (
            rule("ObjectCreated:Put", id="1"),
            rule("ObjectCreated:Copy", id="2"),
            rule("ObjectRemoved:*", id="3", prefix="a/"),
            rule("ObjectRemoved:*", id="4", prefix="b/"),
            rule("ObjectTagging:*", id="5", prefix="a", suffix=".x"),
            rule("ObjectTagging:*", id="6", prefix="a", suffix=".y"),
        )
    )


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (rule("ObjectCreated:*"), rule("ObjectCreated:Put", id="s"), "Configurations overlap."),
        (
            rule("ObjectCreated:Put", prefix="a"),
            rule("ObjectCreated:*", id="s", prefix="ab"),
            "Configuration is ambiguously defined.",
        ),
        (
            rule("ObjectCreated:Put", prefix="a", suffix=".csv"),
            rule("ObjectCreated:Put", id="s", suffix="v"),
            "Configuration is ambiguously defined.",
        ),
    ],
)
def test_rules_that_want_the_same_write_are_refused(one: Rule, other: Rule, words: str) -> None:
    for rules in ((one, other), (other, one)):
        with pytest.raises(S3Error, match=words):
            check_together(rules)


def test_ids_are_unique() -> None:
    with pytest.raises(S3Error, match="ID must be unique"):
        check_together((rule("ObjectCreated:Put"), rule("ObjectRemoved:*")))


def test_a_bucket_has_a_hundred_rules_at_most() -> None:
    rules = tuple(rule("ObjectCreated:*", id=str(n), prefix=f"{n:03d}/") for n in range(RULES_PER_BUCKET + 1))
    check_together(rules[:-1])
    with pytest.raises(S3Error) as caught:
        check_together(rules)
    assert caught.value.code == "TooManyConfigurations"
