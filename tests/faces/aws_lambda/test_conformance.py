"""Every operation of Lambda's model: the least valid call, each member missing, each bound exceeded."""

import asyncio
import json
from random import Random
from typing import Any

import orjson
import pytest
from botocore.model import OperationModel
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.faces.aws_lambda.bench import ACCOUNT, Bench, Client, codec
from tests.faces.aws_lambda.samples import hostile, least, put, violations
from tests.faces.test_codec_roundtrip import parsed, request_of

from lambent.faces.aws_invoke_stream import InvokeStreamFace
from lambent.faces.aws_lambda import LambdaFace
from lambent.faces.aws_lambda_operations import PAST_THE_CODEC
from lambent.faces.http import Request, Response, WholeBody
from lambent.faces.verified import Verified
from lambent.model.identity import Principal, PrincipalKind

ROOT = Verified(Principal(PrincipalKind.ROOT, ACCOUNT), "us-east-1", "lambda", "AKIAROOT")
OPERATIONS = list(codec().model.operation_names)
SERVED = [name for name in OPERATIONS if codec().operations(LambdaFace)[name] or name in PAST_THE_CODEC]
# Codes that AWS answers with although the model does not have them with the operation.
COMMON = {"ValidationException", "AccessDeniedException", "InvalidParameterValueException"}
COMMON |= {"ResourceNotFoundException", "ResourceConflictException", "SerializationException"}


def operation_of(name: str) -> OperationModel:
    return codec().model.operation_model(name)


async def ask(bench: Bench, operation: OperationModel, given: dict[str, Any]) -> tuple[int, str, Any]:
    """Status, error code and body of an answer, or what botocore reads from it when it is none."""
    request, _ = request_of(operation, given)
    response = await serve(bench, operation.name, request)
    code = dict(response.headers).get("x-amzn-ErrorType", "")
    if not code:
        read = operation.output_shape and isinstance(response.body, bytes)
        return response.status, "", parsed(operation, response) if read else {}
    assert isinstance(response.body, bytes)
    return response.status, code, orjson.loads(response.body)


async def serve(bench: Bench, name: str, request: Request) -> Response:
    if name not in PAST_THE_CODEC:
        return await codec().serve(request, ROOT, bench.face)
    face = bench.invoke if name == "Invoke" else InvokeStreamFace(bench.echo, bench.invoke)
    return await face.invoke(request, ROOT.principal, ROOT.region)


@pytest.mark.parametrize("name", OPERATIONS)
async def test_the_least_call(bench: Bench, client: Client, name: str) -> None:
    operation = operation_of(name)
    await client.create("f", Publish=True)
    given = least(operation.input_shape) if operation.input_shape else {}
    status, code, answer = await ask(bench, operation, given)
    if name in LambdaFace.refused or name not in SERVED:
        assert (status, code) == (501, "NotImplementedException")
    elif code:
        modelled = {shape.name for shape in operation.error_shapes}
        assert code in modelled | COMMON
        assert code != "ValidationException", answer
        assert 400 <= status < 500
        assert any(answer.get(key) for key in ("message", "Message"))
    else:
        assert status == operation.http.get("responseCode", 200) or name == "DeleteFunction"


@pytest.mark.parametrize("name", SERVED)
async def test_each_required_member_missing(bench: Bench, name: str) -> None:
    operation = operation_of(name)
    shape = operation.input_shape
    for member in shape.required_members if shape else ():
        if shape.members[member].serialization.get("location") == "uri":
            continue
        given = {key: value for key, value in least(shape).items() if key != member}
        status, code, answer = await ask(bench, operation, given)
        if shape.members[member].type_name == "blob":  # the body of InvokeAsync is whatever comes
            continue
        where = member[0].lower() + member[1:]
        expected = f"Value null at '{where}' failed to satisfy constraint: Member must not be null"
        assert (status, code) == (400, "ValidationException"), (member, answer)
        assert list(answer) == ["message"]
        assert expected in answer["message"]


@pytest.mark.parametrize("name", SERVED)
async def test_each_bound_exceeded(bench: Bench, name: str) -> None:
    operation = operation_of(name)
    if operation.input_shape is None:
        return
    for broken in violations(operation.input_shape):
        if broken.place == "runtime":  # the service tells of it in words of its own
            continue
        given = put(least(operation.input_shape), operation.input_shape, broken.path, broken.value)
        status, code, answer = await ask(bench, operation, given)
        assert (status, code) == (400, "ValidationException"), (broken, answer)
        assert f" at '{broken.place}' failed to satisfy constraint: " in answer["message"]
        assert broken.text in answer["message"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def encode(value: object) -> bytes:
    """With numbers of any size, and text of any kind."""
    return json.dumps(value, ensure_ascii=False).encode()


def fuzzed(operation: OperationModel) -> st.SearchStrategy[bytes]:
    """Bodies that are nearly right: members of the operation with any values."""
    names = sorted(operation.input_shape.members) if operation.input_shape else []
    return st.dictionaries(st.sampled_from([*names, "x"]), JSON).map(encode) | st.binary(max_size=64)


QUICK = settings(max_examples=12, deadline=None)
WAIT_S = 30
PATHS = st.lists(
    st.sampled_from(
        ["2015-03-31", "functions", "f", "2018-10-31", "layers", "versions", "%2F", "%", "..", ""]
    )
    | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=9),
    max_size=7,
).map("/".join)


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVED)
async def test_no_body_makes_a_500(bench: Bench, name: str) -> None:
    operation = operation_of(name)
    request, _ = request_of(operation, least(operation.input_shape) if operation.input_shape else {})
    loop = asyncio.get_running_loop()

    @QUICK
    @given(fuzzed(operation))
    def check(body: bytes) -> None:
        made = Request(request.method, request.path, request.query, dict(request.headers), WholeBody(body))
        answer = asyncio.run_coroutine_threadsafe(serve(bench, name, made), loop)
        assert answer.result(WAIT_S).status < 500

    await asyncio.to_thread(check)


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVED)
async def test_no_value_makes_a_500(bench: Bench, client: Client, name: str) -> None:
    operation, draw = operation_of(name), Random(name)
    await client.create("f", Publish=True)
    for _ in range(150 if operation.input_shape else 0):
        given = hostile(operation.input_shape, draw)
        try:
            request, _ = request_of(operation, given)
        except UnicodeError:  # no client can send it
            continue
        answer = await serve(bench, name, request)
        assert answer.status < 500, (given, answer)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["GET", "PUT", "POST", "DELETE", "X"]), PATHS, st.text(max_size=20))
def test_no_path_confuses_the_router(method: str, path: str, query: str) -> None:
    made = Request(method, f"/{path}", query, {}, WholeBody(b""))
    assert codec().knows(made) in (True, False)
