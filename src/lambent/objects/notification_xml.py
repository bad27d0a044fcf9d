"""NotificationConfiguration as S3's clients send and expect it."""

import uuid

from lambent.model.names import parse_target
from lambent.model.queue import parse_queue_arn
from lambent.objects import xml
from lambent.objects.errors import S3Error, invalid_argument, malformed_xml, not_implemented
from lambent.objects.notifications import Rule, check_events, check_together
from lambent.objects.xml import around, document, tag

# What has a rule, and what in it names the destination; the first is what SDKs show as
# LambdaFunctionConfigurations.
RULES = {"CloudFunctionConfiguration": "CloudFunction", "QueueConfiguration": "Queue"}
_OTHER_DESTINATIONS = {
    "TopicConfiguration": "SNS topics",
    "EventBridgeConfiguration": "EventBridge",
}


def read(data: bytes) -> tuple[Rule, ...]:
    """The rules of a document, checked in S3's order as far as the document alone tells."""
    root = xml.parse(data)
    if root.tag != "NotificationConfiguration":
        raise malformed_xml()
    for element in root:
        if element.tag in _OTHER_DESTINATIONS:
            raise not_implemented(
                f"Notification to {_OTHER_DESTINATIONS[element.tag]}; use queues or Lambda functions, which"
            )
        if element.tag not in RULES:
            raise malformed_xml()
    for element in root:
        check_events(_events(element))
    _check_destinations(list(root))
    rules = tuple(_rule(element) for element in root)
    check_together(rules)
    return rules


def _events(element: xml.Element) -> tuple[str, ...]:
    events = tuple(child.text or "" for child in element.findall("Event"))
    if not events:
        raise malformed_xml()
    return events


def _check_destinations(elements: list[xml.Element]) -> None:
    """The last wrong one is named, as S3 does."""
    for element in reversed(elements):
        name = RULES[element.tag]
        arn = xml.text_of(element, name)
        if not (_is_queue(arn) if name == "Queue" else _is_function(arn)):
            raise invalid_argument("The ARN could not be parsed", name, arn)


def _is_queue(arn: str) -> bool:
    return arn.startswith("arn:") and parse_queue_arn(arn) is not None


def _is_function(arn: str) -> bool:
    target = parse_target(arn, "", "")  # which takes "arn:x" for the version x of a function called arn
    return target is not None and bool(target.key.region)


def _rule(element: xml.Element) -> Rule:
    filters: dict[str, str] = {}
    for rule in element.findall("Filter/S3Key/FilterRule"):
        name = xml.text_of(rule, "Name").lower()
        if name not in ("prefix", "suffix"):
            raise invalid_argument("filter rule name must be either prefix or suffix", "FilterRule", name)
        if name in filters:
            raise S3Error("InvalidArgument", f"Cannot specify more than one {name} rule in a filter.")
        filters[name] = xml.text_of(rule, "Value")
    return Rule(
        id=xml.text_of(element, "Id") or uuid.uuid4().hex,
        destination=xml.text_of(element, RULES[element.tag]),
        events=_events(element),
        prefix=filters.get("prefix"),
        suffix=filters.get("suffix"),
    )


def write(rules: tuple[Rule, ...]) -> bytes:
    return document("NotificationConfiguration", [_element(rule) for rule in rules])


def _element(rule: Rule) -> str:
    filters = [
        around("FilterRule", [tag("Name", name), tag("Value", value)])
        for name, value in (("Prefix", rule.prefix), ("Suffix", rule.suffix))
        if value is not None
    ]
    kind = "QueueConfiguration" if rule.to_queue else "CloudFunctionConfiguration"
    parts = [
        tag("Id", rule.id),
        tag(RULES[kind], rule.destination),
        *(tag("Event", event) for event in rule.events),
        *([around("Filter", [around("S3Key", filters)])] if filters else []),
    ]
    return around(kind, parts)
