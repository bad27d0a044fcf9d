"""Records in a folder of the test's own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lambent.records.records import Records
from lambent.records.retention import Retention

# Tests write at the beginning of the epoch, where times are easy to read.
FOR_EVER = Retention(log_days=1_000_000, meter_days=1_000_000)


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Records]:
    opened = await Records.open(tmp_path / "records.db", FOR_EVER)
    yield opened
    await opened.close()
