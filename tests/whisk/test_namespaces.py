"""Who may call, what everybody may know, and how much a namespace may take."""

import uuid

import pytest
from click.testing import CliRunner
from tests.conftest import RunningNode
from tests.whisk.conftest import Client, client_of, lambent

from lambent.cli.main import cli

pytestmark = pytest.mark.slow


def test_a_key_opens_one_namespace(guest: Client) -> None:
    assert guest.raw("GET", "/api/v1/namespaces").json == ["guest"]
    assert guest.raw("GET", "/api/v1/namespaces/").json == ["guest"]
    limits = guest.ok("GET", "limits")
    assert limits["invocationsPerMinute"] == 100_000
    assert limits["maxActionMemory"] == 512


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (None, "The resource requires authentication, which was not supplied with the request"),
        ("Basic bm9ib2R5Om5vdGhpbmc=", "The supplied authentication is invalid"),
        ("Basic %%%", "The supplied authentication is invalid"),
        ("Bearer x", "The supplied authentication is invalid"),
    ],
)
def test_others_are_refused(stranger: Client, header: str | None, text: str) -> None:
    headers = {"Authorization": header} if header else {}
    answer = stranger.raw("GET", "/api/v1/namespaces/_/actions", headers=headers)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="OpenWhisk secure realm"'
    assert (answer.json["error"], set(answer.json)) == (text, {"error", "code"})


def test_everybody_may_ask_what_this_is(stranger: Client) -> None:
    info = stranger.raw("GET", "/").json
    assert info["description"] == "OpenWhisk"
    assert info["api_paths"] == ["/api/v1"]
    assert info["limits"]["max_action_memory"] == 512 * 1024 * 1024
    assert info["limits"]["actions_per_minute"] == 60
    (default,) = (kind for kind in info["runtimes"]["python"] if kind["default"])
    assert default["deprecated"] is False
    api = stranger.raw("GET", "/api/v1").json
    assert api["api_version_path"] == "v1"
    assert api["build"].startswith("20"), "as wsk expects it"
    answer = stranger.raw("OPTIONS", "/api/v1/namespaces/_/actions/x")
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, DELETE, POST, PUT, HEAD"


def test_a_request_id_is_echoed(guest: Client) -> None:
    path = "/api/v1/namespaces/_/actions/missing"
    answer = guest.raw("GET", path, headers={"X-Request-ID": "mine"})
    assert (answer.headers["X-Request-ID"], answer.json["code"]) == ("mine", "mine")
    assert guest.raw("GET", path, headers={"X-Request-ID": "sid_1"}).json["code"] != "sid_1"


def test_users_are_made_blocked_and_deleted(node: RunningNode) -> None:
    made = client_of(node, "brief-user")
    assert lambent(node.data, "whisk", "user", "get", "brief-user") == made.auth
    assert "brief-user" in lambent(node.data, "whisk", "user", "list")
    path = "/api/v1/namespaces"
    assert made.raw("GET", path).status == 200
    lambent(node.data, "whisk", "user", "block", "brief-user")
    assert made.raw("GET", path).status == 401
    lambent(node.data, "whisk", "user", "unblock", "brief-user")
    assert made.raw("GET", path).status == 200
    lambent(node.data, "whisk", "user", "delete", "brief-user")
    assert made.raw("GET", path).status == 401


def test_a_key_may_be_brought_along(node: RunningNode) -> None:
    auth = f"{uuid.uuid4()}:{'k' * 64}"
    assert lambent(node.data, "whisk", "user", "create", "moved-in", "--auth", auth) == auth
    second = lambent(node.data, "whisk", "user", "create", "second", "--namespace", "moved-in")
    assert Client(node.url, second, "moved-in").raw("GET", "/api/v1/namespaces").json == ["moved-in"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("user", "create", "abc"), "Subject name must be at least 5 characters"),
        (("user", "create", "guest"), "already has the namespace"),
        (("user", "create", "guests", "--auth", "x:y"), "not a valid UUID"),
        (("user", "get", "nobody"), "Subject nobody does not exist"),
        (("limits", "set", "guest", "colour=1"), "There is no limit 'colour'"),
        (("limits", "set", "guest", "firesPerMinute=-1"), "a whole number from 0 on"),
        (("limits", "get", "nowhere"), "Namespace nowhere does not exist"),
    ],
)
def test_what_an_operator_gets_wrong(
    node: RunningNode, guest: Client, arguments: tuple[str, ...], text: str
) -> None:
    done = CliRunner().invoke(cli, ["whisk", *arguments, "--data", str(node.data)])
    assert done.exit_code != 0
    assert text in f"{done.output} {done.exception}"


def test_a_minute_has_its_limit(node: RunningNode) -> None:
    few = client_of(node, "few-calls", roomy=False)
    lambent(node.data, "whisk", "limits", "set", "few-calls", "invocationsPerMinute=0")
    few.action("counted")
    text = few.refused(429, "POST", "actions/counted", {}, blocking=True)
    assert text == "Too many requests in the last minute (count: 1, allowed: 0)."
    lambent(
        node.data, "whisk", "limits", "set", "few-calls", "invocationsPerMinute=", "concurrentInvocations=0"
    )
    text = few.refused(429, "POST", "actions/counted", {}, blocking=True)
    assert text == "Too many concurrent requests in flight (count: 0, allowed: 0)."


def test_activations_need_not_be_stored(node: RunningNode) -> None:
    secret = client_of(node, "secretive")
    secret.action("quiet")
    lambent(node.data, "whisk", "limits", "set", "secretive", "storeActivations=false")
    secret.refused(404, "GET", f"activations/{secret.invoke('quiet')['activationId']}")
