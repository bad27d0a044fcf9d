"""kill -9 of the node at every step of a watched write: no event is lost."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.objects.bench import Bench, Fixed
from tests.objects.crashing import POINTS, WRITES

from lambent.objects.signing import Endpoint

pytestmark = pytest.mark.slow

EVENTS = {
    "put": "ObjectCreated:Put",
    "copy": "ObjectCreated:Copy",
    "complete": "ObjectCreated:CompleteMultipartUpload",
    "delete": "ObjectRemoved:Delete",
    "batch": "ObjectRemoved:Delete",
}


async def crash(state: Path, endpoint: Endpoint, write: str, point: str) -> Bench:
    """Prepare a bucket, let another process die in a write to it; the node that starts after that."""
    bench = await Bench.open(state, Fixed(endpoint))
    await bench.ask("PUT")
    await bench.ask("PUT", "k", b"old")
    await bench.ask("PUT", "source", b"new content")
    await bench.watch()
    bucket = bench.bucket
    await bench.close()
    command = [sys.executable, "-m", "tests.objects.crashing", str(state), endpoint.url]
    command += [endpoint.access_key, endpoint.secret_key, bucket, write, point]
    ended = subprocess.run(command, cwd=Path(__file__).parents[2], timeout=60, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    again = await Bench.open(state, Fixed(endpoint))
    again.bucket = bucket
    return again


async def is_done(bench: Bench, write: str) -> bool:
    if write in ("delete", "batch"):
        return b"<Key>k</Key>" not in (await bench.ask("GET", query={"list-type": "2"})).body
    return (await bench.ask("GET", "k")).body == b"new content"


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("write", WRITES)
async def test_no_event_is_lost(tmp_path: Path, seaweedfs: Endpoint, write: str, point: str) -> None:
    bench = await crash(tmp_path / "state.db", seaweedfs, write, point)
    await bench.gateway.recover()
    records = await bench.events()
    done = await is_done(bench, write)
    assert done == (point not in ("before the intent", "after the intent"))
    if point == "before the intent":
        assert records == []
    else:  # after the intent only, the event is spurious: the old object cannot be told from the new
        (record,) = records
        assert record["eventName"] == EVENTS[write]
        if done and write not in ("delete", "batch"):
            assert record["s3"]["object"]["size"] == len(b"new content")
    await bench.gateway.recover()
    assert len(await bench.events()) == len(records)
    await bench.close()


async def test_a_new_object_that_was_never_sent_does_not_fire(tmp_path: Path, seaweedfs: Endpoint) -> None:
    bench = await crash(tmp_path / "state.db", seaweedfs, "delete", "after the settlement")
    bucket = bench.bucket
    assert len(await bench.events()) == 1
    await bench.close()
    command = [sys.executable, "-m", "tests.objects.crashing", str(tmp_path / "state.db"), seaweedfs.url]
    command += [seaweedfs.access_key, seaweedfs.secret_key, bucket, "put", "after the intent"]
    ended = subprocess.run(command, cwd=Path(__file__).parents[2], timeout=60, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    again = await Bench.open(tmp_path / "state.db", Fixed(seaweedfs))
    assert len(again.store.query("SELECT * FROM intents")) == 1
    await again.gateway.recover()
    assert len(await again.events()) == 1
    await again.close()
