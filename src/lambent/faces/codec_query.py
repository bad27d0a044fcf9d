"""The query protocol: a form goes in, XML comes out."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from lambent.faces.codec_scalars import from_text
from lambent.faces.codec_xml import document, fill
from lambent.faces.errors import ServiceError
from lambent.faces.http import Request, Response

XML_TYPE = ("Content-Type", "text/xml")
FORM_FIELDS = 10_000
FORM_DEPTH = 32

# A form as a tree: `Tags.member.1=a` is {"Tags": {"member": {"1": {"": "a"}}}}; "" holds a node's own text.
_Tree = dict[str, Any]


class Query:
    """Reads and writes the messages of one query service."""

    invalid_code = "ValidationError"
    missing_code = "NotImplemented"

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._namespace = model.metadata["xmlNamespace"]

    def match(self, request: Request, body: bytes) -> tuple[OperationModel, Mapping[str, str]]:
        values = read_form(request, body)
        name = values.get("Action", "")
        if name not in self._model.operation_names:
            text = f"The action {name} is not valid for this web service."
            raise ServiceError("InvalidAction", text, 400)
        return self._model.operation_model(name), values

    def read(
        self, operation: OperationModel, labels: Mapping[str, str], request: Request, body: bytes
    ) -> dict[str, Any]:
        shape = operation.input_shape
        found: dict[str, Any] = {} if shape is None else _from_tree(shape, _grow(labels))
        return found

    def write(self, operation: OperationModel, output: dict[str, Any], request_id: str) -> Response:
        root = ET.Element(f"{operation.name}Response", {"xmlns": self._namespace})
        shape = operation.output_shape
        if shape is not None:
            wrapper = shape.serialization.get("resultWrapper")
            fill(ET.SubElement(root, wrapper) if wrapper else root, shape, output)
        ET.SubElement(ET.SubElement(root, "ResponseMetadata"), "RequestId").text = request_id
        return Response(200, [XML_TYPE], document(root))

    def write_error(self, error: ServiceError, shape: StructureShape | None, request_id: str) -> Response:
        root = ET.Element("ErrorResponse", {"xmlns": self._namespace})
        item = ET.SubElement(root, "Error")
        ET.SubElement(item, "Type").text = "Sender" if error.status < 500 else "Receiver"
        ET.SubElement(item, "Code").text = error.code
        ET.SubElement(item, "Message").text = error.message
        ET.SubElement(root, "RequestId").text = request_id
        return Response(error.status, [XML_TYPE], document(root))


def read_form(request: Request, body: bytes) -> dict[str, str]:
    """The form in the query and the body. Raises `ServiceError`."""
    try:
        text = body.decode()
        return dict(
            parse_qsl(request.query, keep_blank_values=True, max_num_fields=FORM_FIELDS)
            + parse_qsl(text, keep_blank_values=True, max_num_fields=FORM_FIELDS)
        )
    except ValueError:
        raise ServiceError("MalformedQueryString", "The form is not valid, or too long.", 400) from None


def _grow(values: Mapping[str, str]) -> _Tree:
    tree: _Tree = {}
    for name, value in values.items():
        node = tree
        for part in name.split(".", FORM_DEPTH):
            node = node.setdefault(part, {})
        node[""] = value
    return tree


def _from_tree(shape: Shape, node: _Tree) -> Any:
    if isinstance(shape, StructureShape):
        found = {}
        for name, member in shape.members.items():
            child = node.get(member.serialization.get("name", name))
            if child is not None:
                found[name] = _from_tree(member, child)
        return found
    if isinstance(shape, ListShape):
        if not shape.serialization.get("flattened"):
            node = node.get(shape.member.serialization.get("name", "member"), {})
        return [_from_tree(shape.member, child) for child in _numbered(node)]
    if isinstance(shape, MapShape):
        if not shape.serialization.get("flattened"):
            node = node.get("entry", {})
        key, value = (s.serialization.get("name", n) for s, n in ((shape.key, "key"), (shape.value, "value")))
        return {
            c[key][""]: _from_tree(shape.value, c[value]) for c in _numbered(node) if key in c and value in c
        }
    return from_text(shape, node.get("", ""))


def _entry(shape: MapShape, node: _Tree) -> tuple[str, Any]:
    key = node.get(shape.key.serialization.get("name", "key"), {})
    value = node.get(shape.value.serialization.get("name", "value"), {})
    return key.get("", ""), _from_tree(shape.value, value)


def _numbered(node: _Tree) -> list[_Tree]:
    keys = sorted((key for key in node if key.isascii() and key.isdigit()), key=int)
    return [node[key] for key in keys]
