"""Layers, their policies, and the functions that name them, as boto3 sees them."""

import asyncio
import base64
import hashlib
import json
import re
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.faces.aws_lambda.bench import ACCOUNT, OTHER_ACCOUNT, Bench, Client, Refusal, zip_of

from lambent.faces import aws_lambda_layers

Refused = Callable[[Awaitable[Any]], Awaitable[Refusal]]
ZIP = zip_of("x = 1\n", "python/brought.py")


def layer_arn(name: str, number: int | str = "", account: str = ACCOUNT, region: str = "us-east-1") -> str:
    return f"arn:aws:lambda:{region}:{account}:layer:{name}" + (f":{number}" if number else "")


async def publish(client: Client, name: str = "l", **more: Any) -> dict[str, Any]:
    given = {"LayerName": name, "Content": {"ZipFile": ZIP}} | more
    answer: dict[str, Any] = await client.publish_layer_version(**given)
    return answer


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return bytes(answer.read())


async def test_a_layers_version_as_at_aws(client: Client) -> None:
    made = await publish(client)
    assert made.pop("ResponseMetadata")["HTTPStatusCode"] == 201
    content = made.pop("Content")
    assert await asyncio.to_thread(fetch, content.pop("Location")) == ZIP
    sha256 = base64.b64encode(hashlib.sha256(ZIP).digest()).decode()
    assert content == {"CodeSha256": sha256, "CodeSize": len(ZIP)}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", made.pop("CreatedDate"))
    assert made == {
        "LayerArn": layer_arn("l"),
        "LayerVersionArn": layer_arn("l", 1),
        "Description": "",
        "Version": 1,
    }


async def test_what_is_given_is_shown_and_what_is_not_is_left_out(client: Client) -> None:
    given: dict[str, Any] = {
        "CompatibleRuntimes": ["python3.12"],
        "CompatibleArchitectures": ["x86_64"],
        "LicenseInfo": "MIT",
        "Description": "d",
    }
    await publish(client, **given)
    got = await client.get_layer_version(LayerName=layer_arn("l"), VersionNumber=1)
    assert {name: got[name] for name in given} == given
    by_arn = await client.get_layer_version_by_arn(Arn=layer_arn("l", 1))
    for answer in (got, by_arn):
        del answer["ResponseMetadata"], answer["Content"]["Location"]
    assert by_arn == got
    (listed,) = (await client.list_layer_versions(LayerName="l"))["LayerVersions"]
    assert listed == {name: value for name, value in got.items() if name not in ("Content", "LayerArn")}
    (layer,) = (await client.list_layers())["Layers"]
    assert layer == {"LayerName": "l", "LayerArn": layer_arn("l"), "LatestMatchingVersion": listed}


async def test_numbers_are_never_used_again(client: Client) -> None:
    assert [(await publish(client))["Version"] for _ in range(2)] == [1, 2]
    for _ in range(2):  # deleting what is not there is no error
        answer = await client.delete_layer_version(LayerName="l", VersionNumber=2)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    await client.delete_layer_version(LayerName="l", VersionNumber=1)
    assert (await client.list_layer_versions(LayerName="l"))["LayerVersions"] == []
    assert (await client.list_layers())["Layers"] == []
    assert (await publish(client))["Version"] == 3


async def test_lists_are_filtered_and_paged(client: Client) -> None:
    for runtime in ("python3.12", "nodejs20.x", "python3.12"):
        await publish(client, CompatibleRuntimes=[runtime])
    await publish(client, "other")
    found = await client.list_layer_versions(LayerName="l", CompatibleRuntime="python3.12")
    assert [version["Version"] for version in found["LayerVersions"]] == [3, 1]
    first = await client.list_layer_versions(LayerName="l", MaxItems=2)
    rest = await client.list_layer_versions(LayerName="l", Marker=first["NextMarker"])
    assert [version["Version"] for version in first["LayerVersions"] + rest["LayerVersions"]] == [3, 2, 1]
    (fitting,) = (await client.list_layers(CompatibleRuntime="nodejs20.x"))["Layers"]
    assert fitting["LatestMatchingVersion"]["Version"] == 2
    assert [layer["LayerName"] for layer in (await client.list_layers())["Layers"]] == ["l", "other"]


async def test_what_is_refused(client: Client, refused: Refused) -> None:
    await publish(client)
    error = await refused(client.get_layer_version(LayerName="none", VersionNumber=1))
    assert (error.status, error.message) == (404, "The resource you requested does not exist.")
    error = await refused(client.get_layer_version_by_arn(Arn=layer_arn("l", 2)))
    assert (error.status, error.message) == (404, "The resource you requested does not exist.")
    for number in (0, -1):
        error = await refused(client.get_layer_version(LayerName="l", VersionNumber=number))
        assert (error.status, error.message) == (400, "Layer Version Cannot be less than 1")
    error = await refused(client.list_layers(CompatibleRuntime="runtimedoesnotexist"))
    assert error.code == "ValidationException"
    assert "'compatibleRuntime' failed to satisfy constraint: Member must satisfy enum" in error.message
    error = await refused(publish(client, Content={"ZipFile": b"no zip"}))
    assert error.message.startswith("Could not unzip uploaded file.")


async def test_a_function_names_its_layers(client: Client) -> None:
    await publish(client)
    created = await client.create("f", Layers=[layer_arn("l", 1)])
    assert created["Layers"] == [{"Arn": layer_arn("l", 1), "CodeSize": len(ZIP)}]
    await client.publish_version(FunctionName="f")
    await client.delete_layer_version(LayerName="l", VersionNumber=1)
    shown = await client.get_function_configuration(FunctionName="f")
    assert shown["Layers"] == created["Layers"], "a deleted layer goes on serving"
    changed = await client.update_function_configuration(FunctionName="f", Timeout=9)
    assert changed["Layers"] == created["Layers"]
    await client.wait("function_updated_v2", FunctionName="f")
    changed = await client.update_function_configuration(FunctionName="f", Layers=[])
    assert "Layers" not in changed
    numbered = await client.get_function_configuration(FunctionName="f", Qualifier="1")
    assert numbered["Layers"] == created["Layers"]


async def test_a_layer_is_kept_as_long_as_somebody_needs_it(bench: Bench, client: Client) -> None:
    await publish(client)
    digest = hashlib.sha256(ZIP).hexdigest()
    assert bench.face.layers.digests() == {digest}
    await client.create("f", Layers=[layer_arn("l", 1)])
    await client.delete_layer_version(LayerName="l", VersionNumber=1)
    assert bench.face.layers.digests() == set()
    assert digest in bench.functions.digests()


TWICE = (
    "Two different versions of the same layer are not allowed to be referenced in the same function. "
    f"{layer_arn('l', 1)} and {layer_arn('l', 2)} are versions of the same layer."
)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([layer_arn("l", n) for n in range(1, 7)], "Cannot reference more than 5 layers."),
        ([layer_arn("l", 1), layer_arn("l", 2)], TWICE),
        ([layer_arn("l", 1)] * 2, TWICE.replace(layer_arn("l", 2), layer_arn("l", 1))),
        ([layer_arn("none", 1)], f"Layer version {layer_arn('none', 1)} does not exist."),
        ([layer_arn("l", 9)], f"Layer version {layer_arn('l', 9)} does not exist."),
        (
            [layer_arn("l", 1, region="eu-west-1")],
            "Layers are not in the same region as the function. "
            "Layers are expected to be in region us-east-1.",
        ),
    ],
    ids=["six", "two versions", "the same twice", "no layer", "no version", "another region"],
)
async def test_layers_that_a_function_cannot_have(
    client: Client, refused: Refused, layers: list[str], message: str
) -> None:
    for _ in range(2):
        await publish(client)
    await client.create("f")
    for call in (
        client.begin("g", Layers=layers),
        client.update_function_configuration(FunctionName="f", Layers=layers),
    ):
        error = await refused(call)
        assert (error.status, error.code) == (400, "InvalidParameterValueException")
        assert error.message == message


async def test_a_layer_without_a_number_is_no_layers_version(client: Client, refused: Refused) -> None:
    error = await refused(client.begin("f", Layers=[layer_arn("l")]))
    assert error.code == "ValidationException"
    assert f"Value '[{layer_arn('l')}]' at 'layers' failed" in error.message


async def test_code_and_layers_share_one_limit(
    client: Client, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(client)
    monkeypatch.setattr(aws_lambda_layers, "UNZIPPED_BYTES", 30)
    error = await refused(client.begin("f", Layers=[layer_arn("l", 1)]))
    assert error.code == "InvalidParameterValueException"
    assert error.message.endswith("The actual size is 52 bytes.")
    await client.create("g")


async def test_another_account_may_use_what_the_policy_gives_it(bench: Bench, refused: Refused) -> None:
    owner, other = bench.client(), bench.client(OTHER_ACCOUNT)
    await publish(owner)
    arn = layer_arn("l", 1)
    for call in (other.begin("f", Layers=[arn]), other.get_layer_version_by_arn(Arn=arn)):
        error = await refused(call)
        assert (error.status, error.code) == (403, "AccessDeniedException")
        assert f"lambda:GetLayerVersion on resource: {arn} " in error.message
    allow = {"LayerName": "l", "VersionNumber": 1, "Action": "lambda:GetLayerVersion"}
    await owner.add_layer_version_permission(StatementId="s", Principal=OTHER_ACCOUNT, **allow)
    assert (await other.get_layer_version_by_arn(Arn=arn))["Version"] == 1
    await other.create("f", Layers=[arn])
    for call in (
        other.delete_layer_version(LayerName=layer_arn("l"), VersionNumber=1),
        other.add_layer_version_permission(
            StatementId="t", Principal="*", **(allow | {"LayerName": layer_arn("l")})
        ),
    ):
        assert (await refused(call)).status == 403


async def test_a_policy_from_its_beginning_to_its_end(client: Client) -> None:
    await publish(client)
    allow = {"LayerName": "l", "VersionNumber": 1, "Action": "lambda:GetLayerVersion"}
    added = await client.add_layer_version_permission(StatementId="s1", Principal="*", **allow)
    statement = {
        "Sid": "s1",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "lambda:GetLayerVersion",
        "Resource": layer_arn("l", 1),
    }
    assert json.loads(added["Statement"]) == statement
    got = await client.get_layer_version_policy(LayerName="l", VersionNumber=1)
    assert got["RevisionId"] == added["RevisionId"]
    document = {"Version": "2012-10-17", "Id": "default", "Statement": [statement]}
    assert list(json.loads(got["Policy"]).items()) == list(document.items())
    second = await client.add_layer_version_permission(
        StatementId="s2", Principal=OTHER_ACCOUNT, OrganizationId="o-0123456789", **allow
    )
    assert json.loads(second["Statement"])["Principal"] == {"AWS": f"arn:aws:iam::{OTHER_ACCOUNT}:root"}
    assert second["RevisionId"] != added["RevisionId"]
    answer = await client.remove_layer_version_permission(
        LayerName="l", VersionNumber=1, StatementId="s2", RevisionId=second["RevisionId"]
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    got = await client.get_layer_version_policy(LayerName="l", VersionNumber=1)
    assert json.loads(got["Policy"]) == document


async def test_what_a_policy_refuses(client: Client, refused: Refused) -> None:
    await publish(client)
    one = {"LayerName": "l", "VersionNumber": 1}
    allow = one | {"Action": "lambda:GetLayerVersion", "Principal": "*", "StatementId": "s"}
    error = await refused(client.get_layer_version_policy(**one))
    assert (error.status, error.message) == (404, "No policy is associated with the given resource.")
    await client.add_layer_version_permission(**allow)
    error = await refused(client.add_layer_version_permission(**allow))
    assert (error.status, error.message[:38]) == (409, "The statement id (s) provided already ")
    stale = {"RevisionId": "stale"}
    for call in (
        client.add_layer_version_permission(**(allow | stale | {"StatementId": "t"})),
        client.remove_layer_version_permission(**one, **stale, StatementId="s"),
    ):
        error = await refused(call)
        assert (error.status, error.code) == (412, "PreconditionFailedException")
        assert "Call the GetLayerPolicy API" in error.message
    absent = f"Layer version {layer_arn('l', 2)} does not exist."
    for call in (
        client.add_layer_version_permission(**(allow | {"VersionNumber": 2})),
        client.get_layer_version_policy(LayerName="l", VersionNumber=2),
        client.remove_layer_version_permission(LayerName="l", VersionNumber=2, StatementId="s"),
    ):
        error = await refused(call)
        assert (error.status, error.message) == (404, absent)
    error = await refused(client.remove_layer_version_permission(**one, StatementId="none"))
    assert (error.status, error.message) == (404, "Statement none is not found in resource policy.")
    error = await refused(client.add_layer_version_permission(**(allow | {"Action": "*"})))
    assert error.message.endswith("Member must satisfy regular expression pattern: lambda:GetLayerVersion")
