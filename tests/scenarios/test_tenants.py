"""Tenants of one function on a node that runs: none sees what another left."""

import json

import pytest
from tests.conftest import RunningNode

pytestmark = pytest.mark.slow

HANDLER = """
import os
seen = []
def handler(event, context):
    seen.append(context.tenant_id)
    path = os.path.join(os.environ.get("TMPDIR", "/tmp"), "tenant")
    before = open(path).read() if os.path.exists(path) else ""
    open(path, "w").write(context.tenant_id)
    return [seen, before]
"""


def test_each_tenant_has_instances_of_its_own(node: RunningNode) -> None:
    node.deploy("tenants", HANDLER, TenancyConfig={"TenantIsolationMode": "PER_TENANT"})
    client = node.client("lambda")

    def call(tenant: str) -> object:
        return json.loads(client.invoke(FunctionName="tenants", TenantId=tenant)["Payload"].read())

    assert call("blue") == [["blue"], ""]
    assert call("green") == [["green"], ""]
    assert call("blue") == [["blue", "blue"], "blue"]
    assert call("green") == [["green", "green"], "green"]
