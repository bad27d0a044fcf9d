"""What a process tells of its memory is kept once and bounded; a second time it is out of turn."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from lambent.invoke.frames import Frame, Kind, encode
from lambent.invoke.observed import TOUCHED_BYTES, Observed
from lambent.invoke.template import Template
from lambent.sandbox.base import Process

WAIT_S = 20.0


class Fake:
    """A process by its two descriptors."""

    def __init__(self) -> None:
        self.control, self.theirs = socket.socketpair()
        self.control.setblocking(False)
        self.output, self._write = os.pipe2(os.O_NONBLOCK)
        self.exited: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.killed = asyncio.Event()

    def kill(self) -> None:
        self.killed.set()

    def memory_peak_mb(self) -> int:
        return 0

    def say(self, kind: Kind, payload: bytes) -> None:
        self.theirs.sendall(encode(kind, b"", len(payload), payload))

    def close(self) -> None:
        self.theirs.close()
        os.close(self._write)


@pytest.fixture
async def fake() -> AsyncIterator[Fake]:
    process = Fake()
    yield process
    process.close()


def observed(fake: Fake, template: Template) -> Observed:
    return Observed(cast(Process, fake), lambda _: None, template)


async def test_it_is_kept_and_stands_in_no_answers_way(fake: Fake) -> None:
    template = Template("token")
    connection = observed(fake, template)
    fake.say(Kind.TOUCHED, b"pages")
    fake.say(Kind.ANSWER, b"1")
    answer = await connection.receive(WAIT_S)
    assert isinstance(answer, Frame)
    assert (answer.payload, template.touched) == (b"1", b"pages")
    connection.close()


async def test_a_second_one_is_out_of_turn(fake: Fake) -> None:
    template = Template("token")
    connection = observed(fake, template)
    for _ in range(3):
        fake.say(Kind.TOUCHED, b"pages")
    await asyncio.wait_for(fake.killed.wait(), WAIT_S)
    connection.close()


async def test_one_that_is_too_long_is_dropped(fake: Fake) -> None:
    template = Template("token")
    connection = observed(fake, template)
    fake.say(Kind.TOUCHED, b"x" * (TOUCHED_BYTES + 1))
    fake.say(Kind.ANSWER, b"1")
    assert isinstance(await connection.receive(WAIT_S), Frame)
    assert template.touched is None
    connection.close()
