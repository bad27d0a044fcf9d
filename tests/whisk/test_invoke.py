"""Invocations of actions: how they are asked for, what they answer, what goes wrong."""

import base64
import json
from typing import Any

import pytest
from tests.conftest import zip_of
from tests.whisk.conftest import PYTHON, Client

from lambent.runtimes.executables import find

pytestmark = pytest.mark.slow

NODES = [name for name, found in find().items() if found.family == "nodejs"]
PLACEHOLDER = "The action did not initialize or run as expected. Log data might be missing."
NO_BINARY = "The action failed to generate or locate a binary. See logs for details."
NOT_INITIALIZED = "The action did not initialize and exited unexpectedly."
CANNOT_START = "Cannot start action. Check logs for details."
NO_JSON = "The action did not produce a valid JSON or JSON Array response: null"
EXITED = "The action did not produce a valid response and exited unexpectedly."
TOO_LONG = "The action produced a response that exceeded the allowed length: 1048585 > 1048576 bytes."
EXHAUSTED = "The action exhausted its memory and was aborted."
TIMED_OUT = "The action exceeded its time limits of 500 milliseconds."
BOOM = "An error has occurred: Error: boom"
ECHO = "def main(args):\n    return args\n"


def pairs(**given: Any) -> list[dict[str, Any]]:
    return [{"key": key, "value": value} for key, value in given.items()]


def test_a_blocking_call_answers_the_activation_without_its_logs(guest: Client) -> None:
    guest.action("blocking", "def main(args):\n    print('seen')\n    return args\n")
    answer = guest.send("POST", "actions/blocking", {"a": 1}, blocking=True)
    got = answer.json
    assert answer.status == 200
    assert answer.headers["x-openwhisk-activation-id"] == got["activationId"]
    assert got["response"] == {"status": "success", "success": True, "result": {"a": 1}, "size": 8}
    assert (got["name"], got["namespace"], got["subject"], got["version"]) == (
        "blocking",
        "guest",
        "guest",
        "0.0.1",
    )
    assert got["logs"] == []
    assert got["end"] - got["start"] == got["duration"]
    annotations = {pair["key"]: pair["value"] for pair in got["annotations"]}
    assert annotations.pop("waitTime") >= 0
    assert annotations.pop("initTime") > 0, "it was a cold start"
    assert annotations == {
        "path": "guest/blocking",
        "kind": PYTHON,
        "timeout": False,
        "limits": {"timeout": 60000, "memory": 256, "logs": 10, "concurrency": 1},
    }
    stored = guest.activation(got["activationId"])
    assert {**got, "logs": stored["logs"]} == stored
    assert stored["logs"][0].endswith("Z stdout: seen")
    assert len(stored["logs"][0].split(" ")[0]) == 30
    again = {pair["key"] for pair in guest.invoke("blocking")["annotations"]}
    assert "initTime" not in again, "only a cold start has one"


def test_a_call_that_nobody_waits_for(guest: Client) -> None:
    guest.action("deferred", ECHO)
    answer = guest.send("POST", "actions/deferred", {"a": 1}, result=True)
    assert answer.status == 202
    assert set(answer.json) == {"activationId"}
    assert answer.headers["x-openwhisk-activation-id"] == answer.json["activationId"]
    assert guest.wait(answer.json["activationId"])["response"]["result"] == {"a": 1}


def test_a_call_that_takes_longer_than_its_caller_waits(guest: Client) -> None:
    guest.action("slow", "import time\ndef main(args):\n    time.sleep(0.3)\n    return {'done': 1}\n")
    answer = guest.send("POST", "actions/slow", {}, blocking=True, timeout=1)
    assert answer.status == 202
    assert guest.wait(answer.json["activationId"])["response"]["result"] == {"done": 1}
    for wrong in (-1, 60_001):
        guest.refused(400, "POST", "actions/slow", {}, blocking=True, timeout=wrong)


def test_parameters_come_from_the_action_and_are_overridden_by_the_call(guest: Client) -> None:
    guest.action("parameters", ECHO, parameters=pairs(a=1, b=2))
    assert guest.result("parameters", {"b": 3}) == {"a": 1, "b": 3}
    change = {"annotations": pairs(final=True)}
    guest.ok("PUT", "actions/parameters", change, overwrite=True)
    text = "Request defines parameters that are not allowed (e.g., reserved properties)."
    assert guest.refused(400, "POST", "actions/parameters", {"b": 3}, blocking=True) == text
    assert guest.result("parameters", {"c": 3}) == {"a": 1, "b": 2, "c": 3}


ENVIRONMENT = """
import os
def main(args):
    known = ("COLOUR", "NONE")
    return {k: v for k, v in os.environ.items() if k.startswith("__OW") or k in known}
"""


def test_the_environment_of_a_run(guest: Client) -> None:
    init = {"key": "COLOUR", "value": {"blue": 1}, "init": True}
    none = {"key": "NONE", "value": None, "init": True}
    guest.action("environment", ENVIRONMENT, parameters=[init, none])
    got = guest.invoke("environment")
    seen = got["response"]["result"]
    assert (json.loads(seen.pop("COLOUR")), seen.pop("NONE")) == ({"blue": 1}, "")
    assert seen.pop("__OW_API_HOST").startswith("http://")
    assert int(seen.pop("__OW_DEADLINE")) > got["start"]
    assert seen.pop("__OW_TRANSACTION_ID")
    assert seen == {
        "__OW_NAMESPACE": "guest",
        "__OW_ACTION_NAME": "/guest/environment",
        "__OW_ACTION_VERSION": "0.0.1",
        "__OW_ACTIVATION_ID": got["activationId"],
    }
    guest.ok(
        "PUT", "actions/environment", {"annotations": pairs(**{"provide-api-key": True})}, overwrite=True
    )
    assert guest.result("environment")["__OW_API_KEY"] == guest.auth


@pytest.mark.parametrize(
    ("body", "status", "result"),
    [
        ("return {'error': 'no', 'more': 1}", "application error", {"error": "no"}),
        ("raise ValueError('boom')", "application error", {"error": "boom"}),
        ("return None", "action developer error", NO_JSON),
        ("return 7", "action developer error", "The action did not return a dictionary or array."),
        ("return {1, 2}", "action developer error", "Unable to marshal response"),
        ("import os; os._exit(1)", "action developer error", EXITED),
        ("return {'a': 'b' * 1048576}", "application error", TOO_LONG),
        ("return bytearray(600 << 20) and {}", "action developer error", EXHAUSTED),
        ("while True: pass", "action developer error", TIMED_OUT),
    ],
)  # fmt: skip
def test_what_goes_wrong(guest: Client, body: str, status: str, result: object) -> None:
    limits = {"timeout": 500 if "while" in body else 30_000}
    guest.action("wrong", f"def main(args):\n    {body}\n", limits=limits)
    answer = guest.send("POST", "actions/wrong", {}, blocking=True)
    response = answer.json["response"]
    assert answer.status == 502
    assert "code" not in answer.json, "or clients would take it for the platform's own error"
    assert response["success"] is False
    assert response["status"] == status
    if isinstance(result, str):
        assert response["result"]["error"].startswith(result)
        logs = guest.activation(answer.json["activationId"])["logs"]
        assert (logs[-1:] == [PLACEHOLDER]) is (status == "action developer error")
    else:
        assert response["result"] == result
    only = guest.send("POST", "actions/wrong", {}, blocking=True, result=True)
    assert only.status == 502
    assert list(only.json) == ["error"]


def test_a_list_is_answered_bare(guest: Client) -> None:
    guest.action("listing", "def main(args):\n    return [1, {'a': 2}]\n")
    for result in (True, False):
        answer = guest.send("POST", "actions/listing", {}, blocking=True, result=result)
        assert (answer.status, answer.json) == (200, [1, {"a": 2}])


@pytest.mark.parametrize(
    ("files", "message", "logged"),
    [
        ({"other": "x = 1"}, NO_BINARY, "__main__.py"),
        ({"__main__": "def main(:"}, NO_BINARY, "SyntaxError"),
        ({"__main__": "import nothing_like_it"}, CANNOT_START, "nothing_like_it"),
        ({"__main__": "x = 1"}, CANNOT_START, "no attribute 'main'"),
        ({"__main__": "x = 1", "virtualenv/other": ""}, NO_BINARY, "activate_this.py"),
        ({"__main__": "import os; os._exit(3)"}, NOT_INITIALIZED, ""),
    ],
)  # fmt: skip
def test_what_cannot_start(guest: Client, files: dict[str, str], message: str, logged: str) -> None:
    guest.action("unstartable", base64.b64encode(zip_of(**files)).decode())
    got = guest.invoke("unstartable")
    assert got["response"]["status"] == "action developer error"
    assert got["response"]["result"] == {"error": message}
    assert logged in "\n".join(guest.activation(got["activationId"])["logs"])


def test_a_virtualenv_in_the_zip_is_activated(guest: Client) -> None:
    activate = "import os, sys\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'site'))\n"
    files = {
        "__main__": "import inside\ndef main(args):\n    return {'value': inside.VALUE}\n",
        "virtualenv/bin/activate_this.py": activate,
        "virtualenv/site/inside.py": "VALUE = 7\n",
    }
    guest.action("virtual", base64.b64encode(zip_of(**files)).decode(), exec={"main": "main"})
    assert guest.result("virtual") == {"value": 7}


def test_main_has_another_name(guest: Client) -> None:
    guest.action("named", "def niam(args):\n    return {'it': 'is'}\n", exec={"main": "niam"})
    assert guest.result("named") == {"it": "is"}


def test_both_streams_are_in_the_log(guest: Client) -> None:
    code = """
import logging, sys
print("early")
def main(args):
    print("out 1\\nout 2")
    print("err 1\\nerr 2", file=sys.stderr)
    logging.warning("warned")
    print("no newline", end="")
    return {}
"""
    guest.action("streams", code)
    logs = guest.activation(guest.invoke("streams")["activationId"])["logs"]
    lines = [line[31:] for line in logs]
    assert lines == [
        "stdout: early", "stdout: out 1", "stdout: out 2", "stderr: err 1", "stderr: err 2",
        "stderr: WARNING:root:warned", "stdout: no newline",
    ]  # fmt: skip


def test_logs_end_at_their_limit(guest: Client) -> None:
    code = "def main(args):\n    for _ in range(2048): print('x' * 1024)\n    return {}\n"
    guest.action("chatty", code, limits={"logs": 1})
    logs = guest.activation(guest.invoke("chatty")["activationId"])["logs"]
    assert logs[-1].endswith(
        "stderr: Logs were truncated because the total bytes size exceeds the limit of 1048576 bytes."
    )
    assert len(logs) < 1100
    guest.ok("PUT", "actions/chatty", {"limits": {"logs": 0}}, overwrite=True)
    assert guest.activation(guest.invoke("chatty")["activationId"])["logs"] == []


@pytest.mark.parametrize("body", [b"[1]", b'"text"', b"{", b"7"])
def test_a_payload_is_an_object(guest: Client, body: bytes) -> None:
    guest.action("strict", ECHO)
    guest.refused(400, "POST", "actions/strict", body, blocking=True)


def test_a_payload_has_a_size(guest: Client) -> None:
    guest.action("sized", ECHO)
    body = json.dumps({"a": "b" * 1_048_576}).encode()
    text = f"Request larger than allowed: {len(body)} > 1048576 bytes."
    assert guest.refused(413, "POST", "actions/sized", body, blocking=True) == text
    assert guest.send("POST", "actions/sized", blocking=True, result=True).json == {}, (
        "no body is an empty one"
    )


def test_an_executable(guest: Client) -> None:
    script = """#!/bin/sh
echo "logged $1"
read input
echo "{\\"argument\\": $1, \\"input\\": $input}"
"""
    native = {"kind": "blackbox", "image": "openwhisk/dockerskeleton"}
    guest.ok("PUT", "actions/native", {"exec": {**native, "code": script}}, overwrite=True)
    got = guest.invoke("native", {"a": 1})
    assert got["response"]["result"] == {"argument": {"a": 1}, "input": {"a": 1}}
    assert guest.activation(got["activationId"])["logs"][0].endswith('stdout: logged {"a": 1}')
    for code in (base64.b64encode(script.encode()), base64.b64encode(zip_of(**{"exec.": script}))):
        made = guest.ok("PUT", "actions/native", {"exec": {**native, "code": code.decode()}}, overwrite=True)
        assert made["exec"]["code"] == code.decode()
    silent = "#!/bin/sh\necho no json\n"
    guest.ok("PUT", "actions/native", {"exec": {**native, "code": silent}}, overwrite=True)
    assert guest.result("native") == {"error": "The action did not return a dictionary or array."}
    guest.ok("PUT", "actions/native", {"exec": {**native, "code": "no program"}}, overwrite=True)
    assert guest.result("native") == {"error": "The executable does not start: Exec format error."}
    text = "'code' must be a string or attachment object defined in 'exec' for 'blackbox' actions"
    for none in ("", None):
        body = {"exec": {**native, "code": none}}
        assert text in guest.refused(400, "PUT", "actions/native", body, overwrite=True)


NODE = """
function main(args) { console.log("out"); console.error("err"); return %s; }
"""


@pytest.mark.skipif(not NODES, reason="there is no Node.js")
@pytest.mark.parametrize(
    ("expression", "status", "result"),
    [
        ("{ got: args.a }", "success", {"got": 1}),
        ("Promise.resolve({ got: 2 })", "success", {"got": 2}),
        ("undefined", "success", {}),
        ("[1]", "success", [1]),
        ("{ error: 'no' }", "application error", {"error": "no"}),
        ("Promise.reject({ why: 'no' })", "application error", {"error": {"why": "no"}}),
        ("Promise.reject()", "application error", {"error": {}}),
        ("(() => { throw new Error('boom') })()", "action developer error", {"error": BOOM}),
        ("7", "action developer error", {"error": "The action did not return a dictionary."}),
        ("process.exit(1)", "action developer error", {"error": EXITED}),
    ],
)  # fmt: skip
def test_javascript(guest: Client, expression: str, status: str, result: object) -> None:
    made = guest.action("script", NODE % expression, kind="nodejs:default")
    assert made["exec"]["kind"].startswith("nodejs:")
    assert made["exec"]["kind"] != "nodejs:default"
    answer = guest.send("POST", "actions/script", {"a": 1}, blocking=True)
    if isinstance(result, list):
        assert answer.json == result
        return
    assert (answer.json["response"]["status"], answer.json["response"]["result"]) == (status, result)
    logs = [line[31:] for line in guest.activation(answer.json["activationId"])["logs"]]
    assert logs[:2] == ["stdout: out", "stderr: err"]


@pytest.mark.skipif(not NODES, reason="there is no Node.js")
def test_javascript_packages(guest: Client) -> None:
    package = {
        "package.json": '{"main": "lib/start.js"}',
        "lib/start.js": "exports.main = a => ({ lib: a.a })",
    }
    guest.action("packaged", base64.b64encode(zip_of(**package)).decode(), kind="nodejs:20")
    assert guest.result("packaged", {"a": 1}) == {"lib": 1}
    other = {"index.js": "", "tool.js": "exports.run = () => ({ ran: true })"}
    code = base64.b64encode(zip_of(**other)).decode()
    guest.action("packaged", code, kind="nodejs:18", exec={"main": "tool.run"})
    assert guest.result("packaged") == {"ran": True}
    empty = base64.b64encode(zip_of(**{"tool.js": ""})).decode()
    guest.action("packaged", empty, kind="nodejs:20")
    assert guest.result("packaged") == {
        "error": "Zipped actions must contain either package.json or index.js at the root."
    }
