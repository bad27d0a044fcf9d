"""What the tests of the edge share."""

from collections.abc import AsyncIterator

import pytest
from tests.faces.edge import Edge


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    made = await Edge().start()
    yield made
    await made.stop()
