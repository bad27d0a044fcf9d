"""What comes of an answer that tells nothing sure; a stub gives it, because SeaweedFS rarely does."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.objects.bench import Bench
from tests.objects.stub import Answer, Stub, answer, error

from lambent.objects import writes
from lambent.objects.errors import S3Error

Open = Callable[[Answer], Awaitable[tuple[Bench, Stub]]]

COPIED = answer(200, b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>")
THERE = answer(200, b"", 'ETag: "e"')
COPY = {"x-amz-copy-source": "/other-bucket/k"}


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "AGAIN_S", (0.001, 0.01))


@pytest.fixture
async def open(tmp_path: Path) -> AsyncIterator[Open]:
    opened: list[tuple[Bench, Stub]] = []

    async def start(tell: Answer) -> tuple[Bench, Stub]:
        stub = await Stub(lambda asked, body: answer(200)).start()
        bench = await Bench.open(tmp_path / "state.db", stub)
        await bench.watch()
        await bench.ask("PUT", bucket="other-bucket")
        stub.tell = tell
        opened.append((bench, stub))
        return bench, stub

    yield start
    for bench, stub in opened:
        await bench.close()
        await stub.stop()


def first(told: bytes | None, then: bytes) -> Answer:
    """`told` to the write, `then` to every look after it."""
    return lambda asked, body: then if asked.startswith("HEAD") else told


@pytest.mark.parametrize("code", ["InvalidPart", "AccessDenied", "PreconditionFailed"])
async def test_a_200_with_a_refusal_inside_fires_nothing(open: Open, code: str) -> None:
    bench, stub = await open(first(error(code), THERE))
    told = await bench.ask("POST", "k", b"<CompleteMultipartUpload/>", query={"uploadId": "u"})
    assert f"<Code>{code}</Code>".encode() in told.body
    assert await bench.events() == []
    assert not [asked for asked, _ in stub.asked if asked.startswith("HEAD")]


@pytest.mark.parametrize(
    "told", [error("InternalError"), error("InternalError", 500), answer(503), answer(200, b"<Copy"), None]
)
async def test_in_doubt_a_write_that_is_there_fires(open: Open, told: bytes | None) -> None:
    bench, _ = await open(first(told, THERE))
    with contextlib.suppress(S3Error):
        await bench.ask("PUT", "k", headers=COPY)
    (record,) = await bench.events()
    assert record["eventName"] == "ObjectCreated:Copy"
    assert record["s3"]["object"]["eTag"] == "e"


async def test_in_doubt_a_new_object_that_is_not_there_does_not_fire(open: Open) -> None:
    bench, _ = await open(first(None, answer(404)))
    assert (await bench.refused("PUT", "k", b"1")).code == "ServiceUnavailable"
    assert await bench.events() == []


@pytest.mark.parametrize("seen", [THERE, answer(404)])
async def test_in_doubt_a_removal_fires(open: Open, seen: bytes) -> None:
    bench, _ = await open(first(None, seen))
    await bench.refused("DELETE", "k")
    (record,) = await bench.events()
    assert record["eventName"] == "ObjectRemoved:Delete"


async def test_in_doubt_every_key_of_a_batch_fires(open: Open) -> None:
    bench, _ = await open(first(answer(200, b"<DeleteResult/>"), answer(404)))
    body = b"<Delete><Object><Key>a</Key></Object><Object><Key>b</Key></Object></Delete>"
    await bench.ask("POST", body=body, query={"delete": ""})
    assert len(await bench.events()) == 2


async def test_a_batch_that_the_client_wants_quiet_is_loud_to_the_store(open: Open) -> None:
    told = b"<DeleteResult><Deleted><Key>a</Key></Deleted></DeleteResult>"
    bench, stub = await open(first(answer(200, told), THERE))
    body = b"<Delete><Quiet>true</Quiet><Object><Key>a</Key></Object></Delete>"
    answered = await bench.ask("POST", body=body, query={"delete": ""})
    assert b"Quiet" not in stub.asked[-1][1]
    assert b"Deleted" not in answered.body
    assert len(await bench.events()) == 1


async def test_a_look_is_tried_until_the_store_answers(open: Open) -> None:
    looks = iter([None, answer(503), answer(500), THERE])
    bench, _ = await open(lambda asked, body: next(looks) if asked.startswith("HEAD") else None)
    await bench.refused("PUT", "k", b"1")
    assert len(await bench.events()) == 1
    assert next(looks, "all looked") == "all looked"


async def test_while_a_write_is_in_doubt_the_next_to_its_key_waits(open: Open) -> None:
    order: list[str] = []

    def tell(asked: str, body: bytes) -> bytes | None:
        order.append(asked.partition(" ")[0])
        if asked.startswith("HEAD"):
            return THERE if len(order) > 4 else answer(503)
        return None if len(order) == 1 else THERE

    bench, _ = await open(tell)
    await bench.refused("PUT", "k", b"1")
    await bench.ask("PUT", "k", b"22")
    assert order[-1] == "PUT"
    assert order[1:-1] == ["HEAD"] * (len(order) - 2)
    assert [r["s3"]["object"]["size"] for r in await bench.events()] == [0, 2]


async def test_a_store_that_cannot_be_reached_leaves_no_doubt(open: Open) -> None:
    bench, stub = await open(first(None, THERE))
    await stub.stop()
    assert (await bench.refused("DELETE", "k")).code == "ServiceUnavailable"
    assert await bench.events() == []


async def test_a_refusal_that_comes_before_the_body_is_sent_fires_nothing(open: Open) -> None:
    bench, _ = await open(first(error("AccessDenied", 403), THERE))
    assert (await bench.refused("PUT", "k", b"1")).code == "AccessDenied"
    assert await bench.events() == []


async def test_what_is_still_in_doubt_at_the_end_is_settled_at_the_next_start(
    open: Open, tmp_path: Path
) -> None:
    bench, stub = await open(first(None, answer(503)))
    await bench.refused("PUT", "k", b"1")
    await bench.gateway.close(0.01)
    assert len(bench.store.query("SELECT * FROM intents")) == 1
    stub.tell = first(None, THERE)
    again = await Bench.open(tmp_path / "state.db", stub)
    await again.gateway.recover()
    (record,) = await again.events()
    assert record["s3"]["bucket"]["name"] == bench.bucket
    await again.close()
