"""`lambent ls`: the functions of an account and what starts them."""

from pathlib import Path
from typing import Any

import click

from lambent.cli import queues, triggers
from lambent.cli.node import data_option, find, json_option
from lambent.cli.output import print_json, table

HEAD = ("NAME", "RUNTIME", "MEMORY", "TIMEOUT", "MODIFIED", "TRIGGERS")


@click.command()
@data_option
@json_option
def command(data: Path | None, as_json: bool) -> None:
    """List functions and what starts them."""
    node = find(data)
    found = [
        function
        for page in node.client("lambda").get_paginator("list_functions").paginate()
        for function in page["Functions"]
    ]
    wired = triggers.by_function(node.client("s3")) if found else {}
    for arn, texts in queues.by_function(node.client("lambda")).items() if found else ():
        wired.setdefault(arn, []).extend(texts)
    rows = [_row(function, wired) for function in sorted(found, key=lambda f: f["FunctionName"])]
    if as_json:
        print_json(rows)
    elif rows:
        table(HEAD, [_cells(row) for row in rows])
    else:
        click.echo("no functions yet: `lambent deploy FILE` makes one")


def _row(function: dict[str, Any], wired: dict[str, list[str]]) -> dict[str, Any]:
    arn = function["FunctionArn"]
    starts = [text for target, texts in wired.items() if f"{target}:".startswith(f"{arn}:") for text in texts]
    return {
        "name": function["FunctionName"],
        "arn": arn,
        "runtime": function.get("Runtime", "image"),
        "memory_mb": function["MemorySize"],
        "timeout_s": function["Timeout"],
        "last_modified": function["LastModified"],
        "triggers": starts,
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    modified = row["last_modified"][:19].replace("T", " ")
    memory, timeout = f"{row['memory_mb']} MB", f"{row['timeout_s']} s"
    return row["name"], row["runtime"], memory, timeout, modified, ", ".join(row["triggers"]) or "-"
