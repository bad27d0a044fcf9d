"""Powertools for AWS Lambda inside of a function: logger, tracer off, idempotent routes and batches."""

import io
import json
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.conftest import RunningNode

pytestmark = pytest.mark.slow

CODE = """
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import LambdaFunctionUrlResolver
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

logger, metrics = Logger(service="orders"), Metrics(namespace="Orders", service="orders")
app, processor = LambdaFunctionUrlResolver(), BatchProcessor(event_type=EventType.SQS)


@app.get("/orders/<number>")
def order(number):
    return {"order": int(number)}


def one(record):
    return 1 / int(record.body)


@metrics.log_metrics
@logger.inject_lambda_context
def handler(event, context):
    metrics.add_metric(name="Calls", unit=MetricUnit.Count, value=1)
    logger.info("called", extra={"shape": sorted(event)})
    if "Records" in event:
        return process_partial_response(event, one, processor, context)
    return app.resolve(event, context)
"""
URL_EVENT = {
    "version": "2.0",
    "rawPath": "/orders/7",
    "rawQueryString": "",
    "headers": {},
    "requestContext": {"http": {"method": "GET", "path": "/orders/7"}, "stage": "$default"},
    "isBase64Encoded": False,
}


def bundle() -> bytes:
    """The handler with the library beside it, as `pip install -t` puts it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("handler.py", CODE)
        for package in ("aws_lambda_powertools", "jmespath", "typing_extensions"):
            spec = find_spec(package)
            assert spec is not None
            assert spec.origin is not None
            origin = Path(spec.origin)
            files = sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]
            start = origin.parent.parent if origin.name == "__init__.py" else origin.parent
            for file in files:
                archive.write(file, file.relative_to(start))
    return buffer.getvalue()


def test_powertools_inside_a_function(node: RunningNode) -> None:
    node.deploy("powertools", "", Code={"ZipFile": bundle()}, Timeout=30, MemorySize=512)
    client = node.client("lambda")

    def call(event: object) -> dict[str, object]:
        answer = client.invoke(FunctionName="powertools", Payload=json.dumps(event))
        told = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, told
        assert isinstance(told, dict)
        return told

    answer = call(URL_EVENT)
    assert (answer["statusCode"], json.loads(str(answer["body"]))) == (200, {"order": 7})
    records = [{"messageId": f"m{n}", "body": str(n), "eventSource": "aws:sqs"} for n in (1, 0, 2)]
    assert call({"Records": records}) == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    logs = node.client("logs")
    lines = [e["message"] for e in logs.filter_log_events(logGroupName="/aws/lambda/powertools")["events"]]
    told = [json.loads(line) for line in lines if line.startswith("{")]
    (first, *_) = [line for line in told if line.get("message") == "called"]
    assert (first["service"], first["function_name"]) == ("orders", "powertools")
    assert first["cold_start"] is True
    assert any(line.get("Calls") == [1.0] for line in told), lines
