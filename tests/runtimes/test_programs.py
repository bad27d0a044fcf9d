"""Instances of programs that speak the Runtime API: what callers and the log get, whatever those do."""

import json

import pytest
from tests.runtimes.bench import CLIENT, KEY, SERVE, Make

from lambent.invoke import instance as instance_module
from lambent.model.errors import InvalidContent
from lambent.model.limits import RESPONSE_PAYLOAD_BYTES

pytestmark = pytest.mark.slow


async def test_answer_log_and_bill_of_a_good_call(make: Make) -> None:
    bench = await make(SERVE + "    print('seen', event, flush=True)\n    respond(headers, {'got': event})\n")
    first, second = await bench.call({"n": 1}), await bench.call({"n": 2})
    assert json.loads(first.payload) == {"got": {"n": 1}}
    assert first.run.init_ms is not None
    assert second.run.init_ms is None
    assert second.run.memory_peak_mb > 0
    assert [line.split(" ")[0] for line in bench.log] == [
        "INIT_START",
        *["START", "seen", "END", "REPORT"] * 2,
    ]
    assert bench.log[0].startswith("INIT_START Runtime Version: provided:al2023.v0\t")
    assert second.log_tail.decode() == "".join(bench.log[5:])


async def test_an_event_brings_what_aws_says_about_it(make: Make) -> None:
    bench = await make(SERVE + "    respond(headers, [dict(headers), int(time.time() * 1000)])\n")
    context = '{"custom": {"väl": "ue\\n"},\n "n": 1}'
    headers, now_ms = await bench.answer(client_context=context, tenant="blue", trace_id="Root=1-2-3")
    assert headers["Lambda-Runtime-Invoked-Function-Arn"] == KEY.arn
    assert headers["Lambda-Runtime-Trace-Id"] == "Root=1-2-3"
    assert headers["Lambda-Runtime-Aws-Tenant-Id"] == "blue"
    assert json.loads(headers["Lambda-Runtime-Client-Context"]) == json.loads(context)
    assert 5000 < int(headers["Lambda-Runtime-Deadline-Ms"]) - now_ms <= 10_000
    headers, _ = await bench.answer()
    assert not {"Lambda-Runtime-Client-Context", "Lambda-Runtime-Aws-Tenant-Id"} & set(headers)


async def test_an_error_is_an_outcome_and_the_process_goes_on(make: Make) -> None:
    told = "{'errorType': 'Odd', 'errorMessage': 'm'}"
    bench = await make(
        SERVE + f"    respond(headers, {told} if event else os.getpid(), 'error' if event else 'response')\n"
    )
    pid = await bench.answer()
    failed = await bench.call(1)
    assert (failed.function_error, failed.run.error_type) == ("Unhandled", "Odd")
    assert json.loads(failed.payload) == {"errorType": "Odd", "errorMessage": "m"}
    assert await bench.answer() == pid


async def test_events_that_are_no_json_never_reach_it(make: Make) -> None:
    bench = await make(SERVE + "    respond(headers, event)\n")
    for bad in (b"{nope", b'"' + b"x" * 200_000):
        with pytest.raises(InvalidContent, match="Could not parse request body into json"):
            await bench.call(raw=bad)
    assert await bench.answer("x" * 200_000) == "x" * 200_000


async def test_the_largest_answer(make: Make) -> None:
    bench = await make(SERVE + "    respond(headers, 'x' * event)\n")
    assert len(await bench.answer(RESPONSE_PAYLOAD_BYTES - 2)) == RESPONSE_PAYLOAD_BYTES - 2
    outcome = await bench.call(RESPONSE_PAYLOAD_BYTES)
    assert outcome.run.error_type == "Function.ResponseSizeTooLarge"
    assert await bench.answer(1) == "x"


async def test_a_shell_script_without_any_client(make: Make) -> None:
    """HTTP by hand, over bash's own sockets."""
    script = r"""#!/bin/bash
while true; do
  exec 9<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API/://}"
  printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: api\r\n\r\n' >&9
  while IFS=$': \r' read -r name value <&9 && [ -n "$name" ]; do
    case "${name,,}" in
      lambda-runtime-aws-request-id) id=$value ;;
      content-length) length=$value ;;
    esac
  done
  IFS= read -r -N "$length" event <&9
  answer="{\"from\": \"bash\", \"event\": $event}"
  printf 'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: api\r\n' "$id" >&9
  printf 'Content-Length: %s\r\n\r\n%s' "${#answer}" "$answer" >&9
  read -r status <&9
  exec 9>&-
done
"""
    bench = await make(script)
    for n in range(3):
        assert await bench.answer({"n": n}) == {"from": "bash", "event": {"n": n}}


# Ends.


async def test_a_timeout_kills_the_process(make: Make) -> None:
    bench = await make(
        SERVE + "    if event: time.sleep(60)\n    respond(headers, os.getpid())\n", timeout_s=1
    )
    pid = await bench.answer()
    outcome = await bench.call(1)
    assert json.loads(outcome.payload)["errorType"] == "Sandbox.Timedout"
    assert await bench.answer() != pid


@pytest.mark.parametrize(
    ("end", "how"),
    [
        ("os._exit(3)", "Runtime exited with error: exit status 3"),
        ("os._exit(0)", "Runtime exited without providing a reason"),
        ("os.kill(os.getpid(), 11)", "Runtime exited with error: signal: segmentation fault"),
    ],
)
async def test_an_end_without_an_answer(make: Make, end: str, how: str) -> None:
    bench = await make(SERVE + f"    if event: {end}\n    respond(headers, 'fine')\n")
    outcome = await bench.call(1)
    assert outcome.run.error_type == "Runtime.ExitError"
    assert json.loads(outcome.payload)["errorMessage"].endswith(how)
    assert await bench.answer() == "fine"


async def test_who_ends_after_the_answer_has_answered(make: Make) -> None:
    bench = await make(CLIENT + "headers, event = next_event()\nrespond(headers, os.getpid())\n")
    assert await bench.answer() != await bench.answer()


async def test_who_does_not_ask_for_more_after_the_answer_has_answered_too(make: Make) -> None:
    bench = await make(
        CLIENT + "headers, event = next_event()\nrespond(headers, os.getpid())\ntime.sleep(60)\n", timeout_s=1
    )
    assert await bench.answer() != await bench.answer()


# Inits that fail.


async def test_an_init_error_is_the_answer_to_the_first_call(make: Make) -> None:
    told = '{"errorType": "Runtime.Odd", "errorMessage": "m"}'
    bench = await make(CLIENT + f"call('POST', 'init/error', {told!r})\ntime.sleep(60)\n")
    outcome = await bench.call()
    assert (outcome.run.error_type, outcome.payload) == ("Runtime.Odd", told.encode())
    assert any(line.startswith("INIT_REPORT") and "Runtime.Odd" in line for line in bench.log)


async def test_one_that_ends_at_once(make: Make) -> None:
    bench = await make(CLIENT + "sys.exit(4)")
    for _ in range(2):
        outcome = await bench.call()
        assert outcome.run.error_type == "Runtime.ExitError"
        assert json.loads(outcome.payload)["errorMessage"].endswith("exit status 4")


async def test_one_that_is_no_program(make: Make) -> None:
    outcome = await (await make("no program")).call()
    assert outcome.run.error_type == "Runtime.InvalidEntrypoint"
    assert "exec format error" in json.loads(outcome.payload)["errorMessage"]


async def test_one_that_never_asks(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The init has its time, and then once more that of the first call."""
    monkeypatch.setattr(instance_module, "INIT_TIMEOUT_S", 0.5)
    bench = await make(CLIENT + "time.sleep(60)", timeout_s=1)
    outcome = await bench.call()
    assert outcome.run.error_type == "Sandbox.Timedout"
    assert any("INIT_REPORT" in line and "Status: timeout" in line for line in bench.log)


# What no runtime should do.


async def test_answers_for_other_ids_and_second_answers_change_nothing(make: Make) -> None:
    bench = await make(
        SERVE
        + """    seen = [call("POST", "invocation/nonsense/response", "0")[0]]
    seen.append(call("GET", "invocation/next")[0])
    respond(headers, seen)
    seen = [respond(headers, "again")[0], respond(headers, {}, "error")[0]]
    print(seen, flush=True)
"""
    )
    assert await bench.answer() == [400, 403]
    assert await bench.answer() == [400, 403]
    assert bench.log.count("[403, 403]\n") == 2


FLOODS = {
    "refused requests": "while True: call('POST', 'invocation/nonsense/response', '0')",
    "connections": "held = []\n    while True: held.append(socket.create_connection((HOST, int(PORT))))",
    "bytes": "flood = socket.create_connection((HOST, int(PORT)))\n    while True: flood.send(b'x' * 65536)",
    "half an answer": """half = socket.create_connection((HOST, int(PORT)))
    half.send(b"POST /2018-06-01/runtime/invocation/")
    half.send(headers["Lambda-Runtime-Aws-Request-Id"].encode())
    half.send(b"/response HTTP/1.1\\r\\nContent-Length: 9\\r\\n\\r\\nhalf")
    time.sleep(60)""",
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_floods_end_the_process_at_the_latest_with_its_time(make: Make, flood: str) -> None:
    bad = await make(
        SERVE + f"    if event is None: respond(headers, 'fine')\n    {FLOODS[flood]}\n", timeout_s=2
    )
    good = await make(SERVE + "    respond(headers, event)\n")
    outcome = await bad.call(1)
    assert outcome.run.error_type in ("Runtime.ExitError", "Sandbox.Timedout"), outcome
    assert await good.answer({"n": 1}) == {"n": 1}
