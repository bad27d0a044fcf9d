import pytest

from lambent.objects import verdicts
from lambent.objects.buckets import Bucket
from lambent.objects.intents import Caller, Intent, Written
from lambent.objects.upstream import Reply
from lambent.objects.verdicts import Doubt, Verdict

BUCKET = Bucket("files", "111111111111", "us-east-1", 0.0)
ERROR = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>m</Message></Error>"


def intent(event: str = "ObjectCreated:Put", key: str = "k", version_id: str = "") -> Intent:
    return Intent(key + version_id, BUCKET, key, event, Caller("p", "a", "r"), 5, version_id)


def verdict(of: Verdict, reply: Reply, *intents: Intent) -> list[Written | None]:
    return [written for _, written in of(reply, intents or (intent(),))]


@pytest.mark.parametrize("of", [verdicts.of_put, verdicts.of_document, verdicts.of_delete])
def test_a_refusal_did_not_happen_and_a_failure_leaves_doubt(of: Verdict) -> None:
    for status in (301, 400, 403, 404, 412):
        assert verdict(of, Reply(status, {})) == [None]
    for status in (500, 503):
        with pytest.raises(Doubt):
            verdict(of, Reply(status, {}))


def test_a_put_is_told_by_its_headers() -> None:
    reply = Reply(200, {"etag": '"e"', "x-amz-version-id": "v"})
    assert verdict(verdicts.of_put, reply) == [Written("ObjectCreated:Put", 5, '"e"', "v")]


def test_a_200_with_an_error_inside_did_not_happen() -> None:
    copy = intent("ObjectCreated:Copy")
    assert verdict(verdicts.of_document, Reply(200, {}, b"\n " + ERROR % b"InvalidPart"), copy) == [None]


@pytest.mark.parametrize("body", [ERROR % b"InternalError", ERROR % b"SlowDown", b"", b"<CopyObj"])
def test_a_200_that_says_nothing_sure_leaves_doubt(body: bytes) -> None:
    with pytest.raises(Doubt):
        verdict(verdicts.of_document, Reply(200, {}, body), intent("ObjectCreated:Copy"))


def test_a_completed_upload_is_told_by_its_document() -> None:
    body = b'<CompleteMultipartUploadResult><ETag>"e-2"</ETag></CompleteMultipartUploadResult>'
    event = "ObjectCreated:CompleteMultipartUpload"
    assert verdict(verdicts.of_document, Reply(200, {}, body), intent(event)) == [
        Written(event, None, '"e-2"')
    ]


def test_a_delete_may_make_a_marker() -> None:
    plain, marker = Reply(204, {}), Reply(204, {"x-amz-delete-marker": "true", "x-amz-version-id": "m"})
    removal = intent("ObjectRemoved:Delete")
    assert verdict(verdicts.of_delete, plain, removal) == [Written("ObjectRemoved:Delete")]
    (made,) = verdict(verdicts.of_delete, marker, removal)
    assert made == Written("ObjectRemoved:DeleteMarkerCreated", None, verdicts.EMPTY_MD5, "m")
    of_version = intent("ObjectRemoved:Delete", version_id="m")
    assert verdict(verdicts.of_delete, marker, of_version) == [Written("ObjectRemoved:Delete", None, "", "m")]


def test_each_key_of_a_batch_has_its_own_fate() -> None:
    body = b"""<DeleteResult><Deleted><Key>a</Key></Deleted>
        <Deleted><Key>b</Key><DeleteMarker>true</DeleteMarker>
            <DeleteMarkerVersionId>m</DeleteMarkerVersionId></Deleted>
        <Deleted><Key>b</Key><VersionId>v</VersionId></Deleted>
        <Error><Key>c</Key><Code>AccessDenied</Code></Error>
        <Deleted><Key>unwatched</Key></Deleted></DeleteResult>"""
    event = "ObjectRemoved:Delete"
    intents = [intent(event, "a"), intent(event, "b"), intent(event, "b", "v"), intent(event, "c")]
    assert verdict(verdicts.of_delete_objects, Reply(200, {}, body), *intents) == [
        Written(event),
        Written("ObjectRemoved:DeleteMarkerCreated", None, verdicts.EMPTY_MD5, "m"),
        Written(event, None, "", "v"),
        None,
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"<DeleteResult></DeleteResult>",
        b"<DeleteResult><Error><Key>k</Key><Code>InternalError</Code></Error></DeleteResult>",
        b"nonsense",
    ],
)
def test_a_batch_that_leaves_a_key_out_leaves_doubt(body: bytes) -> None:
    with pytest.raises(Doubt):
        verdict(verdicts.of_delete_objects, Reply(200, {}, body), intent("ObjectRemoved:Delete"))


def test_a_look_decides_on_a_write_in_doubt() -> None:
    there = Reply(200, {"content-length": "9", "etag": '"e"'})
    assert verdicts.of_head(there, intent()) == Written("ObjectCreated:Put", 9, '"e"')
    assert verdicts.of_head(Reply(404, {}), intent()) is None
    removal = intent("ObjectRemoved:Delete")
    assert verdicts.of_head(Reply(404, {}), removal) == Written("ObjectRemoved:Delete")
    assert verdicts.of_head(there, removal) == Written("ObjectRemoved:Delete")  # spurious, never missing
    marker = Reply(404, {"x-amz-delete-marker": "true", "x-amz-version-id": "m"})
    seen = verdicts.of_head(marker, removal)
    assert seen is not None
    assert (seen.event, seen.version_id) == ("ObjectRemoved:DeleteMarkerCreated", "m")


def test_a_look_that_may_not_see_the_object_still_knows_that_it_is_there() -> None:
    assert verdicts.of_head(Reply(400, {}), intent()) == Written("ObjectCreated:Put", 5)


def test_a_look_that_fails_leaves_doubt() -> None:
    with pytest.raises(Doubt):
        verdicts.of_head(Reply(503, {}), intent())
