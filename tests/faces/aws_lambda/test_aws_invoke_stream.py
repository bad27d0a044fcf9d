"""InvokeWithResponseStream as boto3 reads it: events as they come, and how each kind of run ends."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any

from tests.faces.aws_lambda.bench import Bench, Client, Refusal

from lambent.invoke.stream import Stream
from lambent.model.errors import Throttled, Unavailable

Refused = Callable[[Awaitable[Any]], Awaitable[Refusal]]


def streams(*pieces: bytes) -> Callable[[Stream], Awaitable[None]]:
    async def stream(stream: Stream) -> None:
        for piece in pieces:
            stream.feed(piece, lambda: None, lambda: None)
            await asyncio.sleep(0)

    return stream


async def events(client: Client, **given: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    answer = await client.invoke_with_response_stream(FunctionName="f", **given)
    return answer, await asyncio.to_thread(list, answer["EventStream"])


async def test_pieces_come_as_events(bench: Bench, client: Client) -> None:
    await client.create("f")
    bench.echo.streams = streams(b"one", b"two")
    bench.echo.outcome = {"payload": b""}
    answer, came = await events(client, Payload=b'{"a":1}')
    assert came == [
        {"PayloadChunk": {"Payload": b"one"}},
        {"PayloadChunk": {"Payload": b"two"}},
        {"InvokeComplete": {}},
    ]
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert answer["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    seen = bench.echo.seen[-1]
    assert (seen.payload, seen.source) == (b'{"a":1}', "api")
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"] == seen.request_id


async def test_a_piece_is_there_before_the_run_is_over(bench: Bench, client: Client) -> None:
    await client.create("f")
    came, loop = asyncio.Event(), asyncio.get_running_loop()

    async def wait(stream: Stream) -> None:
        stream.feed(b"first", lambda: None, lambda: None)
        await asyncio.wait_for(came.wait(), 20)

    def read() -> list[Any]:
        found = iter(client.plain.invoke_with_response_stream(FunctionName="f")["EventStream"])
        first = next(found)
        loop.call_soon_threadsafe(came.set)
        return [first, *found]

    bench.echo.streams = wait
    assert (await asyncio.to_thread(read))[0] == {"PayloadChunk": {"Payload": b"first"}}


async def test_a_handler_that_streams_nothing_gives_its_answer_in_one_piece(
    bench: Bench, client: Client
) -> None:
    await client.create("f")
    assert (await events(client, Payload=b'{"whole":1}'))[1] == [
        {"PayloadChunk": {"Payload": b'{"whole":1}'}},
        {"InvokeComplete": {}},
    ]
    bench.echo.outcome = {"payload": bytes(6 * 1024 * 1024)}
    _, came = await events(client)
    assert sum(len(event["PayloadChunk"]["Payload"]) for event in came[:-1]) == 6 * 1024 * 1024


async def test_errors_before_and_after_the_first_piece_come_at_the_end(bench: Bench, client: Client) -> None:
    await client.create("f")
    told = b'{"errorType":"E","errorMessage":"m"}'
    bench.echo.outcome = {"payload": told, "function_error": "Unhandled", "log_tail": b"log"}
    _, came = await events(client, LogType="Tail")
    complete = came[-1]["InvokeComplete"]
    assert (len(came), complete["ErrorCode"], complete["ErrorDetails"]) == (1, "Unhandled", told.decode())
    assert base64.b64decode(complete["LogResult"]) == b"log"
    bench.echo.streams = streams(b"some")
    _, came = await events(client)
    assert came[0] == {"PayloadChunk": {"Payload": b"some"}}
    assert came[1] == {"InvokeComplete": {"ErrorCode": "Unhandled", "ErrorDetails": told.decode()}}


async def test_refusals_are_those_of_invoke(bench: Bench, client: Client, refused: Refused) -> None:
    call = client.invoke_with_response_stream
    assert (await refused(call(FunctionName="f"))).code == "ResourceNotFoundException"
    await client.create("f")
    found = await refused(call(FunctionName="f", InvocationType="Event"))
    assert (found.status, found.code) == (400, "ValidationException")
    assert "enum value set: [RequestResponse, DryRun]" in found.message
    assert (await refused(call(FunctionName="f", Payload=bytes(6 * 1024 * 1024 + 1)))).status == 413
    for error, status in ((Throttled(), 429), (Unavailable("no room"), 500)):
        bench.echo.error = error
        assert (await refused(call(FunctionName="f"))).status == status


async def test_a_dry_run_runs_nothing(bench: Bench, client: Client) -> None:
    await client.create("f")
    answer, came = await events(client, InvocationType="DryRun")
    assert (answer["StatusCode"], came, bench.echo.seen) == (204, [], [])


async def test_a_caller_who_hangs_up_does_not_end_the_run(bench: Bench, client: Client) -> None:
    await client.create("f")
    hung_up, over = asyncio.Event(), asyncio.Event()

    async def go_on(stream: Stream) -> None:
        room = asyncio.Event()
        room.set()
        stream.feed(b"first", room.clear, room.set)
        await asyncio.wait_for(hung_up.wait(), 20)
        for _ in range(100):  # far more than sockets and we hold
            stream.feed(bytes(256 * 1024), room.clear, room.set)
            await asyncio.wait_for(room.wait(), 20)
        over.set()

    def read_and_leave() -> None:
        answer = client.plain.invoke_with_response_stream(FunctionName="f")
        next(iter(answer["EventStream"]))
        answer["EventStream"].close()

    bench.echo.streams = go_on
    await asyncio.to_thread(read_and_leave)
    hung_up.set()
    await asyncio.wait_for(over.wait(), 30)
