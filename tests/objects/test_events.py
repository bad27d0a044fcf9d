"""Writes become events: the right ones, once each, in order; with a real SeaweedFS."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.objects.bench import BOB, Bench, notification

from lambent.objects.errors import S3Error

pytestmark = pytest.mark.slow


def told(records: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(record["eventName"], record["s3"]["object"]["key"]) for record in records]


async def upload(bench: Bench, key: str, data: bytes) -> None:
    """An upload of one part."""
    begun = await bench.ask("POST", key, query={"uploads": ""})
    upload_id = begun.body.decode().partition("<UploadId>")[2].partition("<")[0]
    part = {"uploadId": upload_id, "partNumber": "1"}
    etag = (await bench.ask("PUT", key, data, query=part)).headers["etag"]
    document = f"<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
    body = f"<CompleteMultipartUpload>{document}</CompleteMultipartUpload>".encode()
    await bench.ask("POST", key, body, query={"uploadId": upload_id})


async def test_every_way_to_write_has_its_event(bench: Bench) -> None:
    await bench.watch("ObjectCreated:*", "ObjectRemoved:*", "ObjectTagging:*")
    await bench.ask("PUT", "a b", b"12345")
    await bench.ask("PUT", "copy", headers={"x-amz-copy-source": f"/{bench.bucket}/a%20b"})
    await upload(bench, "big", b"x" * 7)
    tagging = b"<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>"
    await bench.ask("PUT", "big", tagging, query={"tagging": ""})
    await bench.ask("DELETE", "big", query={"tagging": ""})
    await bench.ask("DELETE", "copy")
    await bench.ask("DELETE", "missing")
    # Writes to one key keep their order; those to different keys may be settled in any.
    records = sorted(await bench.events(), key=lambda record: record["s3"]["object"]["key"])
    assert told(records) == [
        ("ObjectCreated:Put", "a+b"),
        ("ObjectCreated:CompleteMultipartUpload", "big"),
        ("ObjectTagging:Put", "big"),
        ("ObjectTagging:Delete", "big"),
        ("ObjectCreated:Copy", "copy"),
        ("ObjectRemoved:Delete", "copy"),
        ("ObjectRemoved:Delete", "missing"),
    ]
    assert [record["s3"]["object"].get("size") for record in records] == [5, 7, None, None, 5, None, None]
    etags = [record["s3"]["object"].get("eTag", "") for record in records]
    assert all(etags[:5])
    assert not any('"' in etag for etag in etags)


async def test_reading_and_failing_fire_nothing(bench: Bench) -> None:
    await bench.watch()
    await bench.ask("PUT", "k", b"1")
    assert len(await bench.events()) == 1
    await bench.ask("GET", "k")
    await bench.ask("HEAD", "k")
    await bench.ask("GET", query={"list-type": "2"})
    assert (await bench.refused("PUT", "k", b"2", headers={"if-none-match": "*"})).status == 412
    source = {"x-amz-copy-source": f"/{bench.bucket}/missing"}
    assert (await bench.refused("PUT", "c", headers=source)).code == "NoSuchKey"
    assert (await bench.refused("PUT", "k", b"2", principal=BOB)).code == "AccessDenied"
    await bench.ask("POST", "k", query={"uploads": ""})
    assert len(await bench.events()) == 1


async def test_only_what_a_rule_wants(bench: Bench) -> None:
    await bench.watch("ObjectCreated:Put", prefix="in/", suffix=".csv")
    for key in ("in/a.csv", "in/a.txt", "out/a.csv", "in/b c.csv"):
        await bench.ask("PUT", key, b"1")
    source = {"x-amz-copy-source": f"/{bench.bucket}/in/a.csv"}
    await bench.ask("PUT", "in/copy.csv", headers=source)
    await bench.ask("DELETE", "in/a.csv")
    assert told(await bench.events()) == [
        ("ObjectCreated:Put", "in/a.csv"),
        ("ObjectCreated:Put", "in/b+c.csv"),
    ]


async def test_each_rule_that_wants_it_gets_one(bench: Bench) -> None:
    await bench.ask("PUT")
    document = notification("ObjectCreated:Put").decode()
    head, rule = document.split("<CloudFunctionConfiguration>")
    rule, end = rule.split("</NotificationConfiguration>")
    other = rule.replace("<Id>rule</Id>", "<Id>other</Id>").replace("ObjectCreated:Put", "ObjectCreated:Copy")
    both = "".join(f"<CloudFunctionConfiguration>{one}" for one in (rule, other))
    body = f"{head}{both}</NotificationConfiguration>{end}".encode()
    await bench.ask("PUT", body=body, query={"notification": ""})
    await bench.ask("PUT", "k", b"1")
    await bench.ask("PUT", "c", headers={"x-amz-copy-source": f"/{bench.bucket}/k"})
    ids = [record["s3"]["configurationId"] for record in await bench.events()]
    assert ids == ["rule", "other"]


async def test_a_quiet_batch_fires_for_each_key(bench: Bench) -> None:
    await bench.watch("ObjectRemoved:*", prefix="in/")
    await bench.ask("PUT", "in/a", b"1")
    keys = "".join(f"<Object><Key>{key}</Key></Object>" for key in ("in/a", "in/b", "out/c"))
    body = f"<Delete><Quiet>true</Quiet>{keys}</Delete>".encode()
    answer = await bench.ask("POST", body=body, query={"delete": ""})
    assert b"Deleted" not in answer.body
    assert sorted(told(await bench.events())) == [
        ("ObjectRemoved:Delete", "in/a"),
        ("ObjectRemoved:Delete", "in/b"),
    ]


async def test_a_versioned_bucket_tells_versions_and_markers(bench: Bench) -> None:
    await bench.watch()
    on = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    await bench.ask("PUT", body=on, query={"versioning": ""})
    version = (await bench.ask("PUT", "k", b"1")).headers["x-amz-version-id"]
    marker = (await bench.ask("DELETE", "k")).headers["x-amz-version-id"]
    await bench.ask("DELETE", "k", query={"versionId": version})
    records = await bench.events()
    assert [(r["eventName"], r["s3"]["object"].get("versionId")) for r in records] == [
        ("ObjectCreated:Put", version),
        ("ObjectRemoved:DeleteMarkerCreated", marker),
        ("ObjectRemoved:Delete", version),
    ]


async def test_the_larger_sequencer_is_the_content_that_stayed(bench: Bench) -> None:
    await bench.watch("ObjectCreated:*")

    async def write(number: int) -> None:
        await bench.ask("PUT", "k", b"x" * number)

    for _ in range(3):
        await asyncio.gather(*(write(number) for number in range(1, 31)))
        size = int((await bench.ask("HEAD", "k")).headers["content-length"])
        objects = [record["s3"]["object"] for record in await bench.events()]
        last = max(objects, key=lambda told: str(told["sequencer"]))
        assert last["size"] == size
    assert len({told["sequencer"] for told in objects}) == 90


async def test_keys_that_the_store_holds_in_one_place_share_their_order(bench: Bench) -> None:
    await bench.watch("ObjectCreated:*")
    writes = [bench.ask("PUT", "a//b" if n % 2 else "a/b", b"x" * n) for n in range(1, 31)]
    await asyncio.gather(*writes)
    size = int((await bench.ask("HEAD", "a/b")).headers["content-length"])
    objects = [record["s3"]["object"] for record in await bench.events()]
    assert max(objects, key=lambda told: str(told["sequencer"]))["size"] == size


class Broken:
    """A body that fails before its last bytes, as a wrong checksum does."""

    def __init__(self, *pieces: bytes, length: int) -> None:
        self.length: int | None = length
        self._pieces = pieces

    async def read(self, limit: int) -> bytes:
        raise AssertionError("only streamed")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        raise S3Error("BadDigest", "The checksum did not match.")


@pytest.mark.parametrize("sent", [(), (b"n" * 100_000,) * 30])
async def test_a_body_that_fails_leaves_neither_object_nor_event(
    bench: Bench, sent: tuple[bytes, ...]
) -> None:
    await bench.watch()
    await bench.ask("PUT", "k", b"old")
    body = Broken(*sent, length=3_000_100)
    assert (await bench.refused("PUT", "k", body)).code == "BadDigest"
    assert (await bench.ask("GET", "k")).body == b"old"
    assert len(await bench.events()) == 1


class Slow:
    """A body that comes when it is let come."""

    def __init__(self, data: bytes) -> None:
        self.length: int | None = len(data)
        self._data = data
        self.wanted = asyncio.Event()
        self.come = asyncio.Event()

    async def read(self, limit: int) -> bytes:
        raise AssertionError("only streamed")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._data[:1]
        self.wanted.set()
        await self.come.wait()
        yield self._data[1:]


async def test_a_slow_upload_does_not_keep_others_from_the_key(bench: Bench) -> None:
    await bench.watch()
    slow = Slow(b"slow!")
    late = asyncio.create_task(bench.ask("PUT", "k", slow))
    await slow.wanted.wait()
    await bench.ask("PUT", "k", b"quick")
    slow.come.set()
    await late
    assert (await bench.ask("GET", "k")).body == b"slow!"
    records = await bench.events()
    assert len(records) == 2
    sequencers = [record["s3"]["object"]["sequencer"] for record in records]
    assert sequencers == sorted(sequencers)


async def test_a_caller_that_goes_before_the_end_leaves_nothing(bench: Bench) -> None:
    await bench.watch()
    slow = Slow(b"never whole")
    caller = asyncio.create_task(bench.ask("PUT", "k", slow))
    await slow.wanted.wait()
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    assert (await bench.refused("GET", "k")).code == "NoSuchKey"
    assert await bench.events() == []


async def test_a_caller_that_goes_after_the_end_does_not_stop_the_event(bench: Bench) -> None:
    await bench.watch()
    caller = asyncio.create_task(bench.ask("PUT", "k", b"whole"))
    while not bench.store.query("SELECT * FROM intents"):
        await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    assert told(await bench.events()) == [("ObjectCreated:Put", "k")]
    assert (await bench.ask("GET", "k")).body == b"whole"


async def test_a_permission_that_is_gone_drops_the_event(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.watch()
    bench.functions.permitted = False
    await bench.ask("PUT", "k", b"1")
    assert await bench.events() == []
    assert "does not take it from the bucket" in caplog.text


async def test_rules_are_kept_and_replaced_and_cleared(bench: Bench) -> None:
    await bench.watch("ObjectCreated:Put", prefix="in/")
    kept = await bench.ask("GET", query={"notification": ""})
    assert b"<Event>s3:ObjectCreated:Put</Event>" in kept.body
    await bench.ask("PUT", body=b"<NotificationConfiguration/>", query={"notification": ""})
    cleared = await bench.ask("GET", query={"notification": ""})
    assert b"CloudFunction" not in cleared.body
    await bench.ask("PUT", "in/a", b"1")
    assert await bench.events() == []


async def test_a_destination_is_validated_when_it_is_put(bench: Bench) -> None:
    await bench.ask("PUT")
    missing = "arn:aws:lambda:us-east-1:111111111111:function:missing"
    wanted = notification(function=missing)
    error = await bench.refused("PUT", body=wanted, query={"notification": ""})
    assert error.message == "Unable to validate the following destination configurations"
    skip = {"x-amz-skip-destination-validation": "true"}
    await bench.ask("PUT", body=wanted, query={"notification": ""}, headers=skip)
    await bench.ask("PUT", "k", b"1")
    assert await bench.events() == []
    elsewhere = notification(function=missing.replace("us-east-1", "eu-west-1"))
    error = await bench.refused("PUT", body=elsewhere, query={"notification": ""}, headers=skip)
    assert "region is not valid" in error.message


async def test_many_writes_at_once_are_many_events(bench: Bench) -> None:
    await bench.watch()
    await asyncio.gather(*(bench.ask("PUT", f"k{number}", b"1") for number in range(200)))
    records = await bench.events()
    assert sorted(json.dumps(key) for _, key in told(records)) == sorted(
        json.dumps(f"k{number}") for number in range(200)
    )
