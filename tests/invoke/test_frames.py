"""Frames come out as they went in, however the stream was cut."""

import itertools
from collections.abc import Iterator

import pytest

from lambent.invoke.frames import HEADER, META_BYTES, PAYLOAD_BYTES, BadFrame, Decoder, Frame, Kind, encode

FRAMES = [
    Frame(Kind.READY, b"", b""),
    Frame(Kind.ANSWER, b'{"id":"1"}', b"payload"),
    Frame(Kind.PIECE, b"", bytes(range(256)) * 40),
    Frame(Kind.ERROR, b"{" + b" " * 300 + b"}", b""),
    Frame(Kind.ANSWER, b'{"id":"2"}', b""),
]
STREAM = b"".join(encode(Kind(f.kind), f.meta, len(f.payload), f.payload) for f in FRAMES)


def parts(size: int) -> Iterator[memoryview]:
    view = memoryview(STREAM)
    return (view[start : start + size] for start in range(0, len(view), size))


@pytest.mark.parametrize("size", [1, 2, 8, 9, 10, 17, 100, 4096, len(STREAM)])
def test_frames_in_reads_of_any_size(size: int) -> None:
    decoder = Decoder()
    assert [frame for part in parts(size) for frame in decoder.feed(part)] == FRAMES


def test_each_frame_is_there_with_its_last_byte() -> None:
    decoder, came = Decoder(), []
    for frame in FRAMES:
        data = encode(Kind(frame.kind), frame.meta, len(frame.payload), frame.payload)
        came += [list(decoder.feed(data[:5])), list(decoder.feed(data[5:]))]
    assert came == [given for frame in FRAMES for given in ([], [frame])]


@pytest.mark.parametrize("size", [1, 1000])
def test_lengths_over_the_limits_are_refused_before_anything_is_kept(size: int) -> None:
    for meta, payload in ((META_BYTES + 1, 0), (0, PAYLOAD_BYTES + 1)):
        data, decoder = HEADER.pack(Kind.ANSWER, meta, payload), Decoder()
        reads = [data[start : start + size] for start in range(0, len(data), size)]
        with pytest.raises(BadFrame, match="over the limit"):
            list(itertools.chain.from_iterable(decoder.feed(read) for read in reads))
