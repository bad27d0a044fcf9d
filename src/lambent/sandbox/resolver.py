"""Passes functions' questions for names on to the machine's resolvers, byte for byte, by UDP and by TCP.

A function cannot reach 127.0.0.53 from its own network. Nothing is parsed here: what a name leads to is no
secret, and where a function may go is decided by address, in the packet filter.
"""

import asyncio
import re
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

CONFIGURATION = Path("/etc/resolv.conf")
SERVER = re.compile(r"^\s*nameserver\s+(\S+)", re.MULTILINE)
DEFAULT, PORT = "127.0.0.1", 53  # as the C library has it when the file names none
SERVERS = 3
HEADER_BYTES, QUESTION_BYTES, ANSWER_BYTES = 12, 4096, 65535
TURN = 32  # questions taken before others on the loop have theirs
ANSWER_TIMEOUT_S = 2.0  # of one server, then the next is asked
QUESTIONS, QUESTIONS_EACH = 512, 64  # on their way at once: of all, of one instance
CONNECTIONS, CONNECTIONS_EACH = 64, 8
CONNECTION_TIMEOUT_S = 20.0
CHUNK_BYTES = 65536

Server = tuple[socket.AddressFamily, Any]  # and its address, as sockets have it


class Servers:
    """Those of the machine, read again when it has moved to another network."""

    def __init__(self, configuration: Path | None = None, port: int = PORT) -> None:
        self._configuration = configuration or CONFIGURATION
        self._port = port
        self._seen: tuple[int, int] | None = None
        self._servers: list[Server] = []

    def now(self) -> list[Server]:
        try:
            stat = self._configuration.stat()
            seen = stat.st_mtime_ns, stat.st_ino
            if seen != self._seen:
                named = SERVER.findall(self._configuration.read_text(errors="replace"))
                self._servers, self._seen = [*self._resolved(named or [DEFAULT])], seen
        except OSError:  # it is being replaced: the ones before may still do
            self._servers = self._servers or [*self._resolved([DEFAULT])]
        return self._servers

    def _resolved(self, named: list[str]) -> Iterator[Server]:
        for name in named[:SERVERS]:
            with suppress(socket.gaierror):
                found = socket.getaddrinfo(name, self._port, flags=socket.AI_NUMERICHOST)
                yield found[0][0], found[0][4]


class Share:
    """How much of something is taken, by whom: nobody gets more than a part."""

    def __init__(self, most: int, most_each: int) -> None:
        self._most = most
        self._most_each = most_each
        self._taken: Counter[str] = Counter()
        self._total = 0

    def take(self, who: str) -> bool:
        if self._total >= self._most or self._taken[who] >= self._most_each:
            return False
        self._total += 1
        self._taken[who] += 1
        return True

    def give_back(self, who: str) -> None:
        self._total -= 1
        self._taken[who] -= 1
        if not self._taken[who]:
            del self._taken[who]


class Resolver:
    """What listens for the questions, of which it takes the sockets."""

    def __init__(
        self, questions: socket.socket, connections: socket.socket, servers: Servers | None = None
    ) -> None:
        self._questions = questions
        self._listener = connections
        self._servers = servers or Servers()
        self._by_udp = Share(QUESTIONS, QUESTIONS_EACH)
        self._by_tcp = Share(CONNECTIONS, CONNECTIONS_EACH)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._questions.setblocking(False)
        asyncio.get_running_loop().add_reader(self._questions, self._on_questions)
        self._server = await asyncio.start_server(self._on_connection, sock=self._listener)

    async def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._questions)
        self._questions.close()
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _on_questions(self) -> None:
        for _ in range(TURN):
            try:
                text, client = self._questions.recvfrom(QUESTION_BYTES + 1)
            except OSError:
                return
            if HEADER_BYTES <= len(text) <= QUESTION_BYTES and self._by_udp.take(client[0]):
                task = asyncio.create_task(self._answer(text, client))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _answer(self, text: bytes, client: tuple[str, int]) -> None:
        """Ask one server after the other. Without an answer the function asks again, or gives up."""
        try:
            for server in self._servers.now():
                with suppress(OSError):
                    answer = await _asked(server, text)
                    self._questions.sendto(answer, client)
                    return
        finally:
            self._by_udp.give_back(client[0])

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = writer.get_extra_info("peername")[0]
        if not self._by_tcp.take(client):
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            async with asyncio.timeout(CONNECTION_TIMEOUT_S):
                await self._relay(reader, writer)
        except (OSError, TimeoutError):
            pass
        finally:
            self._tasks.discard(task)
            self._by_tcp.give_back(client)
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Both ways, until both have ended."""
        family, address = self._servers.now()[0]
        there, back = await asyncio.open_connection(*address[:2], family=family)
        ways = {asyncio.create_task(_copy(reader, back)), asyncio.create_task(_copy(there, writer))}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            back.transport.abort()


async def _asked(server: Server, text: bytes) -> bytes:
    """The answer of a server, over a socket of its own: nobody else can send one."""
    family, address = server
    loop = asyncio.get_running_loop()
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as asked:
        asked.connect(address)
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await loop.sock_sendall(asked, text)
            while True:
                answer = await loop.sock_recv(asked, ANSWER_BYTES)
                if len(answer) >= HEADER_BYTES and answer[:2] == text[:2]:
                    return answer


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(CHUNK_BYTES):
        target.write(data)
        await target.drain()
    target.write_eof()
