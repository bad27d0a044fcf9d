"""Concurrency on a node that runs: what is reserved is kept to, what is provisioned is there ahead."""

import json

import pytest
from botocore.exceptions import ClientError
from tests.conftest import RunningNode

pytestmark = pytest.mark.slow

HANDLER = """
import os
def handler(event, context):
    return [os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], context.invoked_function_arn]
"""
WAIT_S = 30


def call(node: RunningNode, name: str, **more: str) -> list[str]:
    answer = node.client("lambda").invoke(FunctionName=name, **more)
    return list(json.loads(answer["Payload"].read()))


def test_a_function_without_places_is_off(node: RunningNode) -> None:
    node.deploy("conc-off", HANDLER)
    client = node.client("lambda")
    client.put_function_concurrency(FunctionName="conc-off", ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError) as caught:
        call(node, "conc-off")
    answer = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert answer["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    client.delete_function_concurrency(FunctionName="conc-off")
    assert call(node, "conc-off")[0] == "on-demand"


def test_what_is_provisioned_is_there_before_it_is_called(node: RunningNode) -> None:
    node.deploy("conc-warm", HANDLER, Publish=True)
    client = node.client("lambda")
    client.create_alias(FunctionName="conc-warm", Name="live", FunctionVersion="1")
    where = {"FunctionName": "conc-warm", "Qualifier": "live"}
    client.put_provisioned_concurrency_config(**where, ProvisionedConcurrentExecutions=2)
    for _ in range(WAIT_S * 100):
        found = client.get_provisioned_concurrency_config(**where)
        if found["Status"] != "IN_PROGRESS":
            break
    assert (found["Status"], found["AllocatedProvisionedConcurrentExecutions"]) == ("READY", 2)
    kind, arn = call(node, "conc-warm", Qualifier="live")
    assert kind == "provisioned-concurrency"
    assert arn.endswith(":function:conc-warm:live")
    assert call(node, "conc-warm")[0] == "on-demand"
    client.delete_provisioned_concurrency_config(**where)
    client.delete_function(FunctionName="conc-warm")
