"""`lambent logs`: what a function printed, once or as it comes."""

import json
import re
import time
from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from lambent.cli.failure import Failure
from lambent.cli.node import data_option, find, json_option

POLL_S = 0.5
REMEMBERED = 10_000  # event ids, so that lines of one millisecond are neither lost nor shown twice
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class AgeType(click.ParamType[float]):
    """A stretch of time: 90s, 10m, 2h, 7d."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.fullmatch(r"(\d+)([smhd])", str(value))
        if not found:
            self.fail(f"{value!r} is not of the form 90s, 10m, 2h or 7d", param, ctx)
        return float(found[1]) * UNITS_S[found[2]]


@click.command()
@click.argument("name")
@click.option("--follow", "-f", is_flag=True, help="Go on printing until Ctrl-C.")
@click.option("--since", type=AgeType(), metavar="AGE", help="Only what is younger: 90s, 10m, 2h, 7d.")
@data_option
@json_option
def command(name: str, follow: bool, since: float | None, data: Path | None, as_json: bool) -> None:
    """Print what a function printed, oldest first, with the platform's START, END and REPORT lines."""
    node = find(data)
    logs = node.client("logs")
    group = f"/aws/lambda/{name}"
    start_ms = int((time.time() - since) * 1000) if since else 0
    if not follow and not _exists(logs, group):
        node.client("lambda").get_function_configuration(FunctionName=name)  # refuses an unknown name
        raise Failure(f"{name} has not logged anything: it has not run yet")
    for event in _follow(logs, group, start_ms) if follow else _events(logs, group, start_ms):
        click.echo(json.dumps(event, ensure_ascii=False) if as_json else line(event))


def line(event: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(event["timestamp"] / 1000).strftime("%H:%M:%S.%f")[:-3]
    return f"{click.style(at, dim=True)} {readable(event['message'].rstrip())}"


def readable(message: str) -> str:
    """AWS parts the lines of one event, such as a traceback, with carriage returns."""
    return message.replace("\r", "\n")


def _exists(logs: Any, group: str) -> bool:
    found = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    return any(each["logGroupName"] == group for each in found)


def _events(logs: Any, group: str, start_ms: int) -> Iterator[dict[str, Any]]:
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=start_ms)
    for page in pages:
        yield from page["events"]


def _follow(logs: Any, group: str, start_ms: int) -> Iterator[dict[str, Any]]:
    """Every event once, in the order of each look; a look begins where the last one's newest event was."""
    seen: OrderedDict[str, None] = OrderedDict()
    while True:
        try:
            for event in _events(logs, group, start_ms):
                if event["eventId"] in seen:
                    continue
                seen[event["eventId"]] = None
                start_ms = max(start_ms, event["timestamp"] - 1000)  # a late writer gets a second
                yield event
        except logs.exceptions.ResourceNotFoundException:
            pass  # it has not run yet
        while len(seen) > REMEMBERED:
            seen.popitem(last=False)
        time.sleep(POLL_S)
