"""What starts a function besides a caller: rules of buckets, and the permission that each needs."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lambent.cli.failure import Failure
from lambent.model.names import DEFAULT_REGION, bucket_arn

EVENTS = "s3:ObjectCreated:*"


class BadTrigger(ValueError):
    """A trigger that cannot be read; the message says what one looks like."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """Uploads to `bucket` of keys that start with `prefix` and end with `suffix`."""

    bucket: str
    prefix: str = ""
    suffix: str = ""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}{'*' if self.suffix or not self.prefix else ''}{self.suffix}"

    @property
    def rules(self) -> list[dict[str, str]]:
        given = {"prefix": self.prefix, "suffix": self.suffix}
        return [{"Name": name, "Value": value} for name, value in given.items() if value]


def parse(text: str) -> Trigger:
    """`s3://bucket/prefix*suffix` as a trigger; both parts may be empty. Raises `BadTrigger`."""
    bucket, _, pattern = text.removeprefix("s3://").partition("/")
    if not text.startswith("s3://") or not bucket or pattern.count("*") > 1 or "*" in bucket:
        raise BadTrigger(f"{text!r} is not of the form s3://bucket/prefix*suffix (one * at most)")
    prefix, _, suffix = pattern.partition("*")
    return Trigger(bucket, prefix, suffix)


def _filters(rule: dict[str, Any]) -> dict[str, str]:
    rules = rule.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return {r["Name"].lower(): r["Value"] for r in rules if r["Value"]}


def _configuration(s3: Any, bucket: str) -> dict[str, Any]:
    answer: dict[str, Any] = s3.get_bucket_notification_configuration(Bucket=bucket)
    answer.pop("ResponseMetadata", None)
    return answer


def merge(configuration: dict[str, Any], trigger: Trigger, function_arn: str) -> dict[str, Any] | None:
    """The bucket's notifications with this trigger in them; None when it is there already."""
    present = configuration.get("LambdaFunctionConfigurations", [])
    wanted = {rule["Name"]: rule["Value"] for rule in trigger.rules}
    for rule in present:
        if (
            rule["LambdaFunctionArn"] == function_arn
            and EVENTS in rule["Events"]
            and _filters(rule) == wanted
        ):
            return None
    digest = hashlib.sha256(str(trigger).encode()).hexdigest()[:8]
    rule = {
        "Id": f"lambent-{function_arn.rsplit(':', 1)[1]}-{digest}",
        "LambdaFunctionArn": function_arn,
        "Events": [EVENTS],
    }
    if trigger.rules:
        rule["Filter"] = {"Key": {"FilterRules": trigger.rules}}
    return {**configuration, "LambdaFunctionConfigurations": [*present, rule]}


def without(configuration: dict[str, Any], function_arn: str) -> dict[str, Any] | None:
    """The bucket's notifications without those to this function or its versions; None: there were none."""
    present = configuration.get("LambdaFunctionConfigurations", [])
    kept = [rule for rule in present if not _starts(rule, function_arn)]
    if len(kept) == len(present):
        return None
    rest = {k: v for k, v in configuration.items() if k != "LambdaFunctionConfigurations"}
    return {**rest, "LambdaFunctionConfigurations": kept} if kept else rest


def _starts(rule: dict[str, Any], function_arn: str) -> bool:
    return f"{rule['LambdaFunctionArn']}:".startswith(f"{function_arn}:")


def ensure_bucket(s3: Any, bucket: str, region: str) -> bool:
    """Make the bucket unless it is there; True when it was made."""
    try:
        s3.head_bucket(Bucket=bucket)
    except s3.exceptions.ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 403:
            raise Failure(f"the bucket {bucket} belongs to another account: take another name") from None
        if status not in (400, 404):  # a HEAD cannot say why a name is bad, creating it can
            raise
        place = {} if region == DEFAULT_REGION else {"LocationConstraint": region}
        s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": place} if place else {}))
        return True
    return False


def allow(functions: Any, function_arn: str, bucket: str) -> None:
    """Let S3 call the function for this bucket; a statement that is there already is left."""
    try:
        functions.add_permission(
            FunctionName=function_arn,
            StatementId=f"s3-{bucket.replace('.', '_')}",
            Action="lambda:InvokeFunction",
            Principal="s3.amazonaws.com",
            SourceArn=bucket_arn(bucket),
            SourceAccount=function_arn.split(":")[4],
        )
    except functions.exceptions.ResourceConflictException:
        return


def attach(s3: Any, trigger: Trigger, function_arn: str) -> bool:
    """Add the trigger to its bucket beside what is there; False when nothing had to be done."""
    merged = merge(_configuration(s3, trigger.bucket), trigger, function_arn)
    if merged is not None:
        s3.put_bucket_notification_configuration(Bucket=trigger.bucket, NotificationConfiguration=merged)
    return merged is not None


def detach(s3: Any, function_arn: str) -> list[str]:
    """Take the function out of every bucket's notifications; the buckets that were changed."""
    changed = []
    for bucket in _buckets(s3):
        rest = without(_configuration(s3, bucket), function_arn)
        if rest is not None:
            s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=rest)
            changed.append(bucket)
    return changed


def _buckets(s3: Any) -> Iterator[str]:
    yield from (bucket["Name"] for bucket in s3.list_buckets().get("Buckets", []))


def by_function(s3: Any) -> dict[str, list[str]]:
    """Triggers of every function: its ARN → patterns."""
    found: dict[str, list[str]] = {}
    for bucket in _buckets(s3):
        for rule in _configuration(s3, bucket).get("LambdaFunctionConfigurations", []):
            given = _filters(rule)
            trigger = Trigger(bucket, given.get("prefix", ""), given.get("suffix", ""))
            found.setdefault(rule["LambdaFunctionArn"], []).append(str(trigger))
    return found
