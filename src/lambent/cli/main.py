"""The command line `lambent`: finds the command, runs it, and says in one line what went wrong."""

import importlib
import os
import sys
from typing import NoReturn

import click

from lambent import __version__
from lambent.cli.failure import explain

COMMANDS = {
    "up": "Start a node and keep it running.",
    "env": "Print the exports that point every AWS tool at the running node.",
    "deploy": "Push a Python file or folder as a function, and wire what starts it.",
    "invoke": "Call a function and print its answer.",
    "logs": "Print what a function printed.",
    "ls": "List functions and what starts them.",
    "rm": "Remove a function, its triggers and its permissions.",
    "whisk": "Users, keys and limits of the OpenWhisk API that the node serves.",
    "doctor": "Say what this machine allows, and what to do about the rest.",
}


class Commands(click.Group):
    """A group that imports a command's module when it is used: `--help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"lambent.cli.{cmd_name}").command
        command.help = command.help or COMMANDS[cmd_name]
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 the function failed, 2 wrong usage, 3 no node or it refused.",
)
@click.version_option(__version__, prog_name="lambent", message="%(prog)s %(version)s")
def cli() -> None:
    """AWS Lambda on your own machines: push a Python script, fire and forget."""


def main() -> NoReturn:
    """Run the command that was given. A traceback is shown only when LAMBENT_DEBUG is set."""
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:  # `lambent logs … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if os.environ.get("LAMBENT_DEBUG"):
            raise
        failure = explain(error)
        failure.show()
        sys.exit(failure.exit_code)


if __name__ == "__main__":
    main()
