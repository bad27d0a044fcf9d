"""What the benchmarks rest on: their statistics, their signatures, their reading of processor time."""

import subprocess
import sys
import time
from collections.abc import AsyncIterator

import pytest
from benchmarks.processes import cpu_s, tree
from benchmarks.signing import Signer
from benchmarks.stats import abba, percentile

from lambent.faces.errors import ServiceError
from lambent.faces.http import Request
from lambent.faces.signature import Verifier
from lambent.model.identity import Credential, Principal, PrincipalKind
from lambent.store.credentials import Credentials

KEY = Credential("AKIAEXAMPLE", "secret", Principal(PrincipalKind.ROOT, "000000000000"))


class Body:
    """A body that is there already."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.length: int | None = len(content)

    async def read(self, limit: int) -> bytes:
        return self.content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.content


def parsed(request: bytes) -> Request:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    assert int(headers["content-length"]) == len(body)
    return Request(method, path, "", headers, Body(body))


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (1, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)])
def test_percentile(percent: float, value: int) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == value


def test_percentile_of_one() -> None:
    assert percentile([7.0], 50) == percentile([7.0], 99) == 7.0


def test_sides_take_turns() -> None:
    order: list[str] = []
    results = abba(2, lambda: order.append("A"), lambda: order.append("B"))
    assert "".join(order) == "ABBAABBA"
    assert [len(side) for side in results] == [4, 4]


async def test_a_request_made_ahead_is_verified() -> None:
    verifier = Verifier(Credentials([KEY], b"x" * 32))
    signer = Signer("127.0.0.1:9000", KEY.access_key, KEY.secret_key)
    verified = await verifier.verify(parsed(signer.invoke("warm", b'{"number": 1}')))
    assert verified is not None
    assert (verified.service, verified.principal) == ("lambda", KEY.principal)


async def test_a_body_that_was_not_signed_is_refused() -> None:
    verifier = Verifier(Credentials([KEY], b"x" * 32))
    request = Signer("127.0.0.1:9000", KEY.access_key, KEY.secret_key).invoke("warm", b'{"number": 1}')
    with pytest.raises(ServiceError):
        await verifier.verify(parsed(request.replace(b'"number": 1', b'"number": 2')))


def test_requests_differ_in_their_signatures() -> None:
    signer = Signer("127.0.0.1:9000", KEY.access_key, KEY.secret_key)
    requests = [signer.invoke("warm", str(number).encode()) for number in range(20)]
    signatures = {request.partition(b"Signature=")[2].split(b"\r\n")[0] for request in requests}
    assert len(signatures) == 20


def test_processor_time_of_a_tree_includes_grandchildren() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        process.stdout.readline()
        assert len(tree(process.pid)) == 2
        running_s = cpu_s(process.pid)
        process.stdin.write("\n")
        process.stdin.close()
    assert 0.25 <= running_s < 5


def test_a_process_that_is_gone_used_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    began = time.monotonic()
    assert cpu_s(process.pid) == 0
    assert time.monotonic() - began < 5
