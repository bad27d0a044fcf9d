"""The documents of DeleteObjects: never quiet towards the store, quiet towards a client that wants it."""

from dataclasses import dataclass

from lambent.objects import xml
from lambent.objects.errors import malformed_xml
from lambent.objects.names import check_key
from lambent.objects.xml import around, tag

KEYS = 1000


@dataclass(frozen=True, slots=True)
class Batch:
    """Keys to delete, each with the version that is meant ("" for none), and the request without Quiet."""

    entries: tuple[tuple[str, str], ...]
    quiet: bool
    body: bytes


def read(data: bytes) -> Batch:
    """Raises MalformedXML."""
    root = xml.parse(data)
    objects = root.findall("Object")
    if root.tag != "Delete" or not 0 < len(objects) <= KEYS:
        raise malformed_xml()
    entries = []
    for element in objects:
        key = xml.text_of(element, "Key")
        if not key:
            raise malformed_xml()
        check_key(key)
        entries.append((key, xml.text_of(element, "VersionId")))
    parts = [around("Object", [tag(child.tag, child.text or "") for child in element]) for element in objects]
    quiet = xml.text_of(root, "Quiet").lower() == "true"
    return Batch(tuple(dict.fromkeys(entries)), quiet, xml.document("Delete", parts))


def hushed(answer: bytes) -> bytes:
    """The answer as a quiet request gets it: only what failed."""
    errors = [
        around("Error", [tag(child.tag, child.text or "") for child in element])
        for element in xml.parse(answer).findall("Error")
    ]
    return xml.document("DeleteResult", errors)
