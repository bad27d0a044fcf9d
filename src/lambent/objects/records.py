"""The event record that a function gets for a write: S3's notification message structure."""

import time
from urllib.parse import quote_plus

import orjson

from lambent.model.identity import Principal, PrincipalKind
from lambent.objects.buckets import Bucket
from lambent.objects.intents import Intent, Written
from lambent.objects.notifications import Rule
from lambent.objects.request import host_id

VERSION = "2.5"
SEQUENCER_DIGITS = 18


def principal_id(principal: Principal) -> str:
    if principal.kind is PrincipalKind.ROLE:
        return f"AWS:{principal.name}:{principal.session}"
    return f"AWS:{principal.account}"


def event(intent: Intent, written: Written, rule: Rule) -> bytes:
    """The payload of one invocation."""
    bucket = intent.bucket
    record = {
        "eventVersion": VERSION,
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": _time(intent.created_at),
        "eventName": written.event,
        "userIdentity": {"principalId": intent.caller.principal_id},
        "requestParameters": {"sourceIPAddress": intent.caller.address},
        "responseElements": {
            "x-amz-request-id": intent.caller.request_id,
            "x-amz-id-2": host_id(intent.caller.request_id),
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": rule.id,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": bucket.account},
                "arn": bucket.arn,
            },
            "object": _object(intent, written),
        },
    }
    return orjson.dumps({"Records": [record]})


def test_event(bucket: Bucket, request_id: str) -> bytes:
    """What a queue gets when a rule that names it is put."""
    told = {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": _time(time.time()),
        "Bucket": bucket.name,
        "RequestId": request_id,
        "HostId": host_id(request_id),
    }
    return orjson.dumps(told)


def _object(intent: Intent, written: Written) -> dict[str, str | int]:
    """Which members are there depends on the kind of event."""
    told: dict[str, str | int] = {"key": quote_plus(intent.key, safe="/*-._")}
    created = written.event.startswith("ObjectCreated:")
    if created and written.size is not None:
        told["size"] = written.size
    if written.etag and written.event != "ObjectRemoved:Delete":
        told["eTag"] = written.etag.strip('"')
    if written.version_id and written.version_id != "null":
        told["versionId"] = written.version_id
    if not written.event.startswith("ObjectTagging:"):
        told["sequencer"] = f"{intent.sequencer:0{SEQUENCER_DIGITS}X}"
    return told


def _time(moment: float) -> str:
    milliseconds = int(moment * 1000) % 1000
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{milliseconds:03d}Z"
