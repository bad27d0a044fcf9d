"""Extensions, external and internal: when they are told what, and what becomes of those that fail."""

import json
import sys

import pytest
from tests.runtimes.bench import CLIENT, KEY, SERVE, Bench, Make

from lambent.invoke import instance as instance_module
from lambent.invoke import runtime_connection as connection_module

pytestmark = pytest.mark.slow

# An extension with the client's half of the API; it prints, and the log is one.
EXTENSION = f"""#!{sys.executable} -IS
import http.client, json, os, sys, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
NAME = os.path.basename(sys.argv[0])

def call(method, path, body=None, **headers):
    headers = {{name.replace("_", "-"): value for name, value in headers.items()}}
    api.request(method, "/2020-01-01/extension/" + path, body, headers)
    answer = api.getresponse()
    return answer.status, answer.headers, json.loads(answer.read())

def register(*events, name=NAME):
    return call("POST", "register", json.dumps({{"events": events}}), Lambda_Extension_Name=name)

def next_event():
    return call("GET", "event/next", Lambda_Extension_Identifier=own)[2]

def say(*what):
    print(NAME, *what, flush=True)
"""
SERVE_EVENTS = (
    EXTENSION
    + """
status, headers, about = register("INVOKE", "SHUTDOWN")
say("registered", status, json.dumps(about))
own = headers["Lambda-Extension-Identifier"]
while True:
    event = next_event()
    say(json.dumps(event))
    if event["eventType"] == "SHUTDOWN":
        break
"""
)
ECHO = SERVE + "    print('runtime', event, flush=True)\n    respond(headers, event)\n"


def said(bench: Bench, name: str) -> list[str]:
    return [line.removeprefix(f"{name} ").rstrip() for line in bench.log if line.startswith(f"{name} ")]


async def test_an_external_extension_from_its_start_to_its_end(make: Make) -> None:
    bench = await make(ECHO, extensions={"watch": SERVE_EVENTS})
    for n in range(2):
        assert await bench.answer(n, trace_id="Root=1-2") == n
    await bench.instance.close()
    registered, *events = said(bench, "watch")
    about = {"functionName": "f", "functionVersion": "$LATEST", "handler": "index.handler"}
    assert registered == f"registered 200 {json.dumps(about)}"
    first, second, last = map(json.loads, events)
    assert (first["eventType"], second["eventType"]) == ("INVOKE", "INVOKE")
    assert first["invokedFunctionArn"] == KEY.arn
    assert first["tracing"] == {"type": "X-Amzn-Trace-Id", "value": "Root=1-2"}
    assert first["requestId"] != second["requestId"]
    assert (last["eventType"], last["shutdownReason"]) == ("SHUTDOWN", "spindown")


async def test_the_runtime_starts_when_all_have_registered(make: Make) -> None:
    late = SERVE_EVENTS.replace("status, headers", "time.sleep(0.3); status, headers")
    loud = CLIENT + "print('runtime starts', flush=True)\n" + ECHO.removeprefix(CLIENT)
    bench = await make(loud, extensions={"late": late, "watch": SERVE_EVENTS})
    assert await bench.answer(1) == 1
    lines = [line for line in bench.log if "registered" in line or "starts" in line]
    assert [line.split()[0] for line in lines] == ["watch", "late", "runtime"]


async def test_an_invocation_lasts_until_the_last_extension_has_asked(make: Make) -> None:
    slow = SERVE_EVENTS.replace("    say(json", "    time.sleep(0.3)\n    say(json")
    bench = await make(ECHO, extensions={"slow": slow})
    outcome = await bench.call(1)
    assert outcome.ok
    assert outcome.run.duration_ms >= 300
    assert len(said(bench, "slow")) == 2, "its line is in the log of the invocation"


async def test_shutdown_only_for_those_who_want_it(make: Make) -> None:
    deaf = SERVE_EVENTS.replace('"INVOKE", "SHUTDOWN"', '"SHUTDOWN"')
    bench = await make(ECHO, extensions={"deaf": deaf})
    assert await bench.answer(1) == 1
    await bench.instance.close()
    assert [json.loads(event)["eventType"] for event in said(bench, "deaf")[1:]] == ["SHUTDOWN"]


async def test_the_runtime_gets_sigterm_first(make: Make) -> None:
    polite = """
import signal

def end(*_):
    print("runtime ends", flush=True)
    os._exit(0)

signal.signal(signal.SIGTERM, end)
"""
    bench = await make(CLIENT + polite + ECHO.removeprefix(CLIENT), extensions={"watch": SERVE_EVENTS})
    assert await bench.answer(1) == 1
    await bench.instance.close()
    assert "runtime ends\n" in bench.log


async def test_who_does_not_end_is_killed(make: Make) -> None:
    stubborn = SERVE_EVENTS.replace("        break", "        time.sleep(60)")
    bench = await make(ECHO, extensions={"stubborn": stubborn})
    assert await bench.answer(1) == 1
    await bench.instance.close()


async def test_the_end_of_the_runtime_is_told_as_ever(make: Make) -> None:
    bench = await make(
        SERVE + "    if event: os._exit(3)\n    respond(headers, os.getpid())\n",
        extensions={"watch": SERVE_EVENTS},
    )
    pid = await bench.answer()
    told = await bench.fail(1)
    assert told["errorMessage"].endswith("exit status 3")
    assert await bench.answer() != pid
    assert sum("registered" in line for line in said(bench, "watch")) == 2


RESETS = {
    "failure": ("    if event: os._exit(3)\n    respond(headers, os.getpid())\n", "Runtime.ExitError"),
    "timeout": ("    if event: time.sleep(60)\n    respond(headers, os.getpid())\n", "Sandbox.Timedout"),
}


@pytest.mark.parametrize("reason", RESETS)
async def test_extensions_hear_why_all_begins_anew(make: Make, reason: str) -> None:
    code, error_type = RESETS[reason]
    bench = await make(SERVE + code, extensions={"watch": SERVE_EVENTS}, timeout_s=2)
    first = await bench.answer()
    assert (await bench.fail(1))["errorType"] == error_type
    last = json.loads(said(bench, "watch")[-1])
    assert (last["eventType"], last["shutdownReason"]) == ("SHUTDOWN", reason)
    assert await bench.answer() != first
    assert sum("registered" in line for line in said(bench, "watch")) == 2


async def test_extensions_hear_that_the_init_has_failed(make: Make) -> None:
    failing = (
        CLIENT
        + """
told = json.dumps({"errorType": "Mine.Odd", "errorMessage": "m"})
call("POST", "init/error", told)
time.sleep(60)
"""
    )
    bench = await make(failing, extensions={"watch": SERVE_EVENTS})
    assert (await bench.fail())["errorType"] == "Mine.Odd"
    last = json.loads(said(bench, "watch")[-1])
    assert (last["eventType"], last["shutdownReason"]) == ("SHUTDOWN", "failure")


async def test_extensions_hear_that_the_init_took_too_long(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance_module, "INIT_TIMEOUT_S", 3)
    bench = await make("#!/bin/sh\nexec sleep 60", extensions={"watch": SERVE_EVENTS}, timeout_s=3)
    assert (await bench.fail())["errorType"] == "Sandbox.Timedout"
    reasons = [json.loads(event)["shutdownReason"] for event in said(bench, "watch") if "SHUTDOWN" in event]
    assert reasons
    assert set(reasons) == {"timeout"}


async def test_the_others_hear_that_one_has_failed(make: Make) -> None:
    crash = SERVE_EVENTS.replace(
        "    say(json", "    if event['eventType'] == 'INVOKE': sys.exit(5)\n    say(json"
    )
    bench = await make(ECHO, extensions={"crash": crash, "watch": SERVE_EVENTS})
    assert (await bench.fail())["errorType"] == "Extension.Crash"
    assert json.loads(said(bench, "watch")[-1])["shutdownReason"] == "failure"


async def test_who_does_not_end_then_is_killed_and_the_runtimes_own_end_is_told(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "SHUTDOWN_S", 0.2)
    stubborn = SERVE_EVENTS.replace("        break", "        time.sleep(60)")
    bench = await make(SERVE + "    os._exit(3)\n", extensions={"stubborn": stubborn})
    assert (await bench.fail())["errorMessage"].endswith("exit status 3")
    assert json.loads(said(bench, "stubborn")[-1])["shutdownReason"] == "failure"


async def test_a_signal_too(make: Make) -> None:
    bench = await make(SERVE + "    os.kill(os.getpid(), 11)\n", extensions={"watch": SERVE_EVENTS})
    assert (await bench.fail())["errorMessage"].endswith("signal: segmentation fault")


async def test_a_bootstrap_that_is_no_program(make: Make) -> None:
    bench = await make("no program", extensions={"watch": SERVE_EVENTS})
    assert (await bench.fail())["errorType"] == "Runtime.InvalidEntrypoint"


# Failures.


@pytest.mark.parametrize(
    ("extension", "error_type", "message"),
    [
        ("no program", "Extension.Crash", "watch: fork/exec"),
        (EXTENSION + "sys.exit(4)", "Extension.Crash", "watch: exit status 4"),
        (
            EXTENSION + "own = register()[1]['Lambda-Extension-Identifier']\n"
            "call('POST', 'init/error', '{}', Lambda_Extension_Identifier=own,"
            " Lambda_Extension_Function_Error_Type='Mine.Odd')\ntime.sleep(60)",
            "Extension.InitError",
            "watch: Mine.Odd",
        ),
    ],
)
async def test_one_that_does_not_start(make: Make, extension: str, error_type: str, message: str) -> None:
    bench = await make(ECHO, extensions={"watch": extension})
    told = await bench.fail()
    assert told["errorType"] == error_type
    assert message in told["errorMessage"]


async def test_one_that_ends_in_an_invocation(make: Make) -> None:
    crash = SERVE_EVENTS.replace(
        "    say(json", "    if event['eventType'] == 'INVOKE': sys.exit(5)\n    say(json"
    )
    bench = await make(SERVE + "    time.sleep(5)\n", extensions={"crash": crash})
    for _ in range(2):
        told = await bench.fail()
        assert told["errorType"] == "Extension.Crash"
        assert "crash: exit status 5" in told["errorMessage"]


async def test_one_that_never_asks(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance_module, "INIT_TIMEOUT_S", 0.5)
    bench = await make(ECHO, extensions={"mute": EXTENSION + "time.sleep(60)"}, timeout_s=1)
    assert (await bench.fail())["errorType"] == "Sandbox.Timedout"


# The API itself, from inside a runtime: what an internal extension may do.


async def inside(make: Make, code: str) -> object:
    """What `code` puts into `found`, by a runtime that is an extension too."""
    runtime = (
        EXTENSION
        + "found = []\n"
        + code
        + """
api.request("GET", "/2018-06-01/runtime/invocation/next")
answer = api.getresponse()
answer.read()
path = "/2018-06-01/runtime/invocation/%s/response" % answer.headers["Lambda-Runtime-Aws-Request-Id"]
api.request("POST", path, json.dumps(found))
api.getresponse().read()
"""
    )
    return await (await make(runtime)).answer()


@pytest.mark.parametrize(
    ("ask", "status", "error_type"),
    [
        ("register('INVOKE', name='')", 403, "Extension.InvalidExtensionName"),
        ("register('OTHER', name='a')", 403, "Extension.InvalidEventType"),
        ("register('SHUTDOWN', name='a')", 403, "ShutdownEventNotSupportedForInternalExtension"),
        ("(register(name='a'), register(name='a'))[1]", 403, "Extension.AlreadyRegistered"),
        ("[register(name=str(n)) for n in range(11)][-1]", 403, "Extension.TooManyExtensions"),
        ("call('POST', 'register', '[]', Lambda_Extension_Name='a')", 400, "InvalidRequestFormat"),
        ("call('POST', 'register', '{nope', Lambda_Extension_Name='a')", 400, "InvalidRequestFormat"),
        ("call('POST', 'register', 'x' * 300000, Lambda_Extension_Name='a')", 413, "RequestEntityTooLarge"),
        ("call('GET', 'event/next')", 403, "Extension.MissingHeader"),
        ("call('GET', 'event/next', Lambda_Extension_Identifier='x')", 403,
         "Extension.UnknownExtensionIdentifier"),
        ("call('GET', 'nothing')", 404, "NotFound"),
        ("call('POST', 'exit/error', Lambda_Extension_Identifier=register(name='a')[1]"
         "['Lambda-Extension-Identifier'])", 403, "Extension.MissingHeader"),
    ],
)  # fmt: skip
async def test_refusals(make: Make, ask: str, status: int, error_type: str) -> None:
    # Those that register here would be waited for: each one asks at the end.
    finish = """
import threading
def ask(identifier):
    other = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    own = {"Lambda-Extension-Identifier": identifier}
    while True:
        other.request("GET", "/2020-01-01/extension/event/next", headers=own)
        other.getresponse().read()
plain = register
def register(*events, **more):
    answer = plain(*events, **more)
    if answer[0] == 200:
        threading.Thread(target=ask, args=[answer[1]["Lambda-Extension-Identifier"]], daemon=True).start()
    return answer
"""
    told = await inside(make, f"{finish}\nstatus, _, told = {ask}\nfound = [status, told['errorType']]\n")
    assert told == [status, error_type]


async def test_registration_closes_with_the_init(make: Make) -> None:
    late = """    other = http.client.HTTPConnection(HOST, int(PORT))
    path, name = "/2020-01-01/extension/register", {"Lambda-Extension-Name": "late"}
    other.request("POST", path, '{"events": []}', name)
    respond(headers, json.loads(other.getresponse().read())["errorType"])
"""
    bench = await make(SERVE + late)
    assert await bench.answer() == "Extension.RegistrationClosed"
