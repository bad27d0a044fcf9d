"""What other parts of the platform read and write, as their principals."""

import pytest
from tests.objects.bench import ALICE, BOB, Bench

from lambent.objects.errors import S3Error

pytestmark = pytest.mark.slow


async def test_an_object_is_read_as_it_comes(bench: Bench) -> None:
    await bench.ask("PUT")
    reader = bench.gateway.reader
    await reader.put(ALICE, bench.bucket, "a b/ü", b"x" * 100_000)
    told = await reader.open(ALICE, bench.bucket, "a b/ü")
    assert (told.size, len(told.etag)) == (100_000, 32)
    assert b"".join([piece async for piece in told.chunks]) == b"x" * 100_000


async def test_a_reader_may_stop_in_the_middle(bench: Bench) -> None:
    await bench.ask("PUT")
    reader = bench.gateway.reader
    await reader.put(ALICE, bench.bucket, "k", bytes(5_000_000))
    for _ in range(3):
        told = await reader.open(ALICE, bench.bucket, "k")
        assert await anext(told.chunks)
        await told.close()
    assert (await bench.ask("HEAD", "k")).headers["content-length"] == "5000000"


async def test_an_older_version_is_read_by_its_id(bench: Bench) -> None:
    await bench.ask("PUT")
    on = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    await bench.ask("PUT", query={"versioning": ""}, body=on)
    reader = bench.gateway.reader
    await reader.put(ALICE, bench.bucket, "k", b"old")
    version = (await bench.ask("HEAD", "k")).headers["x-amz-version-id"]
    await reader.put(ALICE, bench.bucket, "k", b"new")
    for wanted, content in ((version, b"old"), (None, b"new")):
        told = await reader.open(ALICE, bench.bucket, "k", wanted)
        assert b"".join([piece async for piece in told.chunks]) == content


async def test_a_listing_has_every_page(bench: Bench) -> None:
    await bench.ask("PUT")
    for number in range(7):
        await bench.gateway.reader.put(ALICE, bench.bucket, f"in/{number}", b"x" * number)
    await bench.gateway.reader.put(ALICE, bench.bucket, "out", b"")
    found = await bench.gateway.reader.list(ALICE, bench.bucket, "in/")
    assert [(info.key, info.size) for info in found] == [(f"in/{n}", n) for n in range(7)]


@pytest.mark.parametrize(
    ("principal", "key", "code"), [(BOB, "k", "AccessDenied"), (ALICE, "missing", "NoSuchKey")]
)
async def test_it_reads_as_somebody_never_as_the_node(
    bench: Bench, principal: object, key: str, code: str
) -> None:
    await bench.ask("PUT")
    await bench.gateway.reader.put(ALICE, bench.bucket, "k", b"1")
    with pytest.raises(S3Error) as caught:
        await bench.gateway.reader.open(principal, bench.bucket, key)  # type: ignore[arg-type]
    assert caught.value.code == code


async def test_what_it_writes_starts_functions_too(bench: Bench) -> None:
    await bench.watch()
    await bench.gateway.reader.put(ALICE, bench.bucket, "k", b"1")
    assert [record["eventName"] for record in await bench.events()] == ["ObjectCreated:Put"]
