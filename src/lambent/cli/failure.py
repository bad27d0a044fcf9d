"""What went wrong, in one line that names it and the way out, with the exit code that scripts see."""

from typing import Any

import click

from lambent.folder import CannotStart
from lambent.settings import BadSetting

FUNCTION_FAILED = 1
USAGE = 2
REFUSED = 3  # no node, or it said no


class Failure(click.ClickException):
    """A command that could not do what it was asked to."""

    exit_code = REFUSED

    def show(self, file: Any = None) -> None:
        click.echo(f"lambent: {self.message}", err=True)


class Misuse(Failure):
    """A setting or an option that cannot be used."""

    exit_code = USAGE


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _refusal(response: dict[str, Any], operation: str) -> Failure:
    """The node's refusal in the words of AWS's error, from botocore's ClientError."""
    error = response.get("Error", {})
    code = error.get("Code", "?")
    message = error.get("Message") or "no reason given"
    if code in ("403", "404"):  # S3 answers a HEAD without a body
        message = {"403": "it belongs to another account", "404": "it does not exist"}[code]
    return Failure(_one_line(f"{operation} was refused: {message} ({code})"))


def explain(error: Exception) -> click.ClickException:
    """The one line for any exception that reaches the end of a command."""
    if isinstance(error, click.ClickException):
        return error
    origin = type(error).__module__.split(".")[0]
    if origin == "botocore":
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            return _refusal(response, getattr(error, "operation_name", "the call"))
        if hasattr(error, "kwargs") and "endpoint_url" in error.kwargs:
            url = error.kwargs["endpoint_url"]
            return Failure(f"nothing answers at {url}: start a node with `lambent up`")
        return Failure(_one_line(str(error)))
    if isinstance(error, BadSetting):
        return Misuse(_one_line(str(error)))
    if isinstance(error, CannotStart):
        return Failure(str(error))
    if isinstance(error, OSError):
        return Failure(_one_line(f"{error.filename or 'the system'}: {error.strerror or error}"))
    return Failure(
        _one_line(f"a mistake of lambent's own: {type(error).__name__}: {error}")
        + " (LAMBENT_DEBUG=1 shows where; please report it)"
    )
