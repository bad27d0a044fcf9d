"""The MD5 sums that SQS gives with every message and that its clients compare."""

import base64
import hashlib
from collections.abc import Iterable

from lambent.model.queue import MessageAttribute


def md5_of_body(body: str) -> str:
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()


def md5_of_attributes(attributes: Iterable[MessageAttribute]) -> str:
    """By name, each with its type and a byte for the kind of its value; every part behind its length."""
    digest = hashlib.md5(usedforsecurity=False)
    for attribute in sorted(attributes, key=lambda one: one.name):
        for part in (attribute.name, attribute.type):
            digest.update(_measured(part.encode()))
        if attribute.text is not None:
            digest.update(b"\x01" + _measured(attribute.text.encode()))
        else:
            digest.update(b"\x02" + _measured(base64.b64decode(attribute.data or "")))
    return digest.hexdigest()


def _measured(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
