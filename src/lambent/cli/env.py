"""`lambent env`: the variables that point every AWS tool at the running node."""

import os
import shlex
from pathlib import Path

import click

from lambent.cli.node import data_option, json_option, of_folder
from lambent.cli.output import print_json
from lambent.settings import default_data


@click.command()
@click.option("--warehouse", is_flag=True, help="The warehouse's address, user and password as well.")
@data_option
@json_option
def command(warehouse: bool, data: Path | None, as_json: bool) -> None:
    """Print exports for the shell: eval "$(lambent env)" makes every AWS tool talk to the running node."""
    node = of_folder(data or default_data())  # never what an earlier eval left behind
    exports = {**node.exports(), **(node.warehouse_exports() if warehouse else {})}
    if as_json:
        print_json(exports)
        return
    for name, value in exports.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    if "AWS_SESSION_TOKEN" in os.environ and "AWS_SESSION_TOKEN" not in exports:
        click.echo("unset AWS_SESSION_TOKEN")  # it belongs to other keys, and would go along with ours
