"""The child SeaweedFS: started on first use, started again when it died, reached by nobody else."""

import asyncio
import json
import os
import socket
import stat
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.objects.bench import Bench
from tests.objects.children import PlainHost, sweep

from lambent.objects import place as place_module
from lambent.objects import seaweedfs as module
from lambent.objects.errors import S3Error
from lambent.objects.place import PATH, SERVERS, Place
from lambent.objects.seaweedfs import SeaweedFS
from lambent.objects.weed import program
from lambent.sandbox.base import Program
from lambent.settings import Settings


def test_ports_and_keys_are_kept(tmp_path: Path) -> None:
    place = Place.choose(tmp_path)
    assert Place.choose(tmp_path) == Place.read(tmp_path) == place
    assert len(set(place.ports)) == 2 * len(SERVERS)
    assert stat.S_IMODE((tmp_path / PATH).stat().st_mode) == 0o600


def test_ports_that_somebody_has_taken_are_chosen_again(tmp_path: Path) -> None:
    place = Place.choose(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", place.ports[3]))
        taken.listen()
        other = Place.choose(tmp_path)
    assert place.ports[3] not in other.ports
    assert (other.access_key, other.secret_key) == (place.access_key, place.secret_key)


def test_what_a_store_of_another_user_left_is_not_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place_module, "SOCKETS", tmp_path)
    place = Place.choose(tmp_path)
    left = tmp_path / f"seaweedfs-s3-{place.ports[0]}.sock"
    left.touch()
    assert Place.choose(tmp_path) == place
    assert not left.exists()

    left.touch()  # another user's, in a folder with the sticky bit, and the node is not root
    monkeypatch.setattr(Path, "unlink", _refuse)
    assert place.ports[0] not in Place.choose(tmp_path).ports


def _refuse(path: Path, missing_ok: bool = False) -> None:
    raise PermissionError(path)


def test_another_store_needs_no_child(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, s3_endpoint="http://127.0.0.1:1")
    assert program(settings, Place.choose(tmp_path)) is None


def test_its_secrets_are_not_on_its_command_line(settings: Settings) -> None:
    place = Place.choose(settings.data)
    seaweed = program(settings, place)
    assert seaweed is not None
    line = " ".join(seaweed.argv)
    assert not [s for s in (place.access_key, place.secret_key, place.signing_key) if s in line]
    assert "-master.telemetry=false" in seaweed.argv
    assert "-ip.bind=127.0.0.1" in seaweed.argv


@pytest.fixture
async def host(settings: Settings) -> AsyncIterator[PlainHost]:
    seaweed = program(settings, Place.choose(settings.data))
    assert seaweed is not None
    host = PlainHost(seaweed)
    yield host
    for child in host.children:
        await child.stop(5)
    sweep(Place.read(settings.data))


@pytest.mark.slow
async def test_it_starts_once_for_many_and_again_after_a_crash(
    settings: Settings, host: PlainHost, tmp_path: Path
) -> None:
    store = SeaweedFS(host, Place.read(settings.data))
    assert host.children == []
    await asyncio.gather(*(store.ensure() for _ in range(20)))
    assert len(host.children) == 1
    bench = await Bench.open(tmp_path / "state.db", store)
    await bench.ask("PUT")
    await bench.ask("PUT", "k", b"kept")
    os.kill(host.children[0].pid, 9)
    await host.children[0].exited
    assert (await bench.ask("GET", "k")).body == b"kept"
    assert len(host.children) == 2
    await bench.close()
    await store.close()
    assert host.children[1].exited.done()


@pytest.mark.slow
async def test_a_crash_of_the_store_in_the_middle_loses_no_event(
    settings: Settings, host: PlainHost, tmp_path: Path
) -> None:
    bench = await Bench.open(tmp_path / "state.db", SeaweedFS(host, Place.read(settings.data)))
    await bench.watch("ObjectCreated:*")
    writes = [asyncio.create_task(bench.ask("PUT", f"k{n}", b"x" * 100_000)) for n in range(40)]
    await asyncio.wait(writes, return_when=asyncio.FIRST_COMPLETED)
    os.kill(host.children[0].pid, 9)
    await asyncio.gather(*writes, return_exceptions=True)
    listed = (await bench.ask("GET", query={"list-type": "2"})).body.decode()
    stored = {key for key in (f"k{n}" for n in range(40)) if f"<Key>{key}</Key>" in listed}
    fired = {record["s3"]["object"]["key"] for record in await bench.events()}
    answered = {f"k{n}" for n, write in enumerate(writes) if write.exception() is None}
    assert answered <= stored <= fired
    assert answered
    await bench.close()


@pytest.mark.slow
async def test_nobody_else_gets_in(settings: Settings, host: PlainHost) -> None:
    place = Place.read(settings.data)
    await SeaweedFS(host, place).ensure()

    def status(url: str, method: str = "GET") -> int:
        try:
            asked = urllib.request.Request(url, method=method, data=b"x" if method == "PUT" else None)
            with urllib.request.urlopen(asked, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    for url, method in (
        (place.endpoint.url, "GET"),
        (f"http://127.0.0.1:{place.port('filer')}/buckets/", "GET"),
        (f"http://127.0.0.1:{place.port('filer')}/buckets/b/k", "PUT"),
    ):
        assert await asyncio.to_thread(status, url, method) in (401, 403)


@pytest.mark.slow
async def test_a_store_that_cannot_run_is_told_and_not_tried_for_ever(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Program(name="seaweedfs", argv=("/bin/false",), folder=tmp_path / "seaweedfs")
    host = PlainHost(broken)
    store = SeaweedFS(host, Place.choose(settings.data))
    for _ in range(module.STARTS):
        with pytest.raises(S3Error, match="ended as it started"):
            await store.ensure()
    with pytest.raises(S3Error, match=f"ended {module.STARTS} times"):
        await store.ensure()
    assert len(host.children) == module.STARTS


@pytest.mark.slow
async def test_what_it_is_told_to_fsync(settings: Settings, host: PlainHost) -> None:
    place = Place.read(settings.data)
    await SeaweedFS(host, place).ensure()
    url = f"http://127.0.0.1:{place.port('filer')}/etc/seaweedfs/filer.conf"
    headers = {"authorization": f"Bearer {module._token(place.signing_key)}"}

    def read() -> bytes:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:
            return bytes(answer.read())

    assert json.loads(await asyncio.to_thread(read)) == module.DURABLE
