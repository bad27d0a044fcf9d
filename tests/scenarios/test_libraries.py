"""Libraries as users bring them, each in a bundle of its own and used once behind the walls.

They are fetched from the package index that pip is set up with; without one these tests are skipped.
"""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.sandbox.conftest import sandbox_on, start_in
from tests.sandbox.launched import Config, Launched, launch
from tests.sandbox.snapshots import restored, snapshot

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.getuid() != 0, reason="sandboxes are made by root"),
    pytest.mark.asyncio(loop_scope="module"),
]
INSTALL_S = 240
USES = {
    "aws-lambda-powertools": """
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext
logger, metrics = Logger(service="s"), Metrics(namespace="n", service="s")

@metrics.log_metrics
@logger.inject_lambda_context
def handler(event, context: LambdaContext):
    logger.info("seen")
    metrics.add_metric(name="m", unit="Count", value=1)
    return logger.service
""",
    "pandas": """
import pandas
def handler(event, context):
    frame = pandas.DataFrame({"k": ["a", "b", "a"], "n": [1, 2, 3]})
    frame.to_csv("/tmp/f.csv", index=False)
    return pandas.read_csv("/tmp/f.csv").groupby("k").n.sum().to_dict()
""",
    "pyarrow": """
import pyarrow, pyarrow.compute, pyarrow.parquet
def handler(event, context):
    pyarrow.parquet.write_table(pyarrow.table({"n": list(range(100_000))}), "/tmp/f.parquet")
    return pyarrow.compute.sum(pyarrow.parquet.read_table("/tmp/f.parquet")["n"]).as_py()
""",
    "duckdb": """
import duckdb
def handler(event, context):
    connection = duckdb.connect("/tmp/f.duckdb")
    connection.execute("CREATE TABLE t AS SELECT range AS n FROM range(100000)")
    connection.execute("COPY t TO '/tmp/f.parquet' (FORMAT parquet)")
    return connection.execute("SELECT sum(n) FROM '/tmp/f.parquet'").fetchone()[0]
""",
    "requests": """
import http.server, threading, requests
class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")
    def log_message(self, *_):
        pass
def handler(event, context):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with requests.Session() as session:
            answer = session.get(f"http://localhost:{server.server_port}/", timeout=10)
        server.shutdown()
    return answer.text
""",
    "boto3": """
import boto3
def handler(event, context):
    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}
    client = boto3.client("s3", **keys)
    signed = client.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
    return [boto3.__file__, "Signature=" in signed]
""",
}
ANSWERS = {
    "aws-lambda-powertools": "s",
    "pandas": {"a": 4, "b": 2},
    "pyarrow": 4999950000,
    "duckdb": 4999950000,
    "requests": "hello",
    "boto3": ["/var/task/boto3/__init__.py", True],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def launched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Launched]:
    launched = await launch(tmp_path_factory.mktemp("libraries") / "data", Config(max_sandboxes=40))
    yield launched
    for opened in launched.callers:
        await opened.close()
    assert await launched.end() == 0
    await launched.host.close()


def install(package: str, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:", "--target"]
    done = subprocess.run([*command, str(folder), package], capture_output=True, text=True, timeout=INSTALL_S)
    if done.returncode:
        pytest.skip(f"{package} could not be fetched: {done.stderr.strip().splitlines()[-1]}")


@pytest.mark.parametrize("package", USES)
async def test_it_works_inside_and_from_a_snapshot(launched: Launched, package: str) -> None:
    folder = launched.host.code / package
    install(package, folder)
    (folder / "handler.py").write_text(USES[package])
    own = frozenset(path.name for path in folder.iterdir() if path.name.isidentifier())
    sandbox = await sandbox_on(launched, folder, memory_mb=1024, own_packages=own)
    process = await start_in(launched, sandbox)
    assert await process.call(None) == ANSWERS[package]
    await sandbox.destroy()
    file, problem = await snapshot(launched, folder, own_packages=own)
    assert problem == ""
    try:
        for _ in range(2):
            copy = await restored(launched, folder, file, own_packages=own)
            assert await copy.call(None) == ANSWERS[package]
    finally:
        os.close(file)
