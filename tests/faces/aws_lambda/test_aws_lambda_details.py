"""Tags, account settings, and what clients read although no function has it."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.faces.aws_lambda.bench import Client, Refusal, arn

Refused = Callable[[Awaitable[Any]], Awaitable[Refusal]]


async def test_tags_live_with_their_function(client: Client) -> None:
    await client.create("f", Tags={"A": "1"})
    assert (await client.get_function(FunctionName="f"))["Tags"] == {"A": "1"}
    answer = await client.tag_resource(Resource=arn("f"), Tags={"B": "2", "A": "3"})
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert (await client.list_tags(Resource=arn("f")))["Tags"] == {"A": "3", "B": "2"}
    answer = await client.untag_resource(Resource=arn("f"), TagKeys=["A", "none"])
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert (await client.list_tags(Resource=arn("f")))["Tags"] == {"B": "2"}


async def test_tags_are_refused_in_awss_words(client: Client, refused: Refused) -> None:
    await client.create("f")
    qualified = "Tags on function aliases and versions are not supported. Please specify a function ARN."
    for qualifier in ("1", "$LATEST", "live"):
        error = await refused(client.tag_resource(Resource=arn("f", qualifier), Tags={"A": "1"}))
        assert (error.status, error.message) == (400, qualified)
    error = await refused(client.tag_resource(Resource=arn("f"), Tags={}))
    assert error.message == "An error occurred and the request cannot be processed."
    many = {str(n): "" for n in range(50)}
    await client.tag_resource(Resource=arn("f"), Tags=many)
    error = await refused(client.tag_resource(Resource=arn("f"), Tags={"one more": ""}))
    assert error.message == "Number of tags exceeds resource tag limit."
    for call in (
        client.tag_resource(Resource=arn("none"), Tags={"A": "1"}),
        client.untag_resource(Resource=arn("none"), TagKeys=["A"]),
        client.list_tags(Resource=arn("none")),
    ):
        error = await refused(call)
        assert (error.status, error.message) == (404, f"Function not found: {arn('none')}")


async def test_what_terraform_reads_of_every_function(client: Client, refused: Refused) -> None:
    await client.create("f")
    for operation in (client.get_function_code_signing_config, client.get_function_concurrency):
        answer = await operation(FunctionName="f")
        assert set(answer) == {"ResponseMetadata"}
    management = await client.get_runtime_management_config(FunctionName="f")
    assert (management["UpdateRuntimeOn"], management["FunctionArn"]) == ("Auto", arn("f"))
    error = await refused(client.get_function_event_invoke_config(FunctionName="f"))
    assert error.message == f"The function {arn('f', '$LATEST')} doesn't have an EventInvokeConfig"
    error = await refused(client.get_function_url_config(FunctionName="f"))
    assert (error.status, error.message) == (404, "The resource you requested does not exist.")
