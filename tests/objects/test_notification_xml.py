import pytest

from lambent.objects import notification_xml
from lambent.objects.errors import S3Error
from lambent.objects.notifications import Rule

ARN = "arn:aws:lambda:us-east-1:111111111111:function:f"


def document(*rules: str) -> bytes:
    return (
        '<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"{''.join(rules)}</NotificationConfiguration>"
    ).encode()


def configuration(arn: str = ARN, event: str = "s3:ObjectCreated:*", id: str = "", filters: str = "") -> str:
    return (
        f"<CloudFunctionConfiguration>{f'<Id>{id}</Id>' if id else ''}<CloudFunction>{arn}</CloudFunction>"
        f"<Event>{event}</Event><Filter><S3Key>{filters}</S3Key></Filter></CloudFunctionConfiguration>"
    )


def filter_rule(name: str, value: str) -> str:
    return f"<FilterRule><Name>{name}</Name><Value>{value}</Value></FilterRule>"


def refusal(*rules: str) -> S3Error:
    with pytest.raises(S3Error) as caught:
        notification_xml.read(document(*rules))
    return caught.value


def test_what_is_read_is_written_again() -> None:
    filters = filter_rule("PREFIX", "in/") + filter_rule("suffix", "")
    rules = notification_xml.read(document(configuration(f"{ARN}:live", id="a&amp;b", filters=filters)))
    assert rules == (Rule("a&b", f"{ARN}:live", ("s3:ObjectCreated:*",), "in/", ""),)
    written = notification_xml.write(rules)
    assert b"<Name>Prefix</Name><Value>in/</Value>" in written
    assert notification_xml.read(written) == rules


def test_a_queue_is_a_destination_like_a_function() -> None:
    queue = "arn:aws:sqs:us-east-1:111111111111:q"
    one = (
        f"<QueueConfiguration><Id>q</Id><Queue>{queue}</Queue>"
        "<Event>s3:ObjectRemoved:*</Event></QueueConfiguration>"
    )
    rules = notification_xml.read(document(one, configuration(id="f")))
    assert [(rule.id, rule.destination, rule.to_queue) for rule in rules] == [
        ("q", queue, True),
        ("f", ARN, False),
    ]
    assert notification_xml.read(notification_xml.write(rules)) == rules
    bad = refusal(one.replace(queue, "arn:aws:sqs:x"))
    assert (bad.message, bad.fields["ArgumentName"]) == ("The ARN could not be parsed", "Queue")


@pytest.mark.parametrize("arn", ["arn:bad", "f", "1:function:f", "arn:aws:lambda:us-east-1:1:f", ""])
def test_a_function_is_named_by_its_arn(arn: str) -> None:
    error = refusal(configuration(arn))
    assert (error.code, error.message) == ("InvalidArgument", "The ARN could not be parsed")
    assert (error.fields["ArgumentName"], error.fields["ArgumentValue"]) == ("CloudFunction", arn)


def test_no_rules_is_a_document_too() -> None:
    assert notification_xml.read(document()) == ()
    assert notification_xml.read(notification_xml.write(())) == ()


def test_a_rule_without_an_id_gets_one() -> None:
    one, other = (notification_xml.read(document(configuration()))[0] for _ in range(2))
    assert one.id
    assert one.id != other.id


@pytest.mark.parametrize(
    ("element", "words"),
    [
        ("<TopicConfiguration/>", "SNS topics"),
        ("<EventBridgeConfiguration/>", "EventBridge"),
    ],
)
def test_destinations_of_other_services_are_refused_by_name(element: str, words: str) -> None:
    error = refusal(element)
    assert error.code == "NotImplemented"
    assert words in error.message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<",
        b"<Other/>",
        document("<Rule/>"),
        document("<CloudFunctionConfiguration/>"),
        b'<!DOCTYPE x [<!ENTITY y "z">]><NotificationConfiguration>&y;</NotificationConfiguration>',
    ],
)
def test_what_is_no_such_document_is_malformed(data: bytes) -> None:
    with pytest.raises(S3Error) as caught:
        notification_xml.read(data)
    assert caught.value.code == "MalformedXML"


def test_the_event_is_looked_at_before_the_arn_and_the_arn_before_the_filter() -> None:
    wrong_filter = filter_rule("middle", "x")
    everything = configuration("nonsense", "s3:Nothing", filters=wrong_filter)
    assert refusal(everything).message == "The event is not supported for notifications"
    arn_and_filter = configuration("nonsense", filters=wrong_filter)
    assert refusal(arn_and_filter).message == "The ARN could not be parsed"
    only_filter = configuration(filters=wrong_filter)
    assert refusal(only_filter).message == "filter rule name must be either prefix or suffix"


def test_the_last_arn_that_cannot_be_read_is_named() -> None:
    error = refusal(configuration("one"), configuration("two"), configuration())
    assert error.fields == {"ArgumentName": "CloudFunction", "ArgumentValue": "two"}


def test_a_filter_has_one_prefix() -> None:
    error = refusal(configuration(filters=filter_rule("prefix", "a") + filter_rule("Prefix", "b")))
    assert error.message == "Cannot specify more than one prefix rule in a filter."
