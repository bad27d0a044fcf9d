"""Manifests: the files in S3 that list what a COPY loads."""

from dataclasses import dataclass

import orjson

from lambent.model.errors import InvalidContent


@dataclass(frozen=True, slots=True)
class Source:
    """An object to load."""

    bucket: str
    key: str

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def read_manifest(data: bytes) -> list[tuple[Source, bool]]:
    """The objects in their order, and for each whether it must exist. Raises `InvalidContent`."""
    try:
        entries = orjson.loads(data)["entries"]
        return [(_source(entry["url"]), entry.get("mandatory") is True) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        form = '{"entries": [{"url": "s3://bucket/key", "mandatory": true}, …]}'
        raise InvalidContent(f"the manifest is not of the form {form}: {error}") from None


def _source(url: str) -> Source:
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket or not key:
        raise ValueError(f"{url!r} is no full path of an object (s3://bucket/key)")
    return Source(bucket, key)
