"""What the benchmarks of bursts and density rest on: calls over plain sockets, and what processes cost."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from benchmarks.burst import Burst
from benchmarks.calls import connected, each_answer, received
from benchmarks.density import available_mib, namespace, private_kib
from benchmarks.processes import name

ANSWER = b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b"


def serve(listener: socket.socket, extra: bytes) -> None:
    """Answers each request with its own body, for as long as somebody asks."""
    try:
        connection, _ = listener.accept()
    except OSError:  # nobody came
        return
    with connection:
        while body := connection.recv(1000):
            connection.sendall(ANSWER % (b"200 OK", len(body), extra, body))


@pytest.fixture
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    extra = getattr(request, "param", b"")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        servers = [threading.Thread(target=serve, args=(listener, extra), daemon=True) for _ in range(2)]
        for server in servers:
            server.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        for server in servers:
            server.join()


def test_every_request_gets_its_answer(port: int) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(connected(port)) for _ in range(2)]
        answers = list(each_answer(connections, (b"%d" % number for number in range(10))))
    assert sorted(answers) == list(range(10))


@pytest.mark.parametrize("port", [b"X-Amz-Function-Error: Unhandled\r\n"], indirect=True)
def test_a_function_that_fails_is_no_answer(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"1")
        with pytest.raises(AssertionError, match="Invoke answered 200"):
            received(connection)


def test_a_burst_ends_with_its_last_entry() -> None:
    members = Burst([0.5, 2.0, 1.0, 0.25], instances=4, seconds=4.0).members()
    assert (members["per_s"], members["seconds"], members["entry_p50_ms"]) == (2.0, 2.0, 500.0)


def test_what_a_process_has_to_itself() -> None:
    command = [sys.executable, "-c", "held = bytearray(64 << 20)\nprint(flush=True)\ninput()"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        process.stdout.readline()
        assert 64 << 10 <= private_kib(process.pid) < 128 << 10
        assert namespace(process.pid) == namespace(os.getpid())
        assert name(process.pid).startswith("python")
        process.stdin.close()
    assert (private_kib(process.pid), namespace(process.pid), name(process.pid)) == (0, "", "")


def test_memory_that_is_left() -> None:
    assert 1 < available_mib() < 1 << 24
