"""Turns a write that happened into the invocations and messages that its rules ask for."""

import logging
import time
import uuid

from lambent.model.invocation import Invocation
from lambent.model.queue import Draft
from lambent.objects import records
from lambent.objects.destinations import SERVICE, Destinations
from lambent.objects.intents import Fired, Intent, Notice, Written
from lambent.objects.notifications import Rule

log = logging.getLogger(__name__)


class Firing:
    """Asks again whether the bucket may tell the destination, as S3 does at each delivery."""

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations

    def __call__(self, intent: Intent, written: Written) -> list[tuple[Rule, Fired]]:
        fired = []
        for rule in intent.bucket.rules:
            if not rule.wants(written.event, intent.key):
                continue
            what = self._fire(intent, written, rule)
            if what is None:
                log.warning(
                    "%s of s3://%s/%s is dropped: %s is not there or does not take it from the bucket",
                    written.event,
                    intent.bucket.name,
                    intent.key,
                    rule.destination,
                )
            else:
                fired.append((rule, what))
        return fired

    def _fire(self, intent: Intent, written: Written, rule: Rule) -> Fired | None:
        event = records.event(intent, written, rule)
        trace = intent.caller.trace
        if rule.to_queue:
            queue = self._destinations.may_send(intent.bucket, rule.destination)
            draft = Draft(body=event.decode(), sender=SERVICE, trace=trace)
            return Notice(queue, draft) if queue else None
        target = self._destinations.may_start(intent.bucket, rule.destination)
        if target is None:
            return None
        return Invocation(
            request_id=str(uuid.uuid4()),
            target=target,
            payload=event,
            source="s3",
            trace_id=trace,
            accepted_at=time.time(),
        )
