"""Policies: a table of documents, requests and what IAM says to them."""

import json
import time
from typing import Any

import pytest

from lambent.model.patterns import arn_like, like
from lambent.model.policy import BadPolicy, Caller, Effect, Request, decide, parse

SILENT, DELEGATED, ALLOW, DENY = Effect.SILENT, Effect.DELEGATED, Effect.ALLOW, Effect.DENY
ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/app/loader"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/loader/run"
CALLER = Caller(ACCOUNT, frozenset({ROLE, SESSION}))
KEY = "arn:aws:s3:::data/in/a.csv"
FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:hello"


def document(*statements: dict[str, Any], version: str = "2012-10-17") -> str:
    return json.dumps({"Version": version, "Statement": list(statements)})


def statement(**members: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "*", "Resource": "*"} | members


def effect(
    *statements: dict[str, Any], action: str = "s3:GetObject", resource: str = KEY, **context: Any
) -> Effect:
    told = {key.replace("__", ":").lower(): _values(value) for key, value in context.items()}
    request = Request(CALLER, action, resource, told)
    return decide([parse(document(*statements))], request)


def _values(value: Any) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"Action": "s3:GetObject"}, ALLOW),
        ({"Action": "S3:getobject"}, ALLOW),  # actions have no case
        ({"Action": "s3:Get*"}, ALLOW),
        ({"Action": "s3:Get?bject"}, ALLOW),
        ({"Action": "*:GetObject"}, None),  # no vendor
        ({"Action": ["s3:PutObject", "s3:*"]}, ALLOW),
        ({"Action": "s3:PutObject"}, SILENT),
        ({"Action": "s3:GetObjectTagging"}, SILENT),
        ({"Action": "*", "Effect": "Deny"}, DENY),
        ({"Resource": "arn:aws:s3:::data/in/*"}, ALLOW),
        ({"Resource": "arn:aws:s3:::data*"}, ALLOW),
        ({"Resource": "arn:aws:s3:::DATA/*"}, SILENT),  # resources have
        ({"Resource": "arn:aws:s3:::data"}, SILENT),
        ({"Resource": "arn:aws:s3:::data/?n/a.csv"}, ALLOW),
        ({"Resource": "arn:aws:s3"}, ALLOW),  # the parts that it lacks are all the same
        ({"Resource": "arn:aws:*:::data/*"}, ALLOW),
        ({"Resource": ["arn:aws:s3:::other/*", "arn:aws:s3:::data/in/a.csv"]}, ALLOW),
        ({"Resource": "arn:aws:sqs:*:*:*"}, SILENT),
    ],
)
def test_actions_and_resources(members: dict[str, Any], said: Effect | None) -> None:
    if said is None:
        with pytest.raises(BadPolicy, match="must be prefaced by a vendor"):
            effect(statement(**members))
    else:
        assert effect(statement(**members)) == said


def test_what_is_not_named() -> None:
    def but(**members: Any) -> dict[str, Any]:
        return {"Effect": "Allow", **members}

    assert effect(but(NotAction="iam:*", Resource="*")) == ALLOW
    assert effect(but(NotAction=["s3:Get*"], Resource="*")) == SILENT
    assert effect(but(Action="s3:*", NotResource="arn:aws:s3:::secret/*")) == ALLOW
    assert effect(but(Action="s3:*", NotResource=["arn:aws:s3:::data/*"])) == SILENT


def test_deny_wins_wherever_it_stands() -> None:
    everything, never = statement(), statement(Effect="Deny", Resource="arn:aws:s3:::data/in/*")
    assert effect(everything, never) == effect(never, everything) == DENY
    assert effect(everything, never, resource="arn:aws:s3:::data/out/b") == ALLOW


def test_an_action_without_a_resource_wants_a_star() -> None:
    assert effect(statement(), action="s3:ListAllMyBuckets", resource="*") == ALLOW
    named = statement(Resource="arn:aws:s3:::data")
    assert effect(named, action="s3:ListAllMyBuckets", resource="*") == SILENT


NOW = "2026-11-23T12:00:00Z"


@pytest.mark.parametrize(
    ("operator", "wanted", "value", "holds"),
    [
        ("StringEquals", "in/", "in/", True),
        ("StringEquals", "in/*", "in/x", False),  # stars stand for themselves
        ("StringEquals", ["a", "in/"], "in/", True),
        ("StringEquals", "in/", None, False),
        ("StringEqualsIfExists", "in/", None, True),
        ("StringEqualsIfExists", "in/", "out/", False),
        ("StringNotEquals", "in/", "out/", True),
        ("StringNotEquals", ["in/", "out/"], "out/", False),
        ("StringNotEquals", "in/", None, True),
        ("StringEqualsIgnoreCase", "IN/", "in/", True),
        ("StringNotEqualsIgnoreCase", "IN/", "in/", False),
        ("StringLike", "in/*", "in/x", True),
        ("StringLike", "in/?", "in/xy", False),
        ("StringNotLike", "in/*", "in/x", False),
        ("NumericEquals", "10", "10.0", True),
        ("NumericNotEquals", 10, "11", True),
        ("NumericLessThan", "10", "9", True),
        ("NumericLessThanEquals", "10", "10", True),
        ("NumericGreaterThan", "10", "10", False),
        ("NumericGreaterThanEquals", "10", "10", True),
        ("NumericEquals", "10", "ten", False),
        ("DateLessThan", "2027-01-01T00:00:00Z", NOW, True),
        ("DateGreaterThan", "2027-01-01", NOW, False),
        ("DateEquals", "2026-11-23T13:00:00+01:00", NOW, True),
        ("DateGreaterThanEquals", "1700000000", NOW, True),
        ("DateNotEquals", NOW, NOW, False),
        ("DateLessThanEquals", "soon", NOW, False),
        ("Bool", "true", "True", True),
        ("Bool", True, "true", True),
        ("Bool", "true", "false", False),
        ("BoolIfExists", "true", None, True),
        ("BinaryEquals", "QQ==", "QQ==", True),
        ("BinaryEquals", "QQ==", "not base64", False),
        ("IpAddress", "192.0.2.0/24", "192.0.2.7", True),
        ("IpAddress", ["198.51.100.1", "192.0.2.0/24"], "192.0.2.7", True),
        ("IpAddress", "192.0.2.0/24", "2001:db8::1", False),
        ("NotIpAddress", "192.0.2.0/24", "203.0.113.9", True),
        ("NotIpAddress", "2001:db8::/32", "2001:db8::1", False),
        ("ArnLike", "arn:aws:s3:::da*", "arn:aws:s3:::data", True),
        ("ArnLike", "arn:aws:s3:*:*:data", "arn:aws:s3:::data", True),
        ("ArnEquals", "arn:aws:s3:::da*", "arn:aws:s3:::data", True),
        ("ArnLike", "arn:aws:s3:::data", "no arn", False),
        ("ArnNotLike", "arn:aws:s3:::da*", "arn:aws:s3:::data", False),
        ("ArnNotEquals", "arn:aws:s3:::x", "arn:aws:s3:::data", True),
        ("Null", "true", None, True),
        ("Null", "true", "there", False),
        ("Null", "false", "there", True),
        ("Null", "false", None, False),
        ("ForAnyValue:StringEquals", ["a", "b"], ["x", "b"], True),
        ("ForAnyValue:StringEquals", ["a", "b"], ["x", "y"], False),
        ("ForAnyValue:StringEquals", "a", None, False),
        ("ForAnyValue:StringLikeIfExists", "a*", ["ab"], True),
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "b"], True),
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "c"], False),
        ("ForAllValues:StringEquals", "a", None, True),
        ("ForAnyValue:StringNotEquals", ["a"], ["a", "b"], True),
        ("ForAllValues:StringNotLike", ["a*"], ["b", "ab"], False),
    ],
)
def test_conditions(operator: str, wanted: Any, value: Any, holds: bool) -> None:
    context = {} if value is None else {"my__key": value}
    said = effect(statement(Condition={operator: {"My:Key": wanted}}), **context)
    assert said == (ALLOW if holds else SILENT)


def test_all_conditions_must_hold() -> None:
    both = statement(Condition={"StringEquals": {"a:b": "1", "c:d": "2"}, "Bool": {"e:f": "true"}})
    assert effect(both, a__b="1", c__d="2", e__f="true") == ALLOW
    assert effect(both, a__b="1", c__d="2", e__f="false") == SILENT
    assert effect(both, a__b="1", e__f="true") == SILENT


@pytest.mark.parametrize(
    ("resource", "key", "said"),
    [
        ("arn:aws:s3:::home/${aws:username}/*", "arn:aws:s3:::home/ann/x", ALLOW),
        ("arn:aws:s3:::home/${aws:username}/*", "arn:aws:s3:::home/bob/x", SILENT),
        ("arn:aws:s3:::home/${AWS:UserName}", "arn:aws:s3:::home/ann", ALLOW),
        ("arn:aws:s3:::home/${aws:nothing}", "arn:aws:s3:::home/", SILENT),
        ("arn:aws:s3:::home/${aws:nothing, 'all'}", "arn:aws:s3:::home/all", ALLOW),
        ("arn:aws:s3:::home/${*}", "arn:aws:s3:::home/*", ALLOW),
        ("arn:aws:s3:::home/${*}", "arn:aws:s3:::home/x", SILENT),
        ("arn:aws:s3:::home/$x", "arn:aws:s3:::home/$x", ALLOW),
        ("arn:aws:s3:::home/${star}", "arn:aws:s3:::home/x", SILENT),  # a value's star is no star
    ],
)
def test_variables(resource: str, key: str, said: Effect) -> None:
    assert effect(statement(Resource=resource), resource=key, aws__username="ann", star="*") == said


def test_variables_in_conditions() -> None:
    own = statement(Condition={"StringLike": {"s3:prefix": "${aws:username}/*"}})
    same = statement(Condition={"StringEquals": {"s3:prefix": "${aws:username}/"}})
    assert effect(own, aws__username="ann", s3__prefix="ann/x") == ALLOW
    assert effect(own, aws__username="ann", s3__prefix="bob/x") == SILENT
    assert effect(same, aws__username="ann", s3__prefix="ann/") == ALLOW


ROOT = Caller(ACCOUNT, frozenset({f"arn:aws:iam::{ACCOUNT}:root"}))
OTHER = Caller("999999999999", frozenset({"arn:aws:iam::999999999999:user/x"}))
S3 = Caller(service="s3.amazonaws.com")
NOBODY = Caller()


@pytest.mark.parametrize(
    ("principal", "caller", "said"),
    [
        ("*", CALLER, ALLOW),
        ("*", NOBODY, ALLOW),
        ({"AWS": "*"}, NOBODY, ALLOW),
        ({"AWS": ROLE}, CALLER, ALLOW),
        ({"AWS": [SESSION]}, CALLER, ALLOW),
        ({"AWS": ROLE}, OTHER, SILENT),
        ({"AWS": ACCOUNT}, CALLER, DELEGATED),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, CALLER, DELEGATED),
        ({"AWS": ACCOUNT}, ROOT, ALLOW),
        ({"AWS": ACCOUNT}, OTHER, SILENT),
        ({"Service": "s3.amazonaws.com"}, S3, ALLOW),
        ({"Service": ["sns.amazonaws.com", "s3.amazonaws.com"]}, S3, ALLOW),
        ({"Service": "sns.amazonaws.com"}, S3, SILENT),
        ({"Service": "s3.amazonaws.com"}, CALLER, SILENT),
        ({"Federated": "cognito-identity.amazonaws.com"}, CALLER, SILENT),
    ],
)
def test_whom_a_resource_policy_names(principal: Any, caller: Caller, said: Effect) -> None:
    policy = parse(document(statement(Principal=principal)), names_principals=True)
    assert decide([policy], Request(caller, "s3:GetObject", KEY, {})) == said


def test_whom_it_does_not_name() -> None:
    told = {"Effect": "Deny", "Action": "*", "Resource": "*", "NotPrincipal": {"AWS": ROLE}}
    policy = parse(document(told), names_principals=True)
    assert decide([policy], Request(CALLER, "s3:GetObject", KEY, {})) == SILENT
    assert decide([policy], Request(OTHER, "s3:GetObject", KEY, {})) == DENY


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Syntax errors in policy."),
        ("[" * 100_000, "Syntax errors in policy."),
        ("[]", "Syntax errors in policy."),
        ('{"Version": "2020-01-01", "Statement": []}', "Syntax errors in policy."),
        ('{"Version": "2012-10-17"}', "Missing required field Statement"),
        ('{"Statement": ["x"]}', "Syntax errors in policy."),
        (document({"Action": "*", "Resource": "*"}), "Missing required field Effect"),
        (document(statement(Effect="Maybe")), "Syntax errors in policy."),
        (document(statement(Extra=1)), "Syntax errors in policy."),
        (document({"Effect": "Allow", "Resource": "*"}), "Policy statement must contain actions."),
        (document({"Effect": "Allow", "Action": "s3:*"}), "Policy statement must contain resources."),
        (document(statement(Action="GetObject")), "Actions/Conditions must be prefaced by a vendor"),
        (document(statement(Resource="bucket")), 'Resource bucket must be in ARN format or "*".'),
        (document(statement(Principal="*")), "Policy document should not specify a principal."),
        (document(statement(Condition={"Eq": {"a:b": "c"}})), "Invalid Condition type : Eq."),
        (document(statement(Condition=[])), "Syntax errors in policy."),
        (document(statement(Condition={"Bool": "x"})), "Syntax errors in policy."),
        (document(statement(Action=[{}])), "Syntax errors in policy."),
        (document(statement(Sid="a"), statement(Sid="a")), "must be unique"),
    ],
)
def test_what_is_no_policy(text: str, words: str) -> None:
    with pytest.raises(BadPolicy) as raised:
        parse(text)
    assert words in str(raised.value)


def test_a_trust_policy_has_no_resource() -> None:
    told = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    policy = parse(document(told), names_principals=True, has_resources=False)
    assert decide([policy], Request(CALLER, "sts:AssumeRole", ROLE, {})) == DELEGATED
    with pytest.raises(BadPolicy, match="prohibited field Resource"):
        parse(document({**told, "Resource": "*"}), names_principals=True, has_resources=False)


def test_stars_cost_no_more_than_a_walk() -> None:
    begun = time.process_time()
    assert not like("a*" * 200 + "b", "a" * 5000)
    assert time.process_time() - begun < 5  # with backtracking it would outlive us all


def test_parts_of_an_arn_do_not_run_over() -> None:
    assert arn_like("arn:aws:lambda:*:111122223333:function:*", FUNCTION)
    assert not arn_like("arn:aws:lambda:*:function:hello", FUNCTION)
    assert arn_like("*", FUNCTION)
    assert not arn_like(FUNCTION, "hello")
