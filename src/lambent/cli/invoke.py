"""`lambent invoke`: one call of a function, its answer, and what it took."""

import base64
import json
import re
import sys
from pathlib import Path
from typing import Any

import click

from lambent.cli.failure import FUNCTION_FAILED
from lambent.cli.logs import readable
from lambent.cli.node import data_option, find, json_option
from lambent.cli.output import print_json

_REPORT = {
    "duration_ms": re.compile(r"\bDuration: ([\d.]+) ms\tBilled"),
    "billed_ms": re.compile(r"Billed Duration: ([\d.]+) ms"),
    "init_ms": re.compile(r"Init Duration: ([\d.]+) ms"),
    "memory_mb": re.compile(r"Memory Size: (\d+) MB"),
    "memory_peak_mb": re.compile(r"Max Memory Used: (\d+) MB"),
}


def read_payload(given: str) -> bytes:
    """The event: JSON text, `@file`, or `-` for standard input. Raises `BadParameter`."""
    if given == "-":
        raw, source = sys.stdin.buffer.read(), "standard input"
    elif given.startswith("@"):
        raw, source = _read(Path(given[1:])), given[1:]
    else:
        raw, source = given.encode(), "--payload"
    try:
        json.loads(raw)
    except ValueError as error:
        raise click.BadParameter(f"{source} is not JSON: {error}", param_hint="--payload") from None
    return raw


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise click.BadParameter(f"{path}: {error.strerror}", param_hint="--payload") from None


def measures(log: str) -> dict[str, float]:
    """What the REPORT line in a log tail says; empty when the tail does not hold one."""
    line = next((line for line in reversed(log.splitlines()) if line.startswith("REPORT ")), "")
    found = {name: pattern.search(line) for name, pattern in _REPORT.items()}
    return {name: float(match[1]) for name, match in found.items() if match}


@click.command()
@click.argument("name")
@click.option("--payload", default="{}", metavar="JSON|@FILE|-", help="The event. Default: {}.")
@click.option("--async", "queued", is_flag=True, help="Queue it and come back at once.")
@data_option
@json_option
def command(name: str, payload: str, queued: bool, data: Path | None, as_json: bool) -> int:
    """Call a function and print its answer.

    The answer goes to standard output, what the call took to standard error. Exit code 1 says that the
    function failed.
    """
    event = read_payload(payload)
    functions = find(data).client("lambda")
    if queued:
        answer = functions.invoke(FunctionName=name, Payload=event, InvocationType="Event")
        request_id = answer["ResponseMetadata"]["RequestId"]
        print_json({"request_id": request_id}) if as_json else click.echo(f"queued {request_id}")
        return 0
    answer = functions.invoke(FunctionName=name, Payload=event, LogType="Tail")
    _print(answer, as_json)
    return FUNCTION_FAILED if answer.get("FunctionError") else 0


def _print(answer: dict[str, Any], as_json: bool) -> None:
    body = answer["Payload"].read()
    log = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")
    failed = answer.get("FunctionError")
    took = measures(log)
    if as_json:
        print_json(
            {
                "request_id": answer["ResponseMetadata"]["RequestId"],
                "version": answer.get("ExecutedVersion"),
                "function_error": failed,
                "payload": json.loads(body) if body else None,
                **took,
                "log_tail": log,
            }
        )
        return
    click.echo(body.decode(errors="replace"))
    sys.stdout.flush()
    if failed:
        click.echo(readable(log), err=True, nl=False)
    click.echo(click.style(summary(took, failed), fg="red" if failed else None, dim=not failed), err=True)


def summary(took: dict[str, float], failed: str | None) -> str:
    """One line for people: 3.12 ms, billed 4 ms, 41 of 128 MB, cold start 3.40 ms."""
    parts = ["the function failed"] if failed else []
    if took:
        parts += [f"{took['duration_ms']:.2f} ms", f"billed {took['billed_ms']:.0f} ms"]
        parts += [f"{took['memory_peak_mb']:.0f} of {took['memory_mb']:.0f} MB"]
    if "init_ms" in took:
        parts.append(f"cold start {took['init_ms']:.2f} ms")
    return " · ".join(parts) or "done"
