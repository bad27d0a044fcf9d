"""S3's XML: read from anyone, written by us."""

from collections.abc import Iterable
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from lambent.objects.errors import malformed_xml

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
Element = ElementTree.Element


class _NoEntities(ElementTree.TreeBuilder):
    """S3 documents have no document type, so entities cannot be declared and cannot grow."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ElementTree.ParseError(f"a document type {name} is not allowed")


def parse(data: bytes) -> Element:
    """The root element, names without their namespace. Raises MalformedXML."""
    try:
        parser = ElementTree.XMLParser(target=_NoEntities(), encoding="utf-8")
        parser.feed(data)
        root: Element = parser.close()
    except (ElementTree.ParseError, ValueError):
        raise malformed_xml() from None
    for element in root.iter():
        element.tag = str(element.tag).rpartition("}")[2]
    return root


def text_of(element: Element, name: str) -> str:
    """The text of a child, "" when it is not there."""
    return element.findtext(name) or ""


def tag(name: str, content: object) -> str:
    """An element around text."""
    return f"<{name}>{escape(str(content))}</{name}>"


def around(name: str, parts: Iterable[str]) -> str:
    """An element around elements."""
    return f"<{name}>{''.join(parts)}</{name}>"


def document(name: str, parts: Iterable[str]) -> bytes:
    return f'{HEAD}<{name} xmlns="{NAMESPACE}">{"".join(parts)}</{name}>'.encode()


def error(code: str, message: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """S3's error document; unlike all others it has no namespace."""
    parts = [tag("Code", code), tag("Message", message), *(tag(k, v) for k, v in fields)]
    return f"{HEAD}<Error>{''.join(parts)}</Error>".encode()
