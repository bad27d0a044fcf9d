import pytest

from lambent.objects import batch, xml
from lambent.objects.errors import S3Error


def wanted(*objects: str, quiet: str = "") -> bytes:
    parts = "".join(f"<Object>{inner}</Object>" for inner in objects)
    return f'<Delete xmlns="{xml.NAMESPACE}">{quiet}{parts}</Delete>'.encode()


def test_the_request_goes_on_without_quiet() -> None:
    told = batch.read(
        wanted("<Key>a&amp;b</Key>", "<Key>c</Key><VersionId>v</VersionId>", quiet="<Quiet>true</Quiet>")
    )
    assert told.quiet
    assert told.entries == (("a&b", ""), ("c", "v"))
    again = batch.read(told.body)
    assert (again.entries, again.quiet) == (told.entries, False)


def test_conditions_of_an_entry_are_kept() -> None:
    told = batch.read(wanted("<Key>a</Key><ETag>&quot;e&quot;</ETag><Size>3</Size>"))
    assert b"<ETag>" in told.body
    assert b"<Size>3</Size>" in told.body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<Delete/>",
        b"<Other><Object><Key>a</Key></Object></Other>",
        wanted(""),
        wanted("<Key></Key>"),
        wanted(*["<Key>a</Key>"] * 1001),
    ],
)
def test_what_is_no_batch_of_keys_is_malformed(data: bytes) -> None:
    with pytest.raises(S3Error) as caught:
        batch.read(data)
    assert caught.value.code == "MalformedXML"


def test_a_batch_cannot_reach_another_bucket() -> None:
    with pytest.raises(S3Error) as caught:
        batch.read(wanted("<Key>../other/secret</Key>"))
    assert caught.value.code == "InvalidArgument"


def test_a_quiet_answer_tells_only_of_errors() -> None:
    answer = xml.document(
        "DeleteResult",
        [
            "<Deleted><Key>a</Key></Deleted>",
            "<Error><Key>b&amp;</Key><Code>AccessDenied</Code></Error>",
        ],
    )
    root = xml.parse(batch.hushed(answer))
    assert [element.tag for element in root] == ["Error"]
    assert xml.text_of(root[0], "Key") == "b&"
