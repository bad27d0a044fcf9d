"""What boto3 expects of S3, through the gateway, with a real SeaweedFS behind it."""

import base64
import gzip
import hashlib
import http.client
import io
import json
import os
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from tests.objects.served import KEYS, Served

from lambent.faces.checksums import ALGORITHMS
from lambent.model.role import Role

pytestmark = pytest.mark.slow


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


def body_of(s3: Any, bucket: str, key: str, **given: Any) -> bytes:
    return bytes(s3.get_object(Bucket=bucket, Key=key, **given)["Body"].read())


def calls(*given: Callable[[], Any]) -> tuple[Callable[[], Any], ...]:
    """So that a list of lambdas is typed."""
    return given


# Buckets.


def test_a_bucket_is_made_listed_and_removed(s3: Any, bucket: str) -> None:
    names = [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert bucket in names
    assert s3.head_bucket(Bucket=bucket)["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    s3.delete_bucket(Bucket=bucket)
    with pytest.raises(ClientError) as caught:
        s3.head_bucket(Bucket=bucket)
    assert code_of(caught) == "404"


def test_making_it_again_is_fine_in_us_east_1_only(served: Served, s3: Any, bucket: str) -> None:
    s3.create_bucket(Bucket=bucket)
    west = served.client(region_name="eu-west-1")
    place = {"LocationConstraint": "eu-west-1"}
    west.create_bucket(Bucket=f"{bucket}-west", CreateBucketConfiguration=place)
    with pytest.raises(ClientError) as caught:
        west.create_bucket(Bucket=f"{bucket}-west", CreateBucketConfiguration=place)
    assert code_of(caught) == "BucketAlreadyOwnedByYou"
    assert west.get_bucket_location(Bucket=f"{bucket}-west")["LocationConstraint"] == "eu-west-1"
    west.close()


def test_a_bucket_with_objects_stays(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    with pytest.raises(ClientError) as caught:
        s3.delete_bucket(Bucket=bucket)
    assert code_of(caught) == "BucketNotEmpty"
    assert body_of(s3, bucket, "k") == b"x"


def test_a_bad_bucket_name_is_refused(s3: Any) -> None:
    s3.meta.events.unregister("before-parameter-build.s3", None)
    with pytest.raises(ClientError) as caught:
        s3.create_bucket(Bucket="Not_A_Bucket")
    assert code_of(caught) == "InvalidBucketName"


def test_buckets_are_listed_by_page_and_prefix(s3: Any, bucket: str) -> None:
    for end in "abc":
        s3.create_bucket(Bucket=f"{bucket}-{end}")
    pages = s3.get_paginator("list_buckets").paginate(Prefix=f"{bucket}-", PaginationConfig={"PageSize": 2})
    assert [[b["Name"] for b in page["Buckets"]] for page in pages] == [
        [f"{bucket}-a", f"{bucket}-b"],
        [f"{bucket}-c"],
    ]


# Objects.


def test_an_object_comes_back_as_it_went(s3: Any, bucket: str) -> None:
    given = {"ContentType": "text/csv", "CacheControl": "no-cache", "ContentLanguage": "de"}
    put = s3.put_object(Bucket=bucket, Key="a/b.csv", Body=b"x,y", Metadata={"colour": "red"}, **given)
    got = s3.get_object(Bucket=bucket, Key="a/b.csv")
    assert got["Body"].read() == b"x,y"
    assert got["Metadata"] == {"colour": "red"}
    assert {name: got[name] for name in given} == given
    assert got["ETag"] == put["ETag"] == f'"{hashlib.md5(b"x,y").hexdigest()}"'
    head = s3.head_object(Bucket=bucket, Key="a/b.csv")
    assert (head["ContentLength"], head["ETag"]) == (3, put["ETag"])
    s3.delete_object(Bucket=bucket, Key="a/b.csv")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="a/b.csv")
    assert code_of(caught) == "NoSuchKey"


@pytest.mark.parametrize("key", ["a b+c", "ключ/ü", "a%20b", "x=1&y;z", "~'()*!", "d/e/f//g", "💥"])
def test_keys_of_all_kinds(s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert body_of(s3, bucket, key) == key.encode()


def test_an_empty_object(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    assert body_of(s3, bucket, "empty") == b""
    assert s3.head_object(Bucket=bucket, Key="empty")["ContentLength"] == 0


def test_ranges(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    got = s3.get_object(Bucket=bucket, Key="k", Range="bytes=2-4")
    assert (got["ResponseMetadata"]["HTTPStatusCode"], got["ContentRange"]) == (206, "bytes 2-4/10")
    assert got["Body"].read() == b"234"
    assert body_of(s3, bucket, "k", Range="bytes=-3") == b"789"
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="k", Range="bytes=20-")
    assert code_of(caught) == "InvalidRange"


def test_conditions(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    assert code_of(caught) == "PreconditionFailed"
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch='"other"')
    assert code_of(caught) == "PreconditionFailed"
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=etag)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 304
    assert body_of(s3, bucket, "k", IfMatch=etag) == b"1"


def test_response_headers_can_be_asked_for(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    got = s3.get_object(Bucket=bucket, Key="k", ResponseContentDisposition="attachment; filename=x")
    assert got["ContentDisposition"] == "attachment; filename=x"


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums_are_kept(s3: Any, bucket: str, algorithm: str) -> None:
    sum = ALGORITHMS[algorithm.lower()]()
    sum.update(b"sum")
    given = {f"Checksum{algorithm}": base64.b64encode(sum.digest()).decode()}
    s3.put_object(Bucket=bucket, Key="k", Body=b"sum", **given)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert {name: head[name] for name in given} == given


class TrailerAuth(S3SigV4Auth):  # type: ignore[misc]
    def payload(self, request: AWSRequest) -> str:
        return "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


@pytest.mark.parametrize(("wrong", "status"), [(False, 200), (True, 400)])
def test_a_checksum_after_the_body_is_held_against_it_and_kept(
    served: Served, s3: Any, bucket: str, wrong: bool, status: int
) -> None:
    data = os.urandom(200_000)
    sum = base64.b64encode(zlib.crc32(data + b"x" * wrong).to_bytes(4, "big")).decode()
    body = b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in (data[:70_000], data[70_000:]))
    body += f"0\r\nx-amz-checksum-crc32:{sum}\r\n\r\n".encode()
    headers = {
        "content-encoding": "aws-chunked",
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": str(len(data)),
        "x-amz-trailer": "x-amz-checksum-crc32",
    }
    asked = AWSRequest("PUT", f"{served.url}/{bucket}/k", headers=headers)
    key = KEYS["alice"]
    TrailerAuth(Credentials(key.access_key, key.secret_key), "s3", "us-east-1").add_auth(asked)
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(served.url).netloc, timeout=30)
    connection.request("PUT", f"/{bucket}/k", body, dict(asked.headers))
    answer = connection.getresponse()
    assert (answer.status, answer.read()[:7]) in [(status, b""), (status, b"<?xml v")]
    connection.close()
    if wrong:
        assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    else:
        head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        assert (head["ChecksumCRC32"], head.get("ContentEncoding")) == (sum, None)
        assert body_of(s3, bucket, "k") == data


def test_encodings_are_kept(s3: Any, bucket: str) -> None:
    packed = gzip.compress(b"x" * 100)
    s3.put_object(Bucket=bucket, Key="k", Body=packed, ContentEncoding="gzip")
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["ContentEncoding"] == "gzip"
    assert got["Body"].read() == packed


def test_attributes(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"12345")
    told = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectSize", "ETag"])
    assert told["ObjectSize"] == 5


def test_tags(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", Tagging="a=1&b=2")
    assert len(s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]) == 2
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "c", "Value": "3"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "c", "Value": "3"}]
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []


def test_sse_s3(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"hidden", ServerSideEncryption="AES256")
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["ServerSideEncryption"], got["Body"].read()) == ("AES256", b"hidden")


# Listings.


def test_listings_of_both_versions(s3: Any, bucket: str) -> None:
    keys = ["a/1", "a/2", "b/1", "c d", "ü+"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    assert [o["Key"] for page in pages for o in page["Contents"]] == keys
    told = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [p["Prefix"] for p in told["CommonPrefixes"]] == ["a/", "b/"]
    assert [o["Key"] for o in told["Contents"]] == ["c d", "ü+"]
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, StartAfter="b/1")["Contents"]] == keys[3:]
    assert [o["Key"] for o in s3.list_objects(Bucket=bucket, Prefix="a/")["Contents"]] == keys[:2]
    assert s3.list_objects(Bucket=bucket, Marker="b/1")["Contents"][0]["Key"] == "c d"
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix="nothing")


# Copies, batches, uploads in parts.


def test_copies(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="from a+b", Body=b"1", Metadata={"m": "1"})
    source = {"Bucket": bucket, "Key": "from a+b"}
    s3.copy_object(Bucket=bucket, Key="to", CopySource=source)
    assert s3.get_object(Bucket=bucket, Key="to")["Metadata"] == {"m": "1"}
    s3.copy_object(
        Bucket=bucket, Key="to", CopySource=source, Metadata={"m": "2"}, MetadataDirective="REPLACE"
    )
    assert s3.get_object(Bucket=bucket, Key="to")["Metadata"] == {"m": "2"}
    with pytest.raises(ClientError) as caught:
        s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "missing"})
    assert code_of(caught) == "NoSuchKey"


def test_a_batch_is_deleted_loudly_or_quietly(s3: Any, bucket: str) -> None:
    for key in "abc":
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    told = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "missing"}]})
    assert sorted(d["Key"] for d in told["Deleted"]) == ["a", "missing"]
    told = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "b"}], "Quiet": True})
    assert "Deleted" not in told
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["c"]


def test_an_upload_in_parts(served: Served, s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big", ContentType="text/plain")["UploadId"]
    named = {"Bucket": bucket, "Key": "big", "UploadId": upload}
    data = os.urandom(5 * 1024 * 1024)
    first = s3.upload_part(**named, PartNumber=1, Body=data)
    s3.put_object(Bucket=bucket, Key="source", Body=b"the end")
    source = {"Bucket": bucket, "Key": "source"}
    second = s3.upload_part_copy(**named, PartNumber=2, CopySource=source)["CopyPartResult"]
    assert [p["PartNumber"] for p in s3.list_parts(**named)["Parts"]] == [1, 2]
    assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload]
    parts = [{"PartNumber": n, "ETag": p["ETag"]} for n, p in enumerate((first, second), 1)]
    told = s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
    assert told["Location"] == f"{served.url}/{bucket}/big"
    assert told["ETag"].endswith('-2"')
    assert body_of(s3, bucket, "big") == data + b"the end"


def test_an_upload_that_is_given_up(s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
    s3.abort_multipart_upload(Bucket=bucket, Key="big", UploadId=upload)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    with pytest.raises(ClientError) as caught:
        s3.complete_multipart_upload(
            Bucket=bucket,
            Key="big",
            UploadId=upload,
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": "x"}]},
        )
    assert code_of(caught) == "NoSuchUpload"


def test_the_transfer_manager(s3: Any, bucket: str) -> None:
    data = os.urandom(20 * 1024 * 1024)
    s3.upload_fileobj(io.BytesIO(data), bucket, "big")
    back = io.BytesIO()
    s3.download_fileobj(bucket, "big", back)
    assert back.getvalue() == data


# Versions and what else a bucket can be told.


def test_versions_and_delete_markers(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"2")
    marker = s3.delete_object(Bucket=bucket, Key="k")
    assert marker["DeleteMarker"]
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="k")
    assert code_of(caught) == "NoSuchKey"
    assert body_of(s3, bucket, "k", VersionId=first) == b"1"
    told = s3.list_object_versions(Bucket=bucket)
    assert len(told["Versions"]) == 2
    assert [m["VersionId"] for m in told["DeleteMarkers"]] == [marker["VersionId"]]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    assert body_of(s3, bucket, "k") == b"2"


def test_cors_lifecycle_tags_and_encryption_are_kept(s3: Any, bucket: str) -> None:
    rule = {"AllowedMethods": ["PUT"], "AllowedOrigins": ["https://a.example"]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"][0]["AllowedMethods"] == ["PUT"]
    tags = {"TagSet": [{"Key": "a", "Value": "1"}]}
    s3.put_bucket_tagging(Bucket=bucket, Tagging=tags)
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags["TagSet"]
    expiry = {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 3}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [expiry]})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]["Expiration"]["Days"] == 3


def test_a_preflight_is_answered_by_the_bucket_s_rules(served: Served, s3: Any, bucket: str) -> None:
    rule = {"AllowedMethods": ["PUT"], "AllowedOrigins": ["https://a.example"]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    headers = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
    asked = urllib.request.Request(f"{served.url}/{bucket}/k", method="OPTIONS", headers=headers)
    with urllib.request.urlopen(asked) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("get_bucket_policy", "NoSuchBucketPolicy"),
        ("get_bucket_website", "NoSuchWebsiteConfiguration"),
        ("get_bucket_cors", "NoSuchCORSConfiguration"),
        ("get_bucket_tagging", "NoSuchTagSet"),
        ("get_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError"),
        ("get_bucket_replication", "ReplicationConfigurationNotFoundError"),
    ],
)
def test_what_a_bucket_was_not_told(s3: Any, bucket: str, operation: str, code: str) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(s3, operation)(Bucket=bucket)
    assert code_of(caught) == code


def test_access_control_lists_are_off(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", ACL="bucket-owner-full-control")
    grants = s3.get_bucket_acl(Bucket=bucket)["Grants"]
    assert [(g["Grantee"]["ID"], g["Permission"]) for g in grants] == [("111111111111", "FULL_CONTROL")]
    for call in calls(
        lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"1", ACL="public-read"),
        lambda: s3.put_bucket_acl(Bucket=bucket, ACL="public-read"),
        lambda: s3.create_bucket(Bucket=f"{bucket}-x", ACL="public-read"),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert code_of(caught) == "AccessControlListNotSupported"


def policy_of(**members: Any) -> str:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*", **members}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_bucket_has_a_policy(s3: Any, bucket: str) -> None:
    with pytest.raises(ClientError) as caught:
        s3.put_bucket_policy(Bucket=bucket, Policy='{"Version": "2012-10-17", "Statement": []}')
    assert code_of(caught) == "MalformedPolicy"
    document = policy_of()
    s3.put_bucket_policy(Bucket=bucket, Policy=document)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == document
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"] == {"IsPublic": True}
    s3.delete_bucket_policy(Bucket=bucket)
    with pytest.raises(ClientError) as caught:
        s3.get_bucket_policy(Bucket=bucket)
    assert code_of(caught) == "NoSuchBucketPolicy"


def test_a_policy_opens_a_bucket(served: Served, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="open/k", Body=b"1")
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    bob = served.client(KEYS["bob"])
    open_ones = f"arn:aws:s3:::{bucket}/open/*"
    s3.put_bucket_policy(
        Bucket=bucket, Policy=policy_of(Principal={"AWS": "222222222222"}, Action="s3:*", Resource=open_ones)
    )
    bob.put_object(Bucket=bucket, Key="open/b", Body=b"bob's")
    assert body_of(bob, bucket, "open/k") == b"1"
    for call in calls(
        lambda: bob.get_object(Bucket=bucket, Key="k"),
        lambda: bob.list_objects_v2(Bucket=bucket),
        lambda: bob.get_object(Bucket=bucket, Key="open/none"),  # who may not list learns of no absence
        lambda: bob.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "open/b"}, {"Key": "k"}]}),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert code_of(caught) == "AccessDenied"
    s3.put_bucket_policy(Bucket=bucket, Policy=policy_of(Resource=open_ones))
    with urllib.request.urlopen(f"{served.url}/{bucket}/open/k") as answer:
        assert answer.read() == b"1"
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{served.url}/{bucket}/k")
    bob.close()


def test_a_policy_closes_a_bucket_but_never_itself(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy_of(Effect="Deny", Action="s3:*"))
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="k")
    assert "with an explicit deny in a resource-based policy" in str(caught.value)
    s3.delete_bucket_policy(Bucket=bucket)
    assert body_of(s3, bucket, "k") == b"1"


def test_a_role_may_what_its_policies_allow(served: Served, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="in/k", Body=b"1")
    listing = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"}
    listing["Condition"] = {"StringLike": {"s3:prefix": "in/*"}}  # type: ignore[assignment]
    reading = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/in/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [listing, reading]})
    role = Role(
        account="111111111111",
        name=f"reader-{bucket}",
        role_id="AROA",
        trust_policy="{}",
        created_at=0.0,
        inline={"p": document},
    )
    served.run(served.bench.directory.roles.create(role))
    own = served.client(served.credentials.issue("111111111111", role.name, "i-1", 60))
    assert body_of(own, bucket, "in/k") == b"1"
    assert [o["Key"] for o in own.list_objects_v2(Bucket=bucket, Prefix="in/")["Contents"]] == ["in/k"]
    denied = {
        "PutObject": lambda: own.put_object(Bucket=bucket, Key="in/k", Body=b"2"),
        "GetObject": lambda: own.get_object(Bucket=bucket, Key="out"),
        "ListBucket": lambda: own.list_objects_v2(Bucket=bucket),
        "ListAllMyBuckets": own.list_buckets,
        "CreateBucket": lambda: own.create_bucket(Bucket=f"{bucket}-new"),
        "GetObjectTagging": lambda: own.get_object_tagging(Bucket=bucket, Key="in/k"),
        "DeleteObject": lambda: own.delete_object(Bucket=bucket, Key="in/k"),
        "AbortMultipartUpload": lambda: own.abort_multipart_upload(Bucket=bucket, Key="in/m", UploadId="1"),
        "PutBucketPolicy": lambda: own.put_bucket_policy(Bucket=bucket, Policy=document),
        "GetBucketNotification": lambda: own.get_bucket_notification_configuration(Bucket=bucket),
    }
    for action, call in denied.items():
        with pytest.raises(ClientError) as caught:
            call()
        assert code_of(caught) == "AccessDenied"
        assert f"because no identity-based policy allows the s3:{action} action" in str(caught.value)
    own.close()


# Without a client: presigned, by form, by hand.


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_addresses(served: Served, bucket: str, version: str) -> None:
    s3 = served.client(config={"signature_version": version})
    given = {"Bucket": bucket, "Key": "a b"}
    url = urllib.parse.urlsplit(s3.generate_presigned_url("put_object", Params=given))
    connection = http.client.HTTPConnection(url.netloc, timeout=30)
    connection.request("PUT", f"{url.path}?{url.query}", b"by hand")
    assert connection.getresponse().read() == b""
    connection.close()
    with urllib.request.urlopen(s3.generate_presigned_url("get_object", Params=given)) as answer:
        assert answer.read() == b"by hand"
    late = s3.generate_presigned_url("get_object", Params=given, ExpiresIn=-10)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(late)
    assert caught.value.code in (400, 403)
    caught.value.close()
    s3.close()


def send_form(address: str, fields: dict[str, str], data: bytes) -> tuple[int, dict[str, str], bytes]:
    boundary = "-----lambent"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="up.txt"\r\n'
        "Content-Type: text/plain\r\n\r\n"
    )
    body = "".join(parts).encode() + data + f"\r\n--{boundary}--\r\n".encode()
    url = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(url.netloc, timeout=30)
    connection.request("POST", url.path, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
    answer = connection.getresponse()
    told = (answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    connection.close()
    return told


def test_a_form_upload(served: Served, s3: Any, bucket: str) -> None:
    conditions = [["content-length-range", 3, 2_000_000], {"success_action_status": "201"}]
    post = s3.generate_presigned_post(bucket, "up/${filename}", {"success_action_status": "201"}, conditions)
    data = os.urandom(1_000_000)
    status, _, body = send_form(post["url"], post["fields"], data)
    assert (status, b"<Key>up/up.txt</Key>" in body) == (201, True), body
    assert body_of(s3, bucket, "up/up.txt") == data
    status, _, body = send_form(post["url"], post["fields"], b"xy")
    assert (status, b"EntityTooSmall" in body) == (400, True)
    status, _, body = send_form(post["url"], post["fields"], b"x" * 2_000_001)
    assert (status, b"EntityTooLarge" in body) == (400, True)
    status, _, body = send_form(post["url"], {**post["fields"], "key": "elsewhere"}, b"xyz")
    assert (status, b"AccessDenied" in body) == (403, True)
    assert body_of(s3, bucket, "up/up.txt") == data


def test_nothing_of_the_store_s_own_shows(served: Served, s3: Any, bucket: str) -> None:
    answers = [
        s3.put_object(Bucket=bucket, Key="k", Body=b"1"),
        s3.get_object(Bucket=bucket, Key="k"),
        s3.list_objects_v2(Bucket=bucket),
    ]
    for answer in answers:
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        assert not [name for name in headers if name.startswith("seaweed") or name == "server"]
        assert headers["x-amz-request-id"] == answer["ResponseMetadata"]["RequestId"]
        assert len(headers["x-amz-request-id"]) == 36


# Who may.


def test_a_bucket_is_its_owner_s_alone(served: Served, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"mine")
    bob = served.client(KEYS["bob"])
    with pytest.raises(ClientError) as caught:
        bob.create_bucket(Bucket=bucket)
    assert code_of(caught) == "BucketAlreadyExists"
    assert bucket not in [b["Name"] for b in bob.list_buckets()["Buckets"]]
    bob.create_bucket(Bucket=f"{bucket}-bob")
    for call in calls(
        lambda: bob.get_object(Bucket=bucket, Key="k"),
        lambda: bob.put_object(Bucket=bucket, Key="k", Body=b"2"),
        lambda: bob.list_objects_v2(Bucket=bucket),
        lambda: bob.delete_bucket(Bucket=bucket),
        lambda: bob.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}]}),
        lambda: bob.copy_object(Bucket=f"{bucket}-bob", Key="k", CopySource={"Bucket": bucket, "Key": "k"}),
        lambda: bob.get_bucket_notification_configuration(Bucket=bucket),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert code_of(caught) == "AccessDenied"
    assert body_of(s3, bucket, "k") == b"mine"
    bob.close()


def test_a_function_s_session_is_its_account_s(served: Served, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    own = served.client(served.credentials.issue("111111111111", "loader", "i-1", 60))
    assert body_of(own, bucket, "k") == b"1"
    foreign = served.client(served.credentials.issue("222222222222", "loader", "i-1", 60))
    with pytest.raises(ClientError) as caught:
        foreign.get_object(Bucket=bucket, Key="k")
    assert code_of(caught) == "AccessDenied"
    own.close()
    foreign.close()


def test_the_anonymous_get_nothing(served: Served, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    for path in ("/", f"/{bucket}", f"/{bucket}/k", "/missing-bucket/k"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(served.url + path)
        assert caught.value.code == 403
        assert b"<Code>AccessDenied</Code>" in caught.value.read()
        caught.value.close()


def test_an_expected_owner_is_held_against_the_bucket(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", ExpectedBucketOwner="111111111111")
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=bucket, Key="k", Body=b"1", ExpectedBucketOwner="222222222222")
    assert code_of(caught) == "AccessDenied"


@pytest.mark.parametrize("key", ["../{other}/k", "a/../../{other}/k", "./k"])
def test_a_key_cannot_lead_into_another_bucket(served: Served, s3: Any, bucket: str, key: str) -> None:
    bob = served.client(KEYS["bob"])
    bob.create_bucket(Bucket=f"{bucket}-bob")
    bob.put_object(Bucket=f"{bucket}-bob", Key="k", Body=b"secret")
    way = key.format(other=f"{bucket}-bob")
    for call in calls(
        lambda: s3.get_object(Bucket=bucket, Key=way),
        lambda: s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": way}]}),
        lambda: s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": way}),
        lambda: s3.list_parts(Bucket=bucket, Key="k", UploadId=way),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert code_of(caught) in ("InvalidArgument", "SignatureDoesNotMatch")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix=f"../{bucket}-bob/")
    assert body_of(bob, f"{bucket}-bob", "k") == b"secret"
    bob.close()


# Bodies that are not what they say.


def test_a_body_with_a_wrong_checksum_is_never_stored(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    wrong = [
        {"ContentMD5": "1B2M2Y8AsgTpgAmY7PhCfg=="},
        {"ChecksumSHA256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
        {"ChecksumCRC32": "AAAAAA=="},
    ]
    for given in wrong:
        for size in (3, 3_000_000):
            with pytest.raises(ClientError) as caught:
                s3.put_object(Bucket=bucket, Key="k", Body=b"n" * size, **given)
            assert code_of(caught) in ("BadDigest", "InvalidDigest", "InvalidRequest")
    assert body_of(s3, bucket, "k") == b"old"


def test_a_body_that_is_not_what_was_signed_is_never_stored(served: Served, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")

    def change(request: Any, **_: Any) -> None:
        request.body = b"NEW"

    client = served.client(config={"request_checksum_calculation": "when_required"})
    client.meta.events.register("before-send.s3.PutObject", change)
    with pytest.raises(ClientError) as caught:
        client.put_object(Bucket=bucket, Key="k", Body=b"new")
    assert code_of(caught) == "XAmzContentSHA256Mismatch"
    assert body_of(s3, bucket, "k") == b"old"
    client.close()


def test_a_client_that_hangs_up_in_the_middle_leaves_the_old_object(
    served: Served, s3: Any, bucket: str
) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    address = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    url = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(url.netloc, timeout=30)
    connection.putrequest("PUT", f"{url.path}?{url.query}")
    connection.putheader("Content-Length", str(8_000_000))
    connection.endheaders()
    connection.send(b"n" * 6_000_000)
    connection.close()
    s3.put_object(Bucket=bucket, Key="other", Body=b"the store goes on")
    assert body_of(s3, bucket, "k") == b"old"


def test_a_bucket_costs_little(s3: Any, bucket: str) -> None:
    """Left to itself SeaweedFS has no room for the hundredth one."""
    names = [f"{bucket}-{number}" for number in range(150)]
    for name in names:
        s3.create_bucket(Bucket=name)
        s3.put_object(Bucket=name, Key="k", Body=b"x")
    for name in names:
        s3.delete_object(Bucket=name, Key="k")
        s3.delete_bucket(Bucket=name)
