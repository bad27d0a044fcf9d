"""Whether a bucket may start a function: asked when a rule is put, and again at each event."""

from typing import Protocol

from lambent.model.function import Version
from lambent.model.names import Target, parse_target
from lambent.objects.buckets import Bucket
from lambent.objects.errors import S3Error
from lambent.objects.notifications import Rule

SERVICE = "s3.amazonaws.com"
ACTION = "lambda:InvokeFunction"


class Functions(Protocol):
    def find(self, target: Target) -> Version | None: ...


class Policies(Protocol):
    def allows(
        self, target: Target, *, service: str, action: str, source_arn: str, source_account: str
    ) -> bool: ...


class Destinations:
    """The functions that rules name."""

    def __init__(self, functions: Functions, policies: Policies) -> None:
        self._functions = functions
        self._policies = policies

    def may_start(self, bucket: Bucket, function: str) -> Target | None:
        """The function, when it is there and its policy lets the bucket start it."""
        target = parse_target(function, "", "")
        if target is None or self._functions.find(target) is None:
            return None
        allowed = self._policies.allows(
            target,
            service=SERVICE,
            action=ACTION,
            source_arn=bucket.arn,
            source_account=bucket.account,
        )
        return target if allowed else None

    def check(self, bucket: Bucket, rules: tuple[Rule, ...], *, skip_validation: bool) -> None:
        """Raises S3's errors for rules whose function cannot be started from this bucket."""
        refused = [rule for rule in rules if self.may_start(bucket, rule.function) is None]
        if refused and not skip_validation:
            fields: dict[str, str] = {}
            for number, rule in enumerate(refused, 1):
                fields[f"ArgumentName{number}"] = f"{rule.function}, null"
                fields[f"ArgumentValue{number}"] = f"Not authorized to invoke function [{rule.function}]"
            message = "Unable to validate the following destination configurations"
            raise S3Error("InvalidArgument", message, 400, **fields)
        for rule in rules:
            target = parse_target(rule.function, "", "")
            if target is not None and target.key.region != bucket.region:
                raise S3Error(
                    "InvalidArgument",
                    "The notification destination service region is not valid for the bucket location "
                    "constraint",
                )
