"""The operations on function URLs, by boto3, in AWS's words."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from tests.faces.aws_lambda.bench import OTHER_ACCOUNT, Bench, Client, Refusal, arn

Refused = Callable[[Awaitable[Any]], Awaitable[Refusal]]
CORS = {"AllowOrigins": ["https://a.example"], "MaxAge": 60}


def bare(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


async def test_one_is_created_read_changed_listed_and_deleted(client: Client, refused: Refused) -> None:
    await client.create("f")
    made = bare(await client.create_function_url_config(FunctionName="f", AuthType="NONE"))
    assert set(made) == {"FunctionUrl", "FunctionArn", "AuthType", "CreationTime"}
    assert re.fullmatch(r"http://[a-z0-9]{32}\.lambda-url\.us-east-1\.localhost:\d+/", made["FunctionUrl"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", made["CreationTime"])
    assert made["FunctionArn"] == arn("f")
    read = bare(await client.get_function_url_config(FunctionName="f"))
    assert read == {**made, "InvokeMode": "BUFFERED", "LastModifiedTime": made["CreationTime"]}
    changed = bare(
        await client.update_function_url_config(
            FunctionName=arn("f"), AuthType="AWS_IAM", InvokeMode="RESPONSE_STREAM", Cors=CORS
        )
    )
    assert changed["LastModifiedTime"] > made["CreationTime"]
    wanted = {"AuthType": "AWS_IAM", "InvokeMode": "RESPONSE_STREAM", "Cors": CORS}
    assert changed == {**read, **wanted, "LastModifiedTime": changed["LastModifiedTime"]}
    assert bare(await client.update_function_url_config(FunctionName="f"))["Cors"] == CORS
    listed = bare(await client.list_function_url_configs(FunctionName="f"))
    assert [one["FunctionUrl"] for one in listed["FunctionUrlConfigs"]] == [made["FunctionUrl"]]
    assert listed.keys() == {"FunctionUrlConfigs"}
    gone = await client.delete_function_url_config(FunctionName="f")
    assert gone["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert (await refused(client.get_function_url_config(FunctionName="f"))).status == 404


async def test_refusals_are_awss(client: Client, refused: Refused) -> None:
    create, get = client.create_function_url_config, client.get_function_url_config
    found = await refused(create(FunctionName="f", AuthType="NONE"))
    assert (found.code, found.message) == ("ResourceNotFoundException", "Function does not exist")
    await client.create("f")
    await create(FunctionName="f", AuthType="NONE", InvokeMode="RESPONSE_STREAM")
    found = await refused(create(FunctionName="f", AuthType="NONE"))
    assert (found.status, found.code) == (409, "ResourceConflictException")
    assert found.message == (
        f"Failed to create function url config for [functionArn = {arn('f')}]. "
        "Error message:  FunctionUrlConfig exists for this Lambda function"
    )
    for qualifier in ("1", "$LATEST"):
        found = await refused(create(FunctionName="f", AuthType="NONE", Qualifier=qualifier))
        assert (found.status, found.code) == (400, "ValidationException")
        assert "at 'qualifier' failed to satisfy constraint" in found.message
    found = await refused(create(FunctionName="f", AuthType="NONE", Qualifier="nowhere"))
    assert found.message == "Function does not exist"
    found = await refused(get(FunctionName="f", Qualifier="nowhere"))
    assert found.message == "The resource you requested does not exist."
    found = await refused(client.delete_function_url_config(FunctionName="g"))
    assert (found.status, found.message) == (404, "The resource you requested does not exist.")
    assert (await refused(client.list_function_url_configs(FunctionName="g"))).status == 404
    found = await refused(create(FunctionName="f", AuthType="EVERYBODY"))
    assert "enum value set: [NONE, AWS_IAM]" in found.message
    found = await refused(create(FunctionName="f", AuthType="NONE", Cors={"MaxAge": 86_401}))
    assert "less than or equal to 86400" in found.message


async def test_each_alias_has_one_that_goes_with_it(client: Client, refused: Refused) -> None:
    await client.create("f")
    await client.publish_version(FunctionName="f")
    for name in ("b", "a"):
        await client.create_alias(FunctionName="f", Name=name, FunctionVersion="1")
        await client.create_function_url_config(FunctionName="f", Qualifier=name, AuthType="NONE")
    await client.create_function_url_config(FunctionName="f", AuthType="AWS_IAM")

    async def arns(**given: Any) -> list[str]:
        answer = await client.list_function_url_configs(FunctionName="f", **given)
        found = [one["FunctionArn"] for one in answer["FunctionUrlConfigs"]]
        more = await arns(Marker=answer["NextMarker"], **given) if "NextMarker" in answer else []
        return found + more

    assert await arns() == [arn("f"), arn("f:a"), arn("f:b")]
    await client.delete_alias(FunctionName="f", Name="a")
    assert await arns() == [arn("f"), arn("f:b")]
    await client.delete_function(FunctionName="f")
    await client.create("f")
    assert await arns() == []


async def test_another_account_has_nothing_to_say(bench: Bench, client: Client, refused: Refused) -> None:
    await client.create("f")
    other = bench.client(OTHER_ACCOUNT)
    found = await refused(other.create_function_url_config(FunctionName=arn("f"), AuthType="NONE"))
    assert found.status == 403
