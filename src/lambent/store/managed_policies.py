"""The policies that AWS itself keeps, those that roles of functions and users of Lambda have."""

from datetime import datetime
from functools import cache
from importlib import resources

import orjson

from lambent.model.user import ManagedPolicy, PolicyVersion

AWS = "arn:aws:iam::aws:policy/"


@cache
def aws_policies() -> dict[str, ManagedPolicy]:
    """By ARN, as AWS had them in October 2026; read when first asked for."""
    text = (resources.files("lambent.store") / "managed_policies.jsonl").read_text()
    policies = (_policy(line) for line in text.splitlines())
    return {policy.arn: policy for policy in policies}


def _policy(line: str) -> ManagedPolicy:
    told = orjson.loads(line)
    created, updated = (datetime.fromisoformat(told[key]).timestamp() for key in ("created", "updated"))
    number = told["version"]
    return ManagedPolicy(
        account="aws",
        name=told["name"],
        policy_id="ANPA" + told["name"].upper().replace("-", "").replace("_", "")[:17],
        created_at=created,
        updated_at=updated,
        versions=(PolicyVersion(number, orjson.dumps(told["document"]).decode(), updated),),
        default=number,
        last=number,
        path=told["path"],
    )
