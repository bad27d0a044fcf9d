"""`lambent whisk`: users, keys and limits of the OpenWhisk face."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from lambent.cli import whisk_export
from lambent.cli.failure import Failure
from lambent.cli.node import Node, data_option, find, json_option
from lambent.cli.output import print_json, table
from lambent.lazy import Lazy

auth = Lazy("botocore.auth")
awsrequest = Lazy("botocore.awsrequest")
botocore_credentials = Lazy("botocore.credentials")
urllib3 = Lazy("urllib3")

PREFIX = "/_lambent/whisk/"
TIMEOUT_S = 30.0
PAGE = 100


@click.group()
def command() -> None:
    """Users, keys and limits of the OpenWhisk API that the node serves."""


@command.group()
def user() -> None:
    """Who may use the OpenWhisk API."""


@command.group()
def limits() -> None:
    """What a namespace may take."""


@user.command()
@click.argument("subject")
@click.option("--namespace", "-n", metavar="NAME", help="The namespace of the key. Default: the subject.")
@click.option("--auth", "-u", "given", metavar="UUID:KEY", help="A key to keep using, in place of a new one.")
@data_option
@json_option
def create(subject: str, namespace: str | None, given: str | None, data: Path | None, as_json: bool) -> None:
    """Make a key for SUBJECT, and the namespace when it is new. Prints what goes into AUTH of ~/.wskprops."""
    content = {"namespace": namespace, "auth": given}
    _show(ask(find(data), "PUT", f"users/{subject}", content), as_json)


@user.command()
@click.argument("subject")
@data_option
@json_option
def get(subject: str, data: Path | None, as_json: bool) -> None:
    """Print the keys of SUBJECT."""
    _show(ask(find(data), "GET", f"users/{subject}"), as_json)


@user.command("list")
@data_option
@json_option
def list_users(data: Path | None, as_json: bool) -> None:
    """List subjects and their namespaces."""
    found = ask(find(data), "GET", "users")
    if as_json:
        print_json([{key: value for key, value in row.items() if key != "auth"} for row in found])
    elif found:
        rows = [(row["subject"], row["namespace"], "blocked" if row["blocked"] else "") for row in found]
        table(("SUBJECT", "NAMESPACE", ""), rows)
    else:
        click.echo("no users yet: `lambent whisk user create NAME` makes one")


@user.command()
@click.argument("subject")
@data_option
def delete(subject: str, data: Path | None) -> None:
    """Take the keys of SUBJECT away. Its namespaces stay, with what is in them."""
    ask(find(data), "DELETE", f"users/{subject}")
    click.echo(f"{subject} deleted")


@user.command()
@click.argument("subject")
@data_option
def block(subject: str, data: Path | None) -> None:
    """Refuse the keys of SUBJECT until `unblock`."""
    ask(find(data), "POST", f"users/{subject}", {"blocked": True})
    click.echo(f"{subject} blocked")


@user.command()
@click.argument("subject")
@data_option
def unblock(subject: str, data: Path | None) -> None:
    """Accept the keys of SUBJECT again."""
    ask(find(data), "POST", f"users/{subject}", {"blocked": False})
    click.echo(f"{subject} unblocked")


@limits.command("get")
@click.argument("namespace")
@data_option
def get_limits(namespace: str, data: Path | None) -> None:
    """Print what differs from OpenWhisk's defaults, as JSON."""
    print_json(ask(find(data), "GET", f"limits/{namespace}"))


@limits.command("set")
@click.argument("namespace")
@click.argument("limit", nargs=-1, required=True, metavar="NAME=VALUE...")
@data_option
def set_limits(namespace: str, limit: tuple[str, ...], data: Path | None) -> None:
    """Set limits such as invocationsPerMinute=6000; an empty value gives the default back."""
    node = find(data)
    own = ask(node, "GET", f"limits/{namespace}")
    for one in limit:
        name, equals, value = one.partition("=")
        if not equals:
            raise click.BadParameter(f"{one!r} is not NAME=VALUE")
        own.pop(name, None)
        if value:
            own[name] = _value(name, value)
    print_json(ask(node, "PUT", f"limits/{namespace}", own))


@command.command()
@click.argument("namespace")
@click.argument("folder", type=click.Path(path_type=Path))
@data_option
def export(namespace: str, folder: Path, data: Path | None) -> None:
    """Write the actions of NAMESPACE into FOLDER as Lambda functions, with a script that deploys them."""
    node = find(data)
    auths = [key["auth"] for key in ask(node, "GET", "users") if key["namespace"] == namespace]
    if not auths:
        raise Failure(
            f"no user has the namespace {namespace}: `lambent whisk user list` shows which there are"
        )
    actions = [_read(node, auths[0], _path("actions", one)) for one in _all(node, auths[0], "actions")]
    rules = [_read(node, auths[0], _path("rules", one)) for one in _all(node, auths[0], "rules")]
    for name, why in whisk_export.write(folder, actions, rules).items():
        click.echo(f"not exported: {name}: {why}", err=True)
    click.echo(f"{folder}/deploy.sh makes the functions")


def _all(node: Node, key: str, collection: str) -> list[Any]:
    found: list[Any] = []
    while page := _read(node, key, f"{collection}?limit={PAGE}&skip={len(found)}"):
        found += page
    return found


def _path(collection: str, entity: dict[str, Any]) -> str:
    package = entity["namespace"].partition("/")[2]
    return "/".join(quote(part) for part in (collection, package, entity["name"]) if part)


def _read(node: Node, key: str, path: str) -> Any:
    """What the OpenWhisk API shows to a key."""
    url = f"{node.url}/api/v1/namespaces/_/{path}"
    headers = urllib3.make_headers(basic_auth=key)
    answer = urllib3.request("GET", url, headers=headers, timeout=TIMEOUT_S, retries=False)
    if answer.status != 200:
        raise Failure(f"{path}: {answer.json()['error']}")
    return answer.json()


def ask(node: Node, method: str, page: str, content: dict[str, Any] | None = None) -> Any:
    """The answer of the node's own page. Raises `Failure` with its refusal."""
    url = f"{node.url}{PREFIX}{page}"
    body = json.dumps(content).encode() if content is not None else b""
    request = awsrequest.AWSRequest(method, url, data=body)
    keys = botocore_credentials.Credentials(node.access_key, node.secret_key, node.token)
    auth.SigV4Auth(keys, "lambda", node.region).add_auth(request)
    headers = dict(request.headers.items())
    answer = urllib3.request(method, url, body=body, headers=headers, timeout=TIMEOUT_S, retries=False)
    if answer.status != 200:
        raise Failure(str(answer.json().get("message", answer.data)))
    return answer.json()


def _show(keys: Any, as_json: bool) -> None:
    keys = keys if isinstance(keys, list) else [keys]
    if as_json:
        print_json(keys)
    elif len(keys) == 1:
        click.echo(keys[0]["auth"])
    else:
        table(("NAMESPACE", "AUTH"), [(key["namespace"], key["auth"]) for key in keys])


def _value(name: str, text: str) -> int | bool:
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text)
    except ValueError:
        raise click.BadParameter(f"{name} must be a number, true or false, not {text!r}") from None
