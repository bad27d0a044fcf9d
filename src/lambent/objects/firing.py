"""Turns a write that happened into the invocations that its rules ask for."""

import logging
import time
import uuid

from lambent.model.invocation import Invocation
from lambent.objects import records
from lambent.objects.destinations import Destinations
from lambent.objects.intents import Intent, Written
from lambent.objects.notifications import Rule

log = logging.getLogger(__name__)


class Firing:
    """Asks again whether the bucket may start the function, as S3 does at each delivery."""

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations

    def __call__(self, intent: Intent, written: Written) -> list[tuple[Rule, Invocation]]:
        fired = []
        for rule in intent.bucket.rules:
            if not rule.wants(written.event, intent.key):
                continue
            target = self._destinations.may_start(intent.bucket, rule.function)
            if target is None:
                log.warning(
                    "%s of s3://%s/%s is dropped: %s is not there or does not let the bucket start it",
                    written.event,
                    intent.bucket.name,
                    intent.key,
                    rule.function,
                )
                continue
            invocation = Invocation(
                request_id=str(uuid.uuid4()),
                target=target,
                payload=records.event(intent, written, rule),
                source="s3",
                accepted_at=time.time(),
            )
            fired.append((rule, invocation))
        return fired
