"""A store that answers as the test says, for answers that SeaweedFS gives too rarely to wait for."""

import asyncio
from collections.abc import Callable

from lambent.objects.signing import Endpoint

Answer = Callable[[str, bytes], bytes | None]  # (method and target, body): the answer; None breaks off


def answer(status: int, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} told", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def error(code: str, status: int = 200) -> bytes:
    return answer(status, f"<Error><Code>{code}</Code><Message>told</Message></Error>".encode())


class Stub:
    """Serves one request after the other on each connection, and remembers them."""

    def __init__(self, tell: Answer) -> None:
        self.tell = tell
        self.asked: list[tuple[str, bytes]] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> "Stub":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self._endpoint = Endpoint(f"http://{host}:{port}", "key", "secret")
        return self

    async def ensure(self) -> Endpoint:
        return self._endpoint

    async def stop(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:])}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                method, target, _ = head[0].split(" ")
                self.asked.append((f"{method} {target}", body))
                told = self.tell(f"{method} {target}", body)
                if told is None:
                    return
                writer.write(told)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
