"""Activations on disk: what was added comes back as it was, whatever is in it."""

import time
from pathlib import Path

import orjson
import pytest

from lambent.whisk.activation import Activation, Response, Status, new_id
from lambent.whisk.activations import PUT_AT_ONCE, Activations, Query
from lambent.whisk.names import Name


def activation(result: bytes = b"{}", logs: tuple[str, ...] = (), name: str = "hello") -> Activation:
    return Activation(
        id=new_id(),
        namespace="guest",
        subject="guest",
        name=Name("guest", name, "pkg"),
        version="0.0.1",
        start=int(time.time() * 1000),  # what is old is deleted
        end=3,
        duration=2,
        response=Response(Status.SUCCESS, result),
        annotations={"path": f"guest/pkg/{name}"},
        logs=logs,
    )


@pytest.mark.parametrize(
    "result",
    [
        b'{"a":"\\u0000 \\ud83d\\ude00 \xc3\xa9"}',
        b'{"a":' + b"[" * 1020 + b"]" * 1020 + b"}",
        b'{"a":123456789012345678901234567890.10,"b":1e400}',
        b"[]",
    ],
    ids=["characters", "depth", "numbers", "list"],
)
async def test_what_is_in_it_is_kept(tmp_path: Path, result: bytes) -> None:
    activations = await Activations.open(tmp_path / "a.db")
    one = activation(result, ("2026 stdout: 'one'", 'stderr: "\0two"'), name="a'b&\"c")
    activations.add(one)
    before = orjson.dumps(activations.get("guest", one.id))
    await activations.flush()
    assert not activations._recent, "it is on disk"
    found = activations.get("guest", one.id)
    assert found is not None
    assert orjson.dumps(found) == before
    assert result in before
    assert activations.get("other", one.id) is None
    assert [row["name"] for row in await activations.list(Query(namespace="guest"), whole=False)] == [
        "a'b&\"c"
    ]
    await activations.close()


async def test_many_at_once(tmp_path: Path) -> None:
    activations = await Activations.open(tmp_path / "a.db")
    for number in range(PUT_AT_ONCE + 3):
        activations.add(activation(b'{"n":%d}' % number))
    assert await activations.count(Query(namespace="guest", name="pkg/hello")) == PUT_AT_ONCE + 3
    assert await activations.count(Query(namespace="guest", name="pkg/hello", skip=3)) == PUT_AT_ONCE
    await activations.close()
