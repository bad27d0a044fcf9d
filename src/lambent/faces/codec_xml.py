"""Values of a service model to and from XML, as the query and rest-xml protocols write them."""

import xml.etree.ElementTree as ET
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from lambent.faces.codec_json import wire_name
from lambent.faces.codec_scalars import from_text, to_text
from lambent.faces.errors import ServiceError

XSI = "http://www.w3.org/2001/XMLSchema-instance"
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'

ET.register_namespace("xsi", XSI)


def parse_xml(shape: Shape, data: bytes) -> Any:
    """The value of a document whose root is `shape`. Raises `ServiceError`: MalformedXML."""
    try:
        if b"<!DOCTYPE" in data:
            raise ValueError
        return _parse(shape, ET.fromstring(data))
    except (ET.ParseError, ValueError, LookupError, ServiceError):
        text = "The XML you provided was not well-formed or did not validate against our published schema"
        raise ServiceError("MalformedXML", text, 400) from None


def render_xml(shape: Shape, value: Any, root: str = "", namespace: str = "") -> bytes:
    """A whole document. The root is named by the model unless told, as is its namespace."""
    element = ET.Element(root or shape.serialization.get("name", shape.name))
    namespace = namespace or shape.serialization.get("xmlNamespace", {}).get("uri", "")
    if namespace:
        element.set("xmlns", namespace)
    fill(element, shape, value)
    return document(element)


def document(element: ET.Element) -> bytes:
    text: bytes = ET.tostring(element, encoding="utf-8")
    return DECLARATION + text


def fill(element: ET.Element, shape: Shape, value: Any) -> None:
    """Write a value into its element."""
    if isinstance(shape, StructureShape):
        for name, item in value.items():
            if item is not None:
                _add_member(element, shape.members[name], name, item)
    elif isinstance(shape, ListShape):
        for item in value:
            fill(ET.SubElement(element, shape.member.serialization.get("name", "member")), shape.member, item)
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            _add_entry(ET.SubElement(element, "entry"), shape, key, item)
    else:
        element.text = to_text(shape, value, "iso8601")


def _add_member(element: ET.Element, shape: Shape, member: str, value: Any) -> None:
    name = wire_name(shape, member)
    if shape.serialization.get("xmlAttribute"):
        element.set(f"{{{XSI}}}{name.partition(':')[2]}" if name.startswith("xsi:") else name, str(value))
    elif shape.serialization.get("flattened") and isinstance(shape, ListShape):
        for item in value:
            fill(ET.SubElement(element, _flat_name(shape, name)), shape.member, item)
    elif shape.serialization.get("flattened") and isinstance(shape, MapShape):
        for key, item in value.items():
            _add_entry(ET.SubElement(element, name), shape, key, item)
    else:
        child = ET.SubElement(element, name)
        if (namespace := shape.serialization.get("xmlNamespace")) and "prefix" not in namespace:
            child.set("xmlns", namespace["uri"])
        fill(child, shape, value)


def _add_entry(entry: ET.Element, shape: MapShape, key: str, value: Any) -> None:
    fill(ET.SubElement(entry, shape.key.serialization.get("name", "key")), shape.key, key)
    fill(ET.SubElement(entry, shape.value.serialization.get("name", "value")), shape.value, value)


def _flat_name(shape: ListShape, name: str) -> str:
    """A flattened list's elements bear the list's name, or that of its member where the model gives one."""
    found: str = shape.member.serialization.get("name", name)
    return found


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _parse(shape: Shape, element: ET.Element) -> Any:
    if isinstance(shape, StructureShape):
        return _parse_structure(shape, element)
    if isinstance(shape, ListShape):
        return [_parse(shape.member, child) for child in element]
    if isinstance(shape, MapShape):
        return dict(_parse_entry(shape, child) for child in element)
    return from_text(shape, element.text or "")


def _parse_structure(shape: StructureShape, element: ET.Element) -> dict[str, Any]:
    children: dict[str, list[ET.Element]] = {}
    for child in element:
        children.setdefault(_local(child.tag), []).append(child)
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        wire = wire_name(member, name)
        flat = member.serialization.get("flattened")
        if member.serialization.get("xmlAttribute"):
            value = element.get(wire) or element.get(f"{{{XSI}}}{wire.partition(':')[2]}")
            if value is not None:
                found[name] = value
        elif flat and isinstance(member, ListShape):
            if items := children.get(_flat_name(member, wire)):
                found[name] = [_parse(member.member, item) for item in items]
        elif wire in children:
            if flat and isinstance(member, MapShape):
                found[name] = dict(_parse_entry(member, item) for item in children[wire])
            else:
                found[name] = _parse(member, children[wire][0])
    return found


def _parse_entry(shape: MapShape, entry: ET.Element) -> tuple[str, Any]:
    parts = {_local(child.tag): child for child in entry}
    key = parts[shape.key.serialization.get("name", "key")]
    value = parts[shape.value.serialization.get("name", "value")]
    return key.text or "", _parse(shape.value, value)
