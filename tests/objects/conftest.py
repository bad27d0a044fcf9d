"""A real SeaweedFS for each worker, and gateways in front of it."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.objects.bench import Bench, Fixed
from tests.objects.children import PlainHost, sweep
from tests.objects.served import Served

from lambent.objects.place import Place
from lambent.objects.seaweedfs import SeaweedFS
from lambent.objects.signing import Endpoint
from lambent.objects.weed import program
from lambent.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data")


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """One for all tests of this worker; tests take bucket names of their own."""
    settings = Settings(data=tmp_path_factory.mktemp("seaweedfs"))
    place = Place.choose(settings.data)
    seaweed = program(settings, place)
    assert seaweed is not None
    host = PlainHost(seaweed)

    async def start() -> Endpoint:
        return await SeaweedFS(host, place).ensure()

    yield asyncio.run(start())
    host.kill()
    sweep(place)


@pytest.fixture
async def bench(tmp_path: Path, seaweedfs: Endpoint) -> AsyncIterator[Bench]:
    """A gateway with a store of its own, called without HTTP in front."""
    bench = await Bench.open(tmp_path / "state.db", Fixed(seaweedfs))
    yield bench
    await bench.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, seaweedfs: Endpoint) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("served") / "state.db", seaweedfs)
    yield served
    served.close()


@pytest.fixture
def s3(served: Served) -> Iterator[Any]:
    """boto3 as Alice."""
    client = served.client()
    yield client
    client.close()


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"b-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name
