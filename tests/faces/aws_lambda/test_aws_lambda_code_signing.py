"""Code signing configurations, as boto3 sees them."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from tests.faces.aws_lambda.bench import ACCOUNT, OTHER_ACCOUNT, Bench, Client, Refusal, arn

Refused = Callable[[Awaitable[Any]], Awaitable[Refusal]]
PUBLISHERS = {"SigningProfileVersionArns": [f"arn:aws:signer:us-east-1:{ACCOUNT}:/signing-profiles/test"]}
ABSENT = f"arn:aws:lambda:us-east-1:{ACCOUNT}:code-signing-config:csc-00000000000000000"


async def create(client: Client, **more: Any) -> dict[str, Any]:
    answer = await client.create_code_signing_config(AllowedPublishers=PUBLISHERS, **more)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    config: dict[str, Any] = answer["CodeSigningConfig"]
    return config


async def test_a_configuration_from_its_beginning_to_its_end(client: Client) -> None:
    policies = {"UntrustedArtifactOnDeployment": "Enforce"}
    made = await create(client, CodeSigningPolicies=policies, Description="d")
    assert re.fullmatch(r"csc-[0-9a-f]{17}", made["CodeSigningConfigId"])
    where = {"CodeSigningConfigArn": made["CodeSigningConfigArn"]}
    assert made == {
        "CodeSigningConfigId": made["CodeSigningConfigId"],
        "CodeSigningConfigArn": ABSENT.rpartition(":")[0] + ":" + made["CodeSigningConfigId"],
        "AllowedPublishers": PUBLISHERS,
        "CodeSigningPolicies": policies,
        "Description": "d",
        "LastModified": made["LastModified"],
    }
    warn = {"UntrustedArtifactOnDeployment": "Warn"}
    changed = await client.update_code_signing_config(**where, CodeSigningPolicies=warn)
    shown = (await client.get_code_signing_config(**where))["CodeSigningConfig"]
    assert shown == changed["CodeSigningConfig"]
    assert {**shown, "LastModified": 0} == {**made, "CodeSigningPolicies": warn, "LastModified": 0}
    assert (await client.list_code_signing_configs())["CodeSigningConfigs"] == [shown]
    answer = await client.delete_code_signing_config(**where)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert (await client.list_code_signing_configs())["CodeSigningConfigs"] == []


async def test_functions_are_bound_to_it(client: Client, refused: Refused) -> None:
    config = {"CodeSigningConfigArn": (await create(client))["CodeSigningConfigArn"]}
    await client.create("f")
    await client.create("g", **config)
    empty = await client.get_function_code_signing_config(FunctionName="f")
    assert set(empty) == {"ResponseMetadata"}
    answer = await client.put_function_code_signing_config(FunctionName="f", **config)
    got = await client.get_function_code_signing_config(FunctionName="f")
    for shown in (answer, got):
        del shown["ResponseMetadata"]
        assert shown == {**config, "FunctionName": "f"}
    listed = await client.list_functions_by_code_signing_config(**config)
    assert listed["FunctionArns"] == [arn("f"), arn("g")]
    assert (await refused(client.delete_code_signing_config(**config))).status == 409
    for _ in range(2):  # deleting what is not there is no error
        answer = await client.delete_function_code_signing_config(FunctionName="f")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    await client.delete_function(FunctionName="g")
    await client.delete_code_signing_config(**config)


async def test_what_is_not_there(bench: Bench, client: Client, refused: Refused) -> None:
    absent = {"CodeSigningConfigArn": ABSENT}
    for call in (
        client.get_code_signing_config(**absent),
        client.update_code_signing_config(**absent),
        client.delete_code_signing_config(**absent),
        client.list_functions_by_code_signing_config(**absent),
        bench.client(OTHER_ACCOUNT).get_code_signing_config(
            CodeSigningConfigArn=(await create(client))["CodeSigningConfigArn"]
        ),
    ):
        error = await refused(call)
        assert (error.status, error.code) == (404, "ResourceNotFoundException")
        assert re.fullmatch(r"The Lambda code signing configuration \S+ can not be found\.", error.message)
        assert "Type" not in error.raw
    for call in (
        client.put_function_code_signing_config(FunctionName="none", **absent),
        client.begin("f", **absent),
    ):
        error = await refused(call)
        assert (error.status, error.code) == (404, "CodeSigningConfigNotFoundException")
        assert error.message == (
            "The code signing configuration cannot be found. "
            f"Check that the provided configuration is not deleted: {ABSENT}."
        )
    there = {"CodeSigningConfigArn": (await create(client))["CodeSigningConfigArn"]}
    for call in (
        client.put_function_code_signing_config(FunctionName="none", **there),
        client.get_function_code_signing_config(FunctionName="none"),
        client.delete_function_code_signing_config(FunctionName="none"),
    ):
        assert (await refused(call)).message == f"Function not found: {arn('none')}"


async def test_tags_of_a_configuration(client: Client, refused: Refused) -> None:
    resource = (await create(client, Tags={"A": "1"}))["CodeSigningConfigArn"]
    await client.tag_resource(Resource=resource, Tags={"B": "2"})
    await client.untag_resource(Resource=resource, TagKeys=["A"])
    assert (await client.list_tags(Resource=resource))["Tags"] == {"B": "2"}
    error = await refused(client.tag_resource(Resource=resource, Tags={str(n): "" for n in range(50)}))
    assert error.message == "Number of tags exceeds resource tag limit."
    error = await refused(client.list_tags(Resource=ABSENT))
    assert (error.status, error.message) == (404, "The resource you requested does not exist.")
