"""Invoke on the wire: what goes in, what comes out, and each refusal."""

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.faces.aws_lambda.bench import ACCOUNT, Bench, Client, Refusal, arn

from lambent.faces.aws_invoke import InvokeFace
from lambent.faces.http import Request, WholeBody, new_id
from lambent.model.errors import InvalidContent, Throttled, Unavailable
from lambent.model.function import Version
from lambent.model.identity import Principal, PrincipalKind
from lambent.model.invocation import Invocation, Outcome
from lambent.model.names import Target

Refused = Callable[[Awaitable[Any]], Awaitable[Refusal]]

MB = 1024 * 1024


async def test_a_call_comes_back_with_what_the_handler_gave(bench: Bench, client: Client) -> None:
    await client.create("f")
    answer = await client.invoke(FunctionName="f", Payload=b'{"a": 1}')
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert answer["Payload"] == b'{"a": 1}'
    assert not {"FunctionError", "LogResult"} & set(answer)
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    seen = bench.echo.seen[-1]
    assert headers["x-amzn-requestid"] == seen.request_id
    assert headers["content-type"] == "application/json"
    assert headers["x-amzn-trace-id"].startswith("root=1-")
    assert headers["x-amzn-trace-id"].lower() == seen.trace_id.lower()
    assert ";parent=" in headers["x-amzn-trace-id"]
    assert ";sampled=" in headers["x-amzn-trace-id"]
    assert seen.trace_id.startswith("Root=1-")
    assert (seen.source, seen.attempt) == ("api", 1)
    assert abs(seen.accepted_at - time.time()) < 60


async def test_no_payload_is_an_empty_object(bench: Bench, client: Client) -> None:
    await client.create("f")
    assert (await client.invoke(FunctionName="f"))["Payload"] == b"{}"
    await client.invoke(FunctionName="f", InvocationType="Event")
    assert bench.echo.seen[-1].payload == b"{}"


async def test_a_functions_error_is_a_success_with_a_header(bench: Bench, client: Client) -> None:
    await client.create("f")
    bench.echo.outcome = {"function_error": "Unhandled", "payload": b'{"errorType":"E"}', "log_tail": b"log"}
    answer = await client.invoke(FunctionName="f", LogType="Tail")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert json.loads(answer["Payload"]) == {"errorType": "E"}
    assert base64.b64decode(answer["LogResult"]) == b"log"
    assert "LogResult" not in await client.invoke(FunctionName="f")


async def test_an_event_is_accepted_before_it_runs(bench: Bench, client: Client) -> None:
    await client.create("f")
    answer = await client.invoke(FunctionName="f", InvocationType="Event", Payload=b"[1]")
    assert answer["StatusCode"] == 202
    assert answer["Payload"] == b""
    assert "ExecutedVersion" not in answer
    seen = bench.echo.seen[-1]
    assert (seen.source, seen.payload) == ("async", b"[1]")
    assert seen.request_id == answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]


async def test_a_dry_run_only_looks(bench: Bench, client: Client, refused: Refused) -> None:
    await client.create("f")
    answer = await client.invoke(FunctionName="f", InvocationType="DryRun")
    assert answer["StatusCode"] == 204
    assert bench.echo.seen == []
    error = await refused(client.invoke(FunctionName="none", InvocationType="DryRun"))
    assert (error.status, error.message) == (404, f"Function not found: {arn('none')}")


@pytest.mark.parametrize("name", ["f", arn("f"), f"{ACCOUNT}:function:f", "function:f"])
async def test_a_call_finds_its_function_and_version(bench: Bench, client: Client, name: str) -> None:
    await client.create("f", Publish=True)
    await client.invoke(FunctionName=name)
    assert bench.echo.seen[-1].target.arn == arn("f")
    for target in ({"FunctionName": f"{name}:1"}, {"FunctionName": name, "Qualifier": "1"}):
        assert (await client.invoke(**target))["ExecutedVersion"] == "1"
        assert bench.echo.seen[-1].target.arn == arn("f", "1")
    await client.invoke(FunctionName=f"{name}:$LATEST", Qualifier="$LATEST")
    assert bench.echo.seen[-1].target.arn == arn("f", "$LATEST")


async def test_a_call_goes_astray_in_awss_words(client: Client, refused: Refused) -> None:
    await client.create("f")
    for target, status, code, message in (
        ({"FunctionName": "none"}, 404, "ResourceNotFoundException", f"Function not found: {arn('none')}"),
        (
            {"FunctionName": "f", "Qualifier": "7"},
            404,
            "ResourceNotFoundException",
            f"Function not found: {arn('f', '7')}",
        ),
        (
            {"FunctionName": "f:1", "Qualifier": "2"},
            400,
            "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.",
        ),
        (
            {"FunctionName": arn("f").replace("us-east-1", "eu-west-1")},
            404,
            "ResourceNotFoundException",
            "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
        ),
        (
            {"FunctionName": "f", "InvocationType": "Sync"},
            400,
            "ValidationException",
            "1 validation error detected: Value 'Sync' at 'invocationType' failed to satisfy constraint: "
            "Member must satisfy enum value set: [Event, RequestResponse, DryRun]",
        ),
        (
            {"FunctionName": "f", "LogType": "All"},
            400,
            "ValidationException",
            "1 validation error detected: Value 'All' at 'logType' failed to satisfy constraint: "
            "Member must satisfy enum value set: [None, Tail]",
        ),
        (
            {"FunctionName": "f", "Qualifier": "a b", "LogType": "All"},
            400,
            "ValidationException",
            "2 validation errors detected: Value 'All' at 'logType' failed to satisfy constraint: "
            "Member must satisfy enum value set: [None, Tail]; "
            "Value 'a b' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression "
            r"pattern: \$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+",
        ),
        (
            {"FunctionName": "f", "DurableExecutionName": "once"},
            400,
            "InvalidParameterValueException",
            "DurableExecutionName is not supported by Lambent: durable executions are not part of it.",
        ),
    ):
        error = await refused(client.invoke(**target))
        assert (error.status, error.code, error.message) == (status, code, message)


async def test_a_function_that_is_being_created_cannot_be_called(
    bench: Bench, client: Client, refused: Refused
) -> None:
    gate = asyncio.Event()

    async def slow(code: object) -> None:
        await gate.wait()

    bench.functions._prepare = slow
    await client.begin("f")
    for kind in ("RequestResponse", "Event", "DryRun"):
        error = await refused(client.invoke(FunctionName="f", InvocationType=kind))
        assert (error.status, error.code) == (409, "ResourceConflictException")
        assert error.message == (
            "The operation cannot be performed at this time. "
            "The function is currently in the following state: Pending"
        )
    gate.set()
    await client.wait("function_active_v2", FunctionName="f")
    await client.invoke(FunctionName="f")


async def test_large_payloads_stop_at_the_door(bench: Bench, client: Client, refused: Refused) -> None:
    await client.create("f")
    text = b'"' + b"x" * (6 * MB - 2) + b'"'
    assert (await client.invoke(FunctionName="f", Payload=text))["Payload"] == text
    error = await refused(client.invoke(FunctionName="f", Payload=text + b" "))
    assert (error.status, error.code) == (413, "RequestEntityTooLargeException")
    assert error.message == "Request must be smaller than 6291456 bytes for the InvokeFunction operation"
    text = b'"' + b"x" * (MB - 2) + b'"'
    await client.invoke(FunctionName="f", InvocationType="Event", Payload=text)
    assert bench.echo.seen[-1].payload == text
    error = await refused(client.invoke(FunctionName="f", InvocationType="Event", Payload=text + b" "))
    assert (error.status, error.code) == (413, "RequestEntityTooLargeException")
    assert error.message == (
        "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"
    )


@pytest.mark.parametrize("payload", [b"{", b"nope", b"NaN", b'{"a":1}x', b'"\xff"', b'"' + b"x" * 70_000])
async def test_an_event_must_be_json(client: Client, refused: Refused, payload: bytes) -> None:
    await client.create("f")
    error = await refused(client.invoke(FunctionName="f", InvocationType="Event", Payload=payload))
    assert (error.status, error.code) == (400, "InvalidRequestContentException")
    assert error.message.startswith(
        "Could not parse request body into json: Could not parse payload into json: "
    )


async def test_a_client_context_reaches_the_function(bench: Bench, client: Client, refused: Refused) -> None:
    await client.create("f")
    context = json.dumps({"custom": {"a": "ü"}})
    encoded = base64.b64encode(context.encode()).decode()
    await client.invoke(FunctionName="f", ClientContext=encoded)
    assert bench.echo.seen[-1].client_context == context
    for bad in ("no base64!", base64.b64encode(b"[]").decode(), base64.b64encode(b"\xff").decode()):
        error = await refused(client.invoke(FunctionName="f", ClientContext=bad))
        assert (error.status, error.code) == (400, "InvalidRequestContentException")
    error = await refused(client.invoke(FunctionName="f", ClientContext="A" * 3584))
    assert "3583" in error.message


async def test_errors_of_the_platform(bench: Bench, client: Client, refused: Refused) -> None:
    await client.create("f")
    bench.echo.error = Throttled("ReservedFunctionConcurrentInvocationLimitExceeded", 3)
    error = await refused(client.invoke(FunctionName="f"))
    assert (error.status, error.code) == (429, "TooManyRequestsException")
    assert error.message == "Rate Exceeded."
    assert error.raw["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert error.raw["Type"] == "User"
    assert error.raw["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "3"
    bench.echo.error = InvalidContent("Could not parse request body into json: no")
    error = await refused(client.invoke(FunctionName="f", Payload=b"no"))
    assert (error.status, error.code) == (400, "InvalidRequestContentException")
    assert error.raw["message"] == "Could not parse request body into json: no"
    bench.echo.error = Unavailable("The node is stopping.")
    for kind in ("RequestResponse", "Event"):
        error = await refused(client.invoke(FunctionName="f", InvocationType=kind))
        assert (error.status, error.code) == (500, "ServiceException")
        assert (error.raw["Message"], error.raw["Type"]) == ("The node is stopping.", "Server")


async def test_the_face_takes_few_microseconds_of_its_own(bench: Bench, client: Client) -> None:
    await client.create("f")
    outcome = Outcome(payload=b"{}", version="$LATEST")

    class Still:
        async def invoke(self, invocation: Invocation) -> Outcome:
            return outcome

        def resolve(self, target: Target) -> Version:
            return bench.functions.get(target)

    face = InvokeFace(Still(), bench.echo.accept, lambda *_: None)
    principal = Principal(PrincipalKind.ROOT, ACCOUNT)
    request = Request("POST", "/2015-03-31/functions/f/invocations", "", {}, WholeBody(b""), "", new_id())
    best_s = 1.0
    for _ in range(20):
        begun = time.perf_counter()
        for _ in range(100):
            await face.invoke(replace(request, body=WholeBody(b"{}")), principal, "us-east-1")
        best_s = min(best_s, (time.perf_counter() - begun) / 100)
    assert best_s < 60e-6, f"{best_s * 1e6:.1f} µs"  # a fifth of it on a quiet machine
