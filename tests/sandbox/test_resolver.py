"""Questions for names on their way through the node, between a stand-in function and stand-in servers."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from lambent.sandbox import resolver
from lambent.sandbox.resolver import Resolver, Servers, Share

QUESTION = b"\x12\x34" + bytes(30)
ANSWER = b"\x12\x34 the answer"
WAIT_S = 10


class Server:
    """A server for names at an address of the loopback, with its answers to any question."""

    def __init__(self, host: str, port: int, answers: list[bytes]) -> None:
        self.asked: list[bytes] = []
        self.answers = answers
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, port))
        self.socket.setblocking(False)
        self.host, self.port = self.socket.getsockname()
        asyncio.get_running_loop().add_reader(self.socket, self._on_question)

    def _on_question(self) -> None:
        text, client = self.socket.recvfrom(65536)
        self.asked.append(text)
        for answer in self.answers:
            self.socket.sendto(answer, client)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.socket)
        self.socket.close()


def listen(kind: socket.SocketKind) -> socket.socket:
    made = socket.socket(socket.AF_INET, kind)
    made.bind(("127.0.0.1", 0))
    return made


class Ground:
    """A resolver, its servers at ports of their own, and functions that ask."""

    def __init__(self, folder: Path) -> None:
        self.configuration = folder / "resolv.conf"
        self._made = ExitStack()

    def serve(self, host: str, answers: list[bytes], port: int = 0) -> Server:
        server = Server(host, port, answers)
        self._made.callback(server.close)
        return server

    async def start(self, port: int, *hosts: str) -> Resolver:
        self.configuration.write_text("".join(f"nameserver {host}\n" for host in hosts))
        questions, connections = listen(socket.SOCK_DGRAM), listen(socket.SOCK_STREAM)
        connections.listen()
        self.udp, self.tcp = questions.getsockname(), connections.getsockname()
        self.resolver = Resolver(questions, connections, Servers(self.configuration, port))
        await self.resolver.start()
        return self.resolver

    def function(self) -> socket.socket:
        made = self._made.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        made.setblocking(False)
        made.connect(self.udp)
        return made

    async def ask(self, text: bytes = QUESTION) -> bytes:
        function = self.function()
        function.send(text)
        async with asyncio.timeout(WAIT_S):
            return await asyncio.get_running_loop().sock_recv(function, 65536)

    async def close(self) -> None:
        await self.resolver.close()
        self._made.close()


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    made = Ground(tmp_path)
    yield made
    await made.close()


async def test_a_question_and_its_answer_pass_unchanged(ground: Ground) -> None:
    server = ground.serve("127.0.0.1", [ANSWER])
    await ground.start(server.port, server.host)
    assert await ground.ask() == ANSWER
    assert server.asked == [QUESTION]


async def test_an_answer_to_another_question_is_not_passed_on(ground: Ground) -> None:
    server = ground.serve("127.0.0.1", [b"\x99\x99 forged answer", b"short", ANSWER])
    await ground.start(server.port, server.host)
    assert await ground.ask() == ANSWER


async def test_a_server_that_is_silent_or_gone_is_passed_over(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "ANSWER_TIMEOUT_S", 0.05)
    silent = ground.serve("127.0.0.2", [])
    answering = ground.serve("127.0.0.3", [ANSWER], silent.port)
    await ground.start(silent.port, "127.0.0.4", silent.host, answering.host)
    assert await ground.ask() == ANSWER
    assert silent.asked == answering.asked == [QUESTION]


async def test_the_file_is_read_again_when_it_changes(ground: Ground) -> None:
    first = ground.serve("127.0.0.2", [ANSWER])
    second = ground.serve("127.0.0.3", [ANSWER], first.port)
    await ground.start(first.port, first.host)
    await ground.ask()
    new = ground.configuration.with_name("new")
    new.write_text(f"# changed\n\tnameserver {second.host}  \n")
    new.replace(ground.configuration)
    await ground.ask()
    ground.configuration.unlink()
    await ground.ask()
    assert (len(first.asked), len(second.asked)) == (1, 2)


@pytest.mark.parametrize("text", [b"", b"\x12\x34", bytes(resolver.QUESTION_BYTES + 1)])
async def test_what_is_no_question_is_dropped(ground: Ground, text: bytes) -> None:
    server = ground.serve("127.0.0.1", [ANSWER])
    await ground.start(server.port, server.host)
    ground.function().send(text)
    assert await ground.ask() == ANSWER
    assert server.asked == [QUESTION]


async def test_so_many_questions_are_on_their_way_and_no_more(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "QUESTIONS_EACH", 5)
    monkeypatch.setattr(resolver, "ANSWER_TIMEOUT_S", 0.2)
    server = ground.serve("127.0.0.1", [])
    made = await ground.start(server.port, server.host)
    functions = [ground.function() for _ in range(20)]
    for function in functions:
        function.send(QUESTION)
    async with asyncio.timeout(WAIT_S):
        while len(server.asked) < 5:
            await asyncio.sleep(0)
        await asyncio.gather(*made._tasks)
    assert len(server.asked) == 5
    server.answers.append(ANSWER)
    assert await ground.ask() == ANSWER


def test_a_share_is_given_to_many_and_comes_back() -> None:
    share = Share(5, 2)
    assert [share.take(who) for who in ("a", "a", "a", "b", "c", "d", "e")] == [True] * 2 + [False] + [
        True
    ] * 3 + [False]
    share.give_back("a")
    assert share.take("e")
    assert not share.take("a")


async def answer_by_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    (length,) = struct.unpack(">H", await reader.readexactly(2))
    question = await reader.readexactly(length)
    answer = question[:2] + bytes(60000)
    writer.write(struct.pack(">H", len(answer)) + answer)
    await writer.drain()
    writer.close()


async def test_a_long_answer_passes_by_tcp(ground: Ground) -> None:
    server = await asyncio.start_server(answer_by_tcp, "127.0.0.1", 0)
    await ground.start(server.sockets[0].getsockname()[1], "127.0.0.1")
    async with asyncio.timeout(WAIT_S):
        reader, writer = await asyncio.open_connection(*ground.tcp)
        writer.write(struct.pack(">H", len(QUESTION)) + QUESTION)
        writer.write_eof()
        answer = await reader.read()
    assert len(answer) == 60004
    assert answer[2:4] == QUESTION[:2]
    writer.close()
    server.close()


async def test_connections_are_few_and_do_not_last(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "CONNECTIONS_EACH", 2)
    monkeypatch.setattr(resolver, "CONNECTION_TIMEOUT_S", 0.3)
    accepted: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: accepted.append(writer), "127.0.0.1", 0)
    await ground.start(server.sockets[0].getsockname()[1], "127.0.0.1")
    async with asyncio.timeout(WAIT_S):
        opened = [await asyncio.open_connection(*ground.tcp) for _ in range(3)]
        for reader, _ in opened:
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
    assert len(accepted) == 2
    for _, writer in opened:
        writer.close()
    for writer in accepted:
        writer.close()
    server.close()
