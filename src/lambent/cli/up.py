"""`lambent up`: a node, from its start to the signal that stops it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lambent import settings
from lambent.cli import profile
from lambent.folder import CREDENTIALS_FILE
from lambent.lazy import Lazy
from lambent.store import credentials

if TYPE_CHECKING:
    from lambent import up as node
else:
    node = Lazy("lambent.up")  # the whole node takes a while to import


@click.command()
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Data folder.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of every API. Default: 9000.")
@click.option("--host", metavar="ADDRESS", help="Address to listen at. Default: 127.0.0.1.")
@click.option(
    "--isolation",
    type=click.Choice(settings.CHOICES["isolation"]),
    help="auto: the walls that the kernel allows. strict: and accounts share no memory. process: none.",
)
@click.option(
    "--cpu",
    type=click.Choice(settings.CHOICES["cpu"]),
    help="weight: what nobody else needs is free to use. cap: no more than AWS gives for the memory.",
)
@click.option(
    "--network",
    type=click.Choice(settings.CHOICES["network"]),
    help="What functions reach: what is public (nat), what this machine does (host), this node only (none).",
)
@click.option("--allow-network", metavar="CIDR[,...]", help="Private networks that functions reach as well.")
@click.option(
    "--image-sources",
    metavar="PLACE[,...]",
    help="Folders and registries (HOST[:PORT]) that container images may come from.",
)
@click.option(
    "--kafka-brokers", metavar="HOST:PORT[,...]", help="Kafka brokers that OpenWhisk's feeds may read from."
)
@click.option("--public-url", metavar="URL", help="How clients reach the node, when not by host and port.")
@click.option(
    "--credentials",
    metavar="@FILE|KEY:SECRET[:ACCOUNT]",
    help="Root keys to use in place of made ones. On the command line others can read them: prefer @FILE.",
)
@click.option("--write-profile", is_flag=True, help="Write the AWS profile `lambent` into ~/.aws.")
def command(write_profile: bool, **flags: Any) -> int:
    """Start a node and keep it running until Ctrl-C or SIGTERM.

    Every option can also be set as LAMBENT_NAME in the environment or in lambent.toml in the data folder.
    """
    chosen = settings.load(flags)
    given = flags.get("credentials")
    if given and not given.startswith("@"):
        click.echo("lambent: other users here can read --credentials KEY:SECRET; use @FILE", err=True)
    if write_profile:
        if not chosen.port and not chosen.public_url:
            raise click.UsageError("--write-profile needs a port that stays: give --port or --public-url")
        _write_profile(chosen)
    return node.up(chosen, click.echo)


def _write_profile(chosen: settings.Settings) -> None:
    """Before the start, while this is still the user's own process; the keys are made if need be."""
    chosen.data.mkdir(parents=True, exist_ok=True)
    pair = credentials.load_or_create(chosen.data / CREDENTIALS_FILE, chosen.credentials)[0]
    config, _ = profile.write(
        url=chosen.url, access_key=pair.access_key, secret_key=pair.secret_key, region=chosen.region
    )
    click.echo(f"profile `{profile.PROFILE}` written to {config.parent}")
