import pytest

from lambent.objects.errors import S3Error
from lambent.objects.names import check_bucket_name, check_key, place_of


@pytest.mark.parametrize("name", ["abc", "a-b", "my.bucket.2", "0" * 63, "1a2", "192.168.5"])
def test_bucket_names_that_s3_takes(name: str) -> None:
    check_bucket_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("ab", "a" * 64, "Abc", "a_b", "-ab", "ab-", ".ab", "ab.", "a..b", "192.168.5.4", "xn--abc"),
        *("sthree-abc", "abc-s3alias", "abc--ol-s3", "abc.mrap", "abc--x-s3", "a b", "aé1", "a/b", ".."),
        "abc\n",
    ],
)
def test_bucket_names_that_s3_refuses(name: str) -> None:
    with pytest.raises(S3Error) as caught:
        check_bucket_name(name)
    assert caught.value.code == "InvalidBucketName"


@pytest.mark.parametrize("key", ["a", "a/b", "a//b", "...", "a/..b", "ключ", "a b+c", "x" * 1024])
def test_keys_that_fit(key: str) -> None:
    check_key(key)


@pytest.mark.parametrize("key", ["..", "../other/x", "a/../../other/x", "a/.", "a\0b"])
def test_a_key_cannot_lead_out_of_its_bucket(key: str) -> None:
    with pytest.raises(S3Error) as caught:
        check_key(key)
    assert caught.value.code == "InvalidArgument"


def test_a_key_of_1025_bytes_is_too_long() -> None:
    with pytest.raises(S3Error) as caught:
        check_key("é" * 513)
    assert caught.value.code == "KeyTooLongError"
    assert caught.value.fields["Size"] == "1026"


def test_keys_that_the_store_keeps_in_one_place_take_one_turn() -> None:
    assert place_of("b", "a//b") == place_of("b", "a/b")
    assert place_of("b", "a/b") != place_of("b", "a/c")
