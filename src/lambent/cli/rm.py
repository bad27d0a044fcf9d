"""`lambent rm`: a function goes, with what started it."""

from pathlib import Path

import click

from lambent.cli import queues, triggers
from lambent.cli.node import data_option, find, json_option
from lambent.cli.output import Steps, print_json


@click.command()
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@data_option
@json_option
def command(name: str, yes: bool, data: Path | None, as_json: bool) -> None:
    """Remove a function, its triggers and its permissions. Buckets, queues, files and logs stay."""
    node, steps = find(data), Steps(silent=as_json)
    functions = node.client("lambda")
    arn = functions.get_function_configuration(FunctionName=name)["FunctionArn"]
    if not yes:
        click.confirm(f"Remove {arn}?", abort=True, err=True)
    buckets = triggers.detach(node.client("s3"), arn)
    for bucket in buckets:
        steps.done("trigger", f"of {bucket} removed")
    mapped = queues.detach(functions, arn)
    for queue in mapped:
        steps.done("trigger", f"{queue} removed")
    functions.delete_function(FunctionName=arn)  # its policy goes with it
    steps.done("function", f"{name} removed")
    if as_json:
        print_json({"name": name, "arn": arn, "buckets": buckets, "queues": mapped})
