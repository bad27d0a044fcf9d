"""What Lambda's model demands of an invocation: looked at only once a call cannot be."""

from functools import cache

from lambent.faces.codec import load_model
from lambent.faces.codec_check import Checker
from lambent.faces.codec_rest import RestJson
from lambent.faces.errors import ServiceError
from lambent.faces.http import Request


def violations(request: Request) -> ServiceError | None:
    """Every constraint that the path, the query and the headers of an invocation break, or None."""
    wire, checker = _parts()
    try:
        operation, labels = wire.match(request, b"")
        assert operation.input_shape is not None
        checker.check(operation.input_shape, wire.read(operation, labels, request, b""))
    except ServiceError as error:
        return error
    return None


@cache
def _parts() -> tuple[RestJson, Checker]:
    return RestJson(load_model("lambda")), Checker("lambda", RestJson.invalid_code)
