"""The running node that a command talks to: where it is, and with which keys."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

from lambent.cli.failure import Failure
from lambent.folder import CREDENTIALS_FILE, RUN_FILE
from lambent.lazy import Lazy
from lambent.model.identity import Credential
from lambent.model.names import DEFAULT_REGION
from lambent.settings import default_data
from lambent.store import credentials

boto3 = Lazy("boto3")  # takes a quarter of a second
config = Lazy("botocore.config")
urllib3 = Lazy("urllib3")

F = TypeVar("F", bound=Callable[..., Any])
LONGEST_CALL_S = 960  # a function runs for 900 s at most


@dataclass(frozen=True, slots=True)
class Node:
    """A node's address and a key pair that it knows."""

    url: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = DEFAULT_REGION
    token: str | None = field(default=None, repr=False)
    run: Mapping[str, Any] = field(default_factory=dict)  # the run file, empty when found by environment

    def client(self, service: str) -> Any:
        """A boto3 client. It sends a request once: a repeated Invoke would run the function twice."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            aws_session_token=self.token,
            region_name=self.region,
            config=config.Config(
                connect_timeout=5,
                read_timeout=LONGEST_CALL_S,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path"},
                proxies={},
            ),
        )

    def default_runtime(self) -> str:
        """The Python that the node keeps libraries ready for; this interpreter's own when it does not say."""
        return str(self._health().get("default_runtime", f"python3.{sys.version_info.minor}"))

    def runtimes(self) -> list[str]:
        """Those that functions can have there, of each language in the order of their versions."""
        return list(self._health().get("runtimes", []))

    def _health(self) -> dict[str, Any]:
        answer = urllib3.request("GET", f"{self.url}/_lambent/health", timeout=5.0, retries=False)
        return dict(answer.json())

    def exports(self) -> dict[str, str]:
        """The variables that point every AWS tool at this node."""
        token = {"AWS_SESSION_TOKEN": self.token} if self.token else {}
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",  # such as stream-127.0.0.1
            **token,
        }

    def warehouse_exports(self) -> dict[str, str]:
        """What reaches the warehouse from outside: an account's own key is a user there."""
        place = self.run["warehouse"]
        return {
            "REDSHIFT_HOST": place["host"],
            "REDSHIFT_PORT": str(place["port"]),
            "REDSHIFT_DATABASE": place["database"],
            "REDSHIFT_USER": self.access_key,
            "REDSHIFT_PASSWORD": self.secret_key,
            "SSL_CERT_FILE": place["certificates"],
        }


def find(data: Path | None, environment: Mapping[str, str] = os.environ) -> Node:
    """The node that is meant: `--data`, else AWS_ENDPOINT_URL with its keys, else the data folder's run file.

    Keys in the environment without AWS_ENDPOINT_URL are not used: they belong to AWS itself.
    """
    if data is None and environment.get("AWS_ENDPOINT_URL"):
        return _from_environment(environment)
    return of_folder(data or Path(environment.get("LAMBENT_DATA") or default_data()))


def _from_environment(environment: Mapping[str, str]) -> Node:
    url = environment["AWS_ENDPOINT_URL"].rstrip("/")
    try:
        key, secret = environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
    except KeyError as missing:
        raise Failure(
            f"AWS_ENDPOINT_URL is set to {url} but {missing.args[0]} is not:"
            ' run eval "$(lambent env)", or unset AWS_ENDPOINT_URL'
        ) from None
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or DEFAULT_REGION
    return Node(url, key, secret, region, environment.get("AWS_SESSION_TOKEN"))


def of_folder(data: Path) -> Node:
    """The node that runs on a data folder."""
    run = running(data)
    if run is None:
        raise Failure(
            f"no node runs on {data}: start one with `lambent up`, or name its folder with --data or"
            " LAMBENT_DATA"
        )
    pair = read_credentials(data / CREDENTIALS_FILE)
    return Node(run["url"], pair.access_key, pair.secret_key, run.get("region", DEFAULT_REGION), run=run)


def running(data: Path) -> dict[str, Any] | None:
    """The run file of the node that runs on a data folder; None when none does."""
    run = read_run_file(data)
    return run if run and alive(int(run["pid"])) else None


def read_run_file(data: Path) -> dict[str, Any] | None:
    """What a node wrote when it was ready; None before that, and when there is no node."""
    try:
        run: dict[str, Any] = json.loads((data / RUN_FILE).read_text())
    except (FileNotFoundError, ValueError):  # it is empty while the node starts
        return None
    except PermissionError:
        raise Failure(
            f"{data / RUN_FILE} is not yours to read: run as the user who started the node"
        ) from None
    return run


def read_credentials(path: Path) -> Credential:
    """The first key pair of a credentials file."""
    try:
        return credentials.parse(path.read_text(), str(path))[0]
    except OSError as error:
        raise Failure(
            f"{path}: {error.strerror}: run as the user who started the node, or set AWS_ENDPOINT_URL,"
            " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from None


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def data_option(command: F) -> F:
    return click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Data folder of the node. Default: the environment's AWS_ENDPOINT_URL, then LAMBENT_DATA,"
        " then the user's data folder.",
    )(command)


def json_option(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")(command)
