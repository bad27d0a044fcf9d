"""CreateFunction to DeleteFunction, as boto3 sees them."""

import asyncio
import base64
import hashlib
import io
import re
import urllib.request
import zipfile
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.faces.aws_lambda.bench import OTHER_ACCOUNT, ROLE, RUNTIME, Bench, Client, Refusal, arn, zip_of

Refused = Callable[[Awaitable[Any]], Awaitable[Refusal]]


async def test_a_new_function_looks_as_at_aws(client: Client) -> None:
    answer = await client.begin("f")
    zipped = zip_of()
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.pop("RevisionId"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", answer.pop("LastModified"))
    runtime_arn = answer.pop("RuntimeVersionConfig")["RuntimeVersionArn"]
    assert re.fullmatch(r"arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}", runtime_arn)
    assert answer == {
        "Architectures": ["x86_64"],
        "CodeSha256": base64.b64encode(hashlib.sha256(zipped).digest()).decode(),
        "CodeSize": len(zipped),
        "Description": "",
        "EphemeralStorage": {"Size": 512},
        "FunctionArn": arn("f"),
        "FunctionName": "f",
        "Handler": "h.handler",
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"},
        "MemorySize": 128,
        "PackageType": "Zip",
        "Role": ROLE,
        "Runtime": RUNTIME,
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "State": "Pending",
        "StateReason": "The function is being created.",
        "StateReasonCode": "Creating",
        "Timeout": 3,
        "TracingConfig": {"Mode": "PassThrough"},
        "Version": "$LATEST",
    }


async def test_an_active_function_has_an_update_status_and_no_reasons(client: Client) -> None:
    created = await client.create("f", Environment={"Variables": {}})
    answer = await client.get_function(FunctionName="f")
    shown = answer["Configuration"]
    assert shown["State"] == "Active"
    assert shown["LastUpdateStatus"] == "Successful"
    assert not {"StateReason", "StateReasonCode", "LastUpdateStatusReason"} & set(shown)
    assert shown["Environment"] == {"Variables": {}}
    assert shown["RevisionId"] != created["RevisionId"]
    assert shown["LastModified"] == created["LastModified"]
    assert "Tags" not in answer
    assert answer["Code"]["RepositoryType"] == "S3"
    assert await client.get_function_configuration(FunctionName="f") | {"ResponseMetadata": 0} == (
        shown | {"ResponseMetadata": 0}
    )


async def test_every_waiter_of_aws_ends(client: Client) -> None:
    await client.begin("f")
    for waiter in ("function_exists", "function_active", "function_active_v2", "function_updated"):
        await client.wait(waiter, FunctionName="f")
    await client.update_function_configuration(FunctionName="f", Timeout=9)
    await client.wait("function_updated_v2", FunctionName="f")
    await client.publish_version(FunctionName="f")
    await client.wait("published_version_active", FunctionName="f", Qualifier="1")


async def test_the_code_can_be_downloaded_and_only_with_its_signature(bench: Bench, client: Client) -> None:
    await client.create("f")
    url = (await client.get_function(FunctionName="f"))["Code"]["Location"]

    def fetch(address: str) -> bytes:
        with urllib.request.urlopen(address) as response:
            return bytes(response.read())

    assert await asyncio.to_thread(fetch, url) == zip_of()
    for forged in (url[:-1] + ("0" if url[-1] != "0" else "1"), url.replace("Expires=", "Expires=9")):
        with pytest.raises(urllib.error.HTTPError) as caught:
            await asyncio.to_thread(fetch, forged)
        assert caught.value.code == 403
        caught.value.close()


async def test_an_update_is_in_progress_before_it_is_successful(client: Client) -> None:
    await client.create("f")
    before = (await client.get_function(FunctionName="f"))["Configuration"]
    other = zip_of("def handler(event, context): return 2")
    answer = await client.update_function_code(FunctionName="f", ZipFile=other)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert (answer["State"], answer["LastUpdateStatus"]) == ("Active", "InProgress")
    assert answer["LastUpdateStatusReason"] == "The function is being created."
    assert answer["LastUpdateStatusReasonCode"] == "Creating"
    assert "StateReason" not in answer
    assert answer["CodeSize"] == len(other)
    await client.wait("function_updated_v2", FunctionName="f")
    after = (await client.get_function(FunctionName="f"))["Configuration"]
    assert len({shape["RevisionId"] for shape in (before, answer, after)}) == 3
    assert after["CodeSha256"] == answer["CodeSha256"] != before["CodeSha256"]


async def test_only_what_is_given_is_updated(client: Client) -> None:
    await client.create("f", Description="one", Environment={"Variables": {"AB": "1"}}, Timeout=5)
    await client.update_function_configuration(
        FunctionName="f", MemorySize=256, EphemeralStorage={"Size": 1024}, TracingConfig={"Mode": "Active"}
    )
    await client.wait("function_updated_v2", FunctionName="f")
    shown = await client.get_function_configuration(FunctionName="f")
    assert (shown["Description"], shown["Timeout"], shown["MemorySize"]) == ("one", 5, 256)
    assert shown["Environment"] == {"Variables": {"AB": "1"}}
    assert shown["EphemeralStorage"] == {"Size": 1024}
    assert shown["TracingConfig"] == {"Mode": "Active"}


async def test_what_has_no_effect_here_is_shown_as_it_was_given(client: Client) -> None:
    vpc = {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    dead_letters = {"TargetArn": "arn:aws:sqs:us-east-1:000000000000:q"}
    key = "arn:aws:kms:us-east-1:000000000000:key/k"
    created = await client.create("f", VpcConfig=vpc, DeadLetterConfig=dead_letters, KMSKeyArn=key)
    assert created["VpcConfig"].pop("VpcId").startswith("vpc-")
    assert created["VpcConfig"] == {**vpc, "Ipv6AllowedForDualStack": False}
    assert created["DeadLetterConfig"] == dead_letters
    assert created["KMSKeyArn"] == key
    emptied = await client.update_function_configuration(
        FunctionName="f",
        VpcConfig={"SubnetIds": [], "SecurityGroupIds": []},
        DeadLetterConfig={"TargetArn": ""},
        KMSKeyArn="",
        SnapStart={"ApplyOn": "PublishedVersions"},
    )
    assert emptied["VpcConfig"] == {
        "SubnetIds": [],
        "SecurityGroupIds": [],
        "VpcId": "",
        "Ipv6AllowedForDualStack": False,
    }
    assert not {"DeadLetterConfig", "KMSKeyArn"} & set(emptied)
    assert emptied["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}


async def test_logging_shows_levels_for_json_only(client: Client, refused: Refused) -> None:
    created = await client.create("f", LoggingConfig={"LogFormat": "JSON", "LogGroup": "/my/group"})
    assert created["LoggingConfig"] == {
        "LogFormat": "JSON",
        "ApplicationLogLevel": "INFO",
        "SystemLogLevel": "INFO",
        "LogGroup": "/my/group",
    }
    plain = await client.update_function_configuration(FunctionName="f", LoggingConfig={"LogFormat": "Text"})
    assert plain["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/my/group"}
    await client.wait("function_updated_v2", FunctionName="f")
    levels = {"LogFormat": "Text", "SystemLogLevel": "WARN"}
    error = await refused(client.update_function_configuration(FunctionName="f", LoggingConfig=levels))
    assert (error.status, error.code) == (400, "InvalidParameterValueException")
    assert error.message.startswith('LogLevel is not supported when LogFormat is set to "Text".')


async def test_code_comes_from_a_bucket_too(bench: Bench, client: Client, refused: Refused) -> None:
    bench.objects["bucket", "k.zip"] = zip_of()
    created = await client.create("f", Code={"S3Bucket": "bucket", "S3Key": "k.zip"})
    assert created["CodeSize"] == len(zip_of())
    error = await refused(client.update_function_code(FunctionName="f", S3Bucket="bucket", S3Key="no.zip"))
    assert (error.status, error.code) == (400, "InvalidParameterValueException")
    assert error.message == (
        "Error occurred while GetObject. S3 Error Code: NoSuchKey. "
        "S3 Error Message: The specified key does not exist."
    )


async def test_a_dry_run_checks_and_changes_nothing(client: Client, refused: Refused) -> None:
    await client.create("f")
    before = await client.get_function_configuration(FunctionName="f")
    other = zip_of("x = 1")
    dry = await client.update_function_code(FunctionName="f", ZipFile=other, DryRun=True)
    assert dry["CodeSize"] == len(other)
    after = await client.get_function_configuration(FunctionName="f")
    assert after | {"ResponseMetadata": 0} == before | {"ResponseMetadata": 0}
    error = await refused(client.update_function_code(FunctionName="f", ZipFile=b"no zip", DryRun=True))
    assert error.code == "InvalidParameterValueException"


def evil(name: str, kind: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.create_system = 3
        info.external_attr = kind << 16
        archive.writestr(info, "/etc/passwd")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "zipped", [b"this is no zip", zip_of()[:60], evil("../out.py"), evil("/out.py"), evil("link", 0o120777)]
)
async def test_what_cannot_be_unpacked_is_refused_at_once(
    client: Client, refused: Refused, zipped: bytes
) -> None:
    error = await refused(client.begin("f", Code={"ZipFile": zipped}))
    assert (error.status, error.code) == (400, "InvalidParameterValueException")
    assert error.message == (
        "Could not unzip uploaded file. Please check your file, then try to upload again."
    )
    assert error.raw["Type"] == "User"
    assert (await refused(client.get_function(FunctionName="f"))).status == 404


@pytest.mark.slow
async def test_an_empty_zip_and_one_that_swells_have_words_of_their_own(
    client: Client, refused: Refused
) -> None:
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    for zipped in (b"", empty.getvalue()):
        error = await refused(client.begin("f", Code={"ZipFile": zipped}))
        assert error.message == "Uploaded file must be a non-empty zip"
    swelling = io.BytesIO()
    with zipfile.ZipFile(swelling, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("big", "w") as entry:
        for _ in range(251):
            entry.write(bytes(1024 * 1024))
    error = await refused(client.begin("f", Code={"ZipFile": swelling.getvalue()}))
    assert error.message == "Unzipped size must be smaller than 262144000 bytes"


@pytest.mark.slow
async def test_a_zip_beyond_50_mb_must_come_from_a_bucket(client: Client, refused: Refused) -> None:
    error = await refused(client.begin("f", Code={"ZipFile": bytes(52_428_801)}))
    assert (error.status, error.code) == (413, "RequestEntityTooLargeException")
    assert error.message == "Zipped size must be smaller than 52428800 bytes"


ENVIRONMENT = (
    "Lambda was unable to configure your environment variables because the environment variables you have "
    "provided "
)


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (
            {"FunctionName": "a" * 65},
            "InvalidParameterValueException",
            f"1 validation error detected: Value '{'a' * 65}' at 'functionName' failed to satisfy "
            "constraint: Member must have length less than or equal to 64",
        ),
        (
            {"FunctionName": "invalid:function:name"},
            "ValidationException",
            "1 validation error detected: Value 'invalid:function:name' at 'functionName' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: ",
        ),
        (
            {"Role": "r1"},
            "ValidationException",
            "1 validation error detected: Value 'r1' at 'role' failed to satisfy constraint: Member must "
            r"satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?",
        ),
        (
            {"Runtime": "non-existent-runtime"},
            "InvalidParameterValueException",
            "Value non-existent-runtime at 'runtime' failed to satisfy constraint: Member must satisfy enum "
            "value set: [",
        ),
        (
            {"Runtime": "java8"},
            "InvalidParameterValueException",
            "The runtime parameter of java8 is no longer supported for creating or updating AWS Lambda "
            "functions. We recommend you use a supported runtime while creating or updating functions.",
        ),
        (
            {"Runtime": "dotnet8"},
            "InvalidParameterValueException",
            "The runtime dotnet8 is not on this machine. ",
        ),
        (
            {"Architectures": ["X86_64"]},
            "ValidationException",
            "1 validation error detected: Value '[X86_64]' at 'architectures' failed to satisfy constraint: "
            "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64]",
        ),
        (
            {"Architectures": ["arm64"]},
            "InvalidParameterValueException",
            "The architecture arm64 is not available: this node runs x86_64 only.",
        ),
        (
            {"Environment": {"Variables": {"AWS_REGION": "x"}}},
            "InvalidParameterValueException",
            f"{ENVIRONMENT}contains reserved keys that are currently not supported for modification. "
            "Reserved keys used in this request: AWS_REGION",
        ),
        (
            {"Environment": {"Variables": {"SMALL": "x" * 4096}}},
            "InvalidParameterValueException",
            f'{ENVIRONMENT}exceeded the 4KB limit. String measured: {{"SMALL":"{"x" * 4096}"}}',
        ),
        (
            {"Timeout": 901},
            "InvalidParameterValueException",
            "'timeout' value failed to satisfy constraint: Member must have value less than or equal to 900",
        ),
        (
            {"MemorySize": 10241},
            "InvalidParameterValueException",
            "'MemorySize' value failed to satisfy constraint: "
            "Member must have value less than or equal to 10240",
        ),
        (
            {"MemorySize": 127},
            "ValidationException",
            "1 validation error detected: Value '127' at 'memorySize' failed to satisfy constraint: "
            "Member must have value greater than or equal to 128",
        ),
        (
            {"PackageType": "Image", "Code": {"ImageUri": "i"}},
            "InvalidParameterValueException",
            "i is no image: it must be written as HOST/NAME:TAG, HOST/NAME@sha256:...",
        ),
        ({"Code": {}}, "InvalidParameterValueException", "Please provide a source for function code."),
        (
            {"Code": {"ZipFile": b"x", "S3Bucket": "bucket"}},
            "InvalidParameterValueException",
            "Please do not provide other FunctionCode parameters when providing a ZipFile.",
        ),
        (
            {"Tags": {str(n): "" for n in range(51)}},
            "InvalidParameterValueException",
            "Number of tags exceeds resource tag limit.",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_a_creation_is_refused_in_awss_words(
    client: Client, refused: Refused, given: dict[str, Any], code: str, message: str
) -> None:
    error = await refused(client.begin(name=given.pop("FunctionName", "f"), **given))
    assert (error.status, error.code) == (400, code)
    assert error.message.startswith(message)
    assert error.raw.get("Type") == ("User" if code == "InvalidParameterValueException" else None)


async def test_several_violations_are_told_together(client: Client, refused: Refused) -> None:
    error = await refused(client.begin("f", MemorySize=1, Timeout=0))
    assert error.message.startswith("2 validation errors detected: ")


async def test_a_name_is_taken_once(client: Client, refused: Refused) -> None:
    await client.create("f")
    error = await refused(client.begin("f"))
    assert (error.status, error.code) == (409, "ResourceConflictException")
    assert error.message == "Function already exist: f"
    assert error.raw["message"] == error.message


async def test_a_function_without_handler_is_none(client: Client, refused: Refused) -> None:
    call = client.create_function(FunctionName="f", Role=ROLE, Code={"ZipFile": zip_of()}, Runtime=RUNTIME)
    error = await refused(call)
    assert error.message == (
        "Runtime and Handler are mandatory parameters for functions created with deployment packages."
    )


@pytest.mark.parametrize("name", ["f", arn("f"), "000000000000:function:f", "function:f"])
async def test_a_function_has_many_names(client: Client, name: str) -> None:
    assert (await client.create(name))["FunctionArn"] == arn("f")
    assert (await client.get_function(FunctionName=name))["Configuration"]["FunctionArn"] == arn("f")
    latest = await client.get_function(FunctionName=f"{name}:$LATEST")
    assert latest["Configuration"]["FunctionArn"] == arn("f", "$LATEST")


async def test_what_does_not_exist_is_told_by_its_arn(client: Client, refused: Refused) -> None:
    for operation in (
        client.get_function,
        client.get_function_configuration,
        client.delete_function,
        client.list_versions_by_function,
        client.publish_version,
        client.update_function_configuration,
        client.list_aliases,
        client.get_function_concurrency,
        client.get_function_code_signing_config,
    ):
        error = await refused(operation(FunctionName="none"))
        assert (error.status, error.code) == (404, "ResourceNotFoundException")
        assert error.message == f"Function not found: {arn('none')}"
        assert error.raw["Message"] == error.message
        assert error.raw["Type"] == "User"
    error = await refused(client.get_function(FunctionName="none", Qualifier="$LATEST"))
    assert error.message == f"Function not found: {arn('none', '$LATEST')}"
    error = await refused(client.update_function_code(FunctionName="none", ZipFile=zip_of()))
    assert error.message == f"Function not found: {arn('none')}"


async def test_other_regions_and_accounts_are_other_worlds(
    bench: Bench, client: Client, refused: Refused
) -> None:
    await client.create("f")
    error = await refused(client.get_function(FunctionName=arn("f").replace("us-east-1", "eu-west-1")))
    assert (error.status, error.code) == (404, "ResourceNotFoundException")
    assert error.message == "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
    stranger = bench.client(OTHER_ACCOUNT)
    assert (await refused(stranger.get_function(FunctionName="f"))).status == 404
    error = await refused(stranger.get_function(FunctionName=arn("f")))
    assert (error.status, error.code) == (403, "AccessDeniedException")
    assert (await bench.client(region="eu-west-1").list_functions())["Functions"] == []


async def test_two_qualifiers_must_agree(client: Client, refused: Refused) -> None:
    await client.create("f", Publish=True)
    await client.get_function(FunctionName="f:1", Qualifier="1")
    error = await refused(client.get_function(FunctionName="f:1", Qualifier="2"))
    assert (error.status, error.code) == (400, "InvalidParameterValueException")
    assert error.message == (
        "The derived qualifier from the function name does not match the specified qualifier."
    )


async def test_guards_of_a_revision(client: Client, refused: Refused) -> None:
    await client.create("f")
    for call in (
        client.update_function_code(FunctionName="f", ZipFile=zip_of(), RevisionId="no"),
        client.update_function_configuration(FunctionName="f", RevisionId="no"),
        client.publish_version(FunctionName="f", RevisionId="no"),
    ):
        error = await refused(call)
        assert (error.status, error.code) == (412, "PreconditionFailedException")
        assert error.message == (
            "The Revision Id provided does not match the latest Revision Id. "
            "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
        )


async def test_a_second_update_must_wait(bench: Bench, client: Client, refused: Refused) -> None:
    await client.create("f")
    gate = asyncio.Event()

    async def slow(code: object) -> None:
        await gate.wait()

    bench.functions._prepare = slow
    await client.update_function_configuration(FunctionName="f", Timeout=4)
    for call in (
        client.update_function_configuration(FunctionName="f", Timeout=5),
        client.update_function_code(FunctionName="f", ZipFile=zip_of()),
        client.publish_version(FunctionName="f"),
    ):
        error = await refused(call)
        assert (error.status, error.code) == (409, "ResourceConflictException")
        assert error.message == (
            "The operation cannot be performed at this time. "
            f"An update is in progress for resource: {arn('f')}"
        )
    gate.set()
    await client.wait("function_updated_v2", FunctionName="f")


async def test_deleting(client: Client, refused: Refused) -> None:
    await client.create("f", Publish=True)
    for qualifier, message in (
        ("$LATEST", "$LATEST version cannot be deleted without deleting the function."),
        ("live", "Deletion of aliases is not currently supported."),
    ):
        error = await refused(client.delete_function(FunctionName="f", Qualifier=qualifier))
        assert (error.status, error.code) == (400, "InvalidParameterValueException")
        assert error.message == message
    for _ in range(2):  # deleting what is gone is no error
        answer = await client.delete_function(FunctionName="f", Qualifier="1")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert (await refused(client.get_function(FunctionName="f", Qualifier="1"))).message == (
        f"Function not found: {arn('f', '1')}"
    )
    answer = await client.delete_function(FunctionName="f")
    assert answer["StatusCode"] == answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    error = await refused(client.delete_function(FunctionName="f", Qualifier="1"))
    assert error.message == f"Function not found: {arn('f')}"


async def test_lists_leave_the_state_out_and_come_in_pages(client: Client, refused: Refused) -> None:
    for name in ("a", "b", "c"):
        await client.create(name)
    await client.publish_version(FunctionName="b")
    pages = await asyncio.to_thread(
        lambda: list(client.plain.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))
    )
    assert [[f["FunctionName"] for f in page["Functions"]] for page in pages] == [["a", "b"], ["c"]]
    assert "NextMarker" not in pages[-1]
    shown = pages[0]["Functions"][0]
    assert not {"State", "LastUpdateStatus", "RuntimeVersionConfig", "StateReason"} & set(shown)
    assert shown["FunctionArn"] == arn("a")
    every = await asyncio.to_thread(
        lambda: (
            client.plain.get_paginator("list_functions")
            .paginate(FunctionVersion="ALL", PaginationConfig={"PageSize": 1})
            .build_full_result()
        )
    )
    assert [f["FunctionArn"] for f in every["Functions"]] == [
        arn("a", "$LATEST"),
        arn("b", "$LATEST"),
        arn("b", "1"),
        arn("c", "$LATEST"),
    ]
    assert len((await client.list_functions(MaxItems=10_000))["Functions"]) == 3
    assert (await refused(client.list_functions(Marker="?"))).code == "InvalidParameterValueException"
    assert (await refused(client.list_functions(FunctionVersion="one"))).code == "ValidationException"


async def test_a_packages_key_is_shown_beside_the_code_only(client: Client, refused: Refused) -> None:
    key = "arn:aws:kms:us-east-1:000000000000:key/k"
    code = {"ZipFile": zip_of(), "SourceKMSKeyArn": key}
    created = await client.create("f", Code=code)
    assert "SourceKMSKeyArn" not in created
    assert (await client.get_function(FunctionName="f"))["Code"]["SourceKMSKeyArn"] == key
    await client.update_function_code(FunctionName="f", ZipFile=zip_of("x = 1"))
    assert "SourceKMSKeyArn" not in (await client.get_function(FunctionName="f"))["Code"]


async def test_packages_are_copied(client: Client, refused: Refused) -> None:
    code = {"S3Bucket": "abc", "S3Key": "k", "S3ObjectStorageMode": "REFERENCE"}
    error = await refused(client.create("f", Code=code))
    assert error.code == "InvalidParameterValueException"
    assert "Use COPY" in error.message
