import json
from typing import Any
from urllib.parse import unquote_plus

import pytest

from lambent.model.identity import Principal, PrincipalKind
from lambent.objects import records
from lambent.objects.buckets import Bucket
from lambent.objects.intents import Caller, Intent, Written
from lambent.objects.notifications import Rule

RULE = Rule("rule-1", "arn:aws:lambda:eu-west-1:111111111111:function:f", ("s3:ObjectCreated:*",))
BUCKET = Bucket("files", "111111111111", "eu-west-1", 0.0, (RULE,))


def record(written: Written, key: str = "in/a b@c.csv", sequencer: int = 0xABC) -> dict[str, Any]:
    intent = Intent("i", BUCKET, key, written.event, Caller("AWS:111111111111", "192.0.2.7", "1234-5678"), 5)
    intent.created_at, intent.sequencer = 1795443917.213, sequencer
    (told,) = json.loads(records.event(intent, written, RULE))["Records"]
    return dict(told)


def test_a_put_is_told_as_s3_tells_it() -> None:
    assert record(Written("ObjectCreated:Put", 5, '"0123"', "v7")) == {
        "eventVersion": "2.5",
        "eventSource": "aws:s3",
        "awsRegion": "eu-west-1",
        "eventTime": "2026-11-23T14:25:17.213Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:111111111111"},
        "requestParameters": {"sourceIPAddress": "192.0.2.7"},
        "responseElements": {"x-amz-request-id": "1234-5678", "x-amz-id-2": "87654321"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "rule-1",
            "bucket": {
                "name": "files",
                "ownerIdentity": {"principalId": "111111111111"},
                "arn": "arn:aws:s3:::files",
            },
            "object": {
                "key": "in/a+b%40c.csv",
                "size": 5,
                "eTag": "0123",
                "versionId": "v7",
                "sequencer": "000000000000000ABC",
            },
        },
    }


@pytest.mark.parametrize(
    ("written", "members"),
    [
        (Written("ObjectCreated:Put", 0, '"e"'), {"key", "size", "eTag", "sequencer"}),
        (Written("ObjectCreated:Put", 0, '"e"', "null"), {"key", "size", "eTag", "sequencer"}),
        (Written("ObjectRemoved:Delete"), {"key", "sequencer"}),
        (Written("ObjectRemoved:Delete", None, "", "v1"), {"key", "versionId", "sequencer"}),
        (
            Written("ObjectRemoved:DeleteMarkerCreated", None, "d41d", "v2"),
            {"key", "eTag", "versionId", "sequencer"},
        ),
        (Written("ObjectTagging:Put", 5, '"e"', "v1"), {"key", "eTag", "versionId"}),
    ],
)
def test_each_kind_of_event_has_its_members(written: Written, members: set[str]) -> None:
    assert record(written)["s3"]["object"].keys() == members


@pytest.mark.parametrize("key", ["ключ/ü.txt", "a+b c%20d", "x~y!z*'()", "a=b&c;d", "päth//", "💥"])
def test_a_handler_gets_the_key_back_with_unquote_plus(key: str) -> None:
    encoded = record(Written("ObjectRemoved:Delete"), key)["s3"]["object"]["key"]
    assert encoded.isascii()
    assert " " not in encoded
    assert unquote_plus(encoded) == key


def test_sequencers_compare_as_text() -> None:
    told = [
        record(Written("ObjectRemoved:Delete"), sequencer=n)["s3"]["object"]["sequencer"]
        for n in (9, 10, 255, 256, 1795443917213000)
    ]
    assert told == sorted(told)


def test_a_function_is_named_with_its_session() -> None:
    role = Principal(PrincipalKind.ROLE, "111111111111", "loader", "instance-1")
    assert records.principal_id(role) == "AWS:loader:instance-1"
