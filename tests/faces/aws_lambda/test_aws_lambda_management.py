"""Tags, runtime management, recursion and scaling, as boto3 sees them."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.faces.aws_lambda.bench import Bench, Client, Refusal, arn

from lambent.model.names import FunctionKey

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


async def test_when_a_runtime_is_updated(client: Client, refused: Refused) -> None:
    await client.create("f", Publish=True)
    shown = await client.get_runtime_management_config(FunctionName="f")
    assert (shown["UpdateRuntimeOn"], shown["FunctionArn"]) == ("Auto", arn("f"))
    runtime = f"arn:aws:lambda:us-east-1::runtime:{'a' * 64}"
    for given in ({"UpdateRuntimeOn": "Manual"}, {"UpdateRuntimeOn": "Auto", "RuntimeVersionArn": runtime}):
        error = await refused(client.put_runtime_management_config(FunctionName="f", **given))
        assert (error.status, error.code) == (400, "InvalidParameterValueException")
    manual = {"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": runtime}
    put = await client.put_runtime_management_config(FunctionName="f", Qualifier="1", **manual)
    got = await client.get_runtime_management_config(FunctionName="f", Qualifier="1")
    for answer in (put, got):
        del answer["ResponseMetadata"]
        assert answer == {**manual, "FunctionArn": arn("f", "1")}
    assert (await client.get_runtime_management_config(FunctionName="f"))["UpdateRuntimeOn"] == "Auto"
    error = await refused(client.get_runtime_management_config(FunctionName="f", Qualifier="7"))
    assert (error.status, error.message) == (404, f"Function not found: {arn('f', '7')}")


async def test_whether_a_function_may_loop(bench: Bench, client: Client, refused: Refused) -> None:
    await client.create("f")
    key = FunctionKey("000000000000", "us-east-1", "f")
    assert (await client.get_function_recursion_config(FunctionName="f"))["RecursiveLoop"] == "Terminate"
    assert not bench.face.settings.may_loop(key)
    put = await client.put_function_recursion_config(FunctionName="f", RecursiveLoop="Allow")
    assert put["RecursiveLoop"] == "Allow"
    assert (await client.get_function_recursion_config(FunctionName="f"))["RecursiveLoop"] == "Allow"
    assert bench.face.settings.may_loop(key)
    await client.delete_function(FunctionName="f")
    assert not bench.face.settings.may_loop(key)
    error = await refused(client.put_function_recursion_config(FunctionName="f", RecursiveLoop="Allow"))
    assert (error.status, error.message) == (404, f"Function not found: {arn('f')}")


async def test_how_a_function_scales(client: Client, refused: Refused) -> None:
    await client.create("f", Publish=True)
    where = {"FunctionName": "f", "Qualifier": "1"}
    empty = await client.get_function_scaling_config(**where)
    assert set(empty) == {"FunctionArn", "ResponseMetadata"}
    config = {"MinExecutionEnvironments": 1, "MaxExecutionEnvironments": 3}
    put = await client.put_function_scaling_config(**where, FunctionScalingConfig=config)
    assert (put["ResponseMetadata"]["HTTPStatusCode"], put["FunctionState"]) == (202, "Active")
    got = await client.get_function_scaling_config(**where)
    assert got["RequestedFunctionScalingConfig"] == got["AppliedFunctionScalingConfig"] == config
    wrong = {"MinExecutionEnvironments": 4, "MaxExecutionEnvironments": 3}
    error = await refused(client.put_function_scaling_config(**where, FunctionScalingConfig=wrong))
    assert (error.status, error.code) == (400, "InvalidParameterValueException")
