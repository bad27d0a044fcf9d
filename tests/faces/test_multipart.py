import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambent.faces.multipart import FIELD_BYTES, Form
from lambent.objects.errors import S3Error

TYPE = "multipart/form-data; boundary=xyz"


def part(name: str, value: bytes, more: str = "") -> bytes:
    head = f'--xyz\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + value + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--xyz--\r\n"


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def read(data: bytes, size: int = 1000, content_type: str = TYPE) -> tuple[Form, bytes]:
    told = Form(content_type, pieces(data, size))
    await told.read_fields()
    return told, b"".join([piece async for piece in told])


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_fields_then_a_file(size: int) -> None:
    data = form(
        part("Key", b"a/b"),
        part("acl", b""),
        part("file", b"\r\n--xy\r\n--xyy\r\n", '; filename="C:\\x\\up.txt"'),
        part("after", b"ignored"),
    )
    told, file = await read(data, size)
    assert told.fields == {"key": "a/b", "acl": ""}
    assert told.filename == "up.txt"
    assert file == b"\r\n--xy\r\n--xyy\r\n"


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes_come_through_in_any_pieces(content: bytes, size: int) -> None:
    if b"\r\n--xyz" in content:
        return
    data = form(part("key", b"k"), part("file", content))
    assert asyncio.run(read(data, size))[1] == content


async def test_a_quoted_boundary() -> None:
    data = form(part("file", b"1"))
    assert (await read(data, content_type='multipart/form-data; boundary="xyz"'))[1] == b"1"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        form(),
        form(part("key", b"k")),
        form(part("", b"k"), part("file", b"1")),
        part("file", b"cut off"),
        b"--xyz\r\nContent-Type: text/plain\r\n\r\nx\r\n--xyz--\r\n",
    ],
)
async def test_what_is_no_form_with_a_file(data: bytes) -> None:
    with pytest.raises(S3Error) as caught:
        await read(data)
    assert caught.value.code == "MalformedPOSTRequest"


async def test_a_form_without_a_boundary() -> None:
    with pytest.raises(S3Error) as caught:
        await read(form(part("file", b"1")), content_type="multipart/form-data")
    assert caught.value.code == "MalformedPOSTRequest"


@pytest.mark.parametrize(
    "data",
    [
        form(part("a", b"x" * (FIELD_BYTES + 1)), part("file", b"1")),
        form(part("a", b"x" * 15_000), part("b", b"x" * 15_000), part("file", b"1")),
        b"x" * 1_000_000,
    ],
)
async def test_fields_are_bounded(data: bytes) -> None:
    with pytest.raises(S3Error) as caught:
        await read(data)
    assert caught.value.code == "MaxPostPreDataLengthExceeded"
