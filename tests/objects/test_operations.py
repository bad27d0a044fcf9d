import pytest
from botocore.loaders import Loader

from lambent.objects.errors import S3Error
from lambent.objects.operations import PARAMETERS, SUBRESOURCES, operation_of


def name_of(method: str, bucket: str = "b", key: str = "", copies: bool = False, **query: str) -> str:
    return operation_of(method, bucket, key, query, copies)


@pytest.mark.parametrize(
    ("expected", "method", "key", "query"),
    [
        ("read", "GET", "", {"list-type": "2"}),
        ("create_bucket", "PUT", "", {}),
        ("put_notification", "PUT", "", {"notification": ""}),
        ("delete_objects", "POST", "", {"delete": ""}),
        ("put_object", "PUT", "k", {}),
        ("put_object", "PUT", "k", {"x-id": "PutObject"}),
        ("change", "PUT", "k", {"partNumber": "1", "uploadId": "u"}),
        ("complete_multipart_upload", "POST", "k", {"uploadId": "u"}),
        ("change", "POST", "k", {"uploads": ""}),
        ("delete_object", "DELETE", "k", {"versionId": "v"}),
        ("put_object_tagging", "PUT", "k", {"tagging": ""}),
    ],
)
def test_an_operation_is_known_by_method_level_and_subresource(
    expected: str, method: str, key: str, query: dict[str, str]
) -> None:
    assert operation_of(method, "b", key, query, copies=False) == expected


def test_the_service_itself_only_lists() -> None:
    assert name_of("GET", "") == "list_buckets"
    with pytest.raises(S3Error) as caught:
        name_of("PUT", "")
    assert caught.value.status == 405


def test_a_copy_is_a_put_with_a_source_and_no_upload() -> None:
    assert name_of("PUT", key="k", copies=True) == "copy_object"
    assert name_of("PUT", key="k", copies=True, uploadId="u", partNumber="1") == "change"


@pytest.mark.parametrize(
    ("method", "key", "subresource"),
    [
        ("PUT", "k", "renameObject"),
        ("DELETE", "k", "annotation"),
        ("PUT", "k", "torrent"),
        ("PUT", "k", "append"),
        ("PUT", "", "website"),
        ("DELETE", "", "website"),
    ],
)
def test_what_the_store_would_take_for_a_plain_write_never_reaches_it(
    method: str, key: str, subresource: str
) -> None:
    with pytest.raises(S3Error) as caught:
        operation_of(method, "b", key, {subresource: ""}, copies=False)
    assert caught.value.code == "NotImplemented"


def test_two_subresources_are_one_too_many() -> None:
    with pytest.raises(S3Error) as caught:
        operation_of("GET", "b", "k", {"acl": "", "tagging": ""}, copies=False)
    assert caught.value.code == "InvalidRequest"


def test_every_parameter_of_the_model_is_known() -> None:
    """A new subresource in botocore must be placed by hand: let through, answered or refused."""
    model = Loader().load_service_model("s3", "service-2")
    named: set[str] = set()
    for operation in model["operations"].values():
        _, _, query = operation["http"]["requestUri"].partition("?")
        named |= {part.partition("=")[0] for part in query.split("&") if part}
    for shape in model["shapes"].values():
        for member in shape.get("members", {}).values():
            if member.get("location") == "querystring":
                named.add(member["locationName"])
    answered_here = {"max-buckets", "bucket-region", "max-directory-buckets", "x-id", "select-type"}
    of_refused = {"annotation-prefix", "annotationName", "max-annotation-results"}
    unknown = named - SUBRESOURCES - PARAMETERS - answered_here - of_refused
    assert unknown == set()
