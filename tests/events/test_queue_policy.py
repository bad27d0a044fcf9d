"""Queue policies: services and other accounts."""

import json
from typing import Any

import pytest

from lambent.events.queue_policy import allows_account, allows_service
from lambent.model.queue import MessageQueue, QueueKey

KEY = QueueKey("000000000000", "us-east-1", "work")
BUCKET = "arn:aws:s3:::photos"


def queue(*statements: dict[str, Any]) -> MessageQueue:
    base = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = {"Statement": [{**base, "Resource": KEY.arn, **statement} for statement in statements]}
    return MessageQueue(id=1, key=KEY, created_at=0, modified_at=0, policy=json.dumps(policy))


def s3_may(*statements: dict[str, Any]) -> bool:
    given = {"source_arn": BUCKET, "source_account": "000000000000"}
    return allows_service(queue(*statements), "s3.amazonaws.com", "sqs:SendMessage", **given)


@pytest.mark.parametrize(
    "statement",
    [
        {},
        {"Principal": "*"},
        {"Action": ["SQS:*"]},
        {"Action": "SQS:SendMessage", "Resource": "*"},
        {"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:*:*:photos"}}},
        {"Condition": {"StringEquals": {"aws:SourceAccount": ["1", "000000000000"]}}},
        {"Condition": {"StringEqualsIfExists": {"aws:PrincipalOrgID": "o"}}},
    ],
)
def test_a_statement_lets_s3_send(statement: dict[str, Any]) -> None:
    assert s3_may(statement)


@pytest.mark.parametrize(
    "statement",
    [
        {"Principal": {"Service": "sns.amazonaws.com"}},
        {"Action": "sqs:ReceiveMessage"},
        {"Resource": f"{KEY.arn}2"},
        {"Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::other"}}},
        {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o"}}},
        {"Condition": {"NumericLessThan": {"aws:SourceAccount": "0"}}},
        {"Effect": "Deny"},
    ],
)
def test_a_statement_does_not_let_s3_send(statement: dict[str, Any]) -> None:
    assert not s3_may(statement)


def test_a_denial_wins_and_one_that_is_not_understood_too() -> None:
    insecure = {"Effect": "Deny", "Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    assert s3_may({}, insecure)
    assert not s3_may({}, {"Effect": "Deny", "Principal": "*"})
    odd = {"Effect": "Deny", "Principal": "*", "Condition": {"Odd": {"aws:SourceAccount": "1"}}}
    assert not s3_may({}, odd)


def test_without_a_policy_nobody_else_may() -> None:
    bare = MessageQueue(id=1, key=KEY, created_at=0, modified_at=0)
    assert not allows_account(bare, "111122223333", "arn:aws:iam::111122223333:root", "sqs:SendMessage")
    account = queue({"Principal": {"AWS": "111122223333"}})
    assert allows_account(account, "111122223333", "arn:aws:iam::111122223333:root", "sqs:SendMessage")
