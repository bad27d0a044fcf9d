"""Compression of what records keep."""

import zlib

LEVEL = 1
# As good as zlib's own choice for bodies of this kind. That one takes so much memory that the kernel gives it
# anew each time, which costs four times as long as a short body's compression.
WINDOW_BITS, MEMORY_LEVEL = 13, 6


def compress(data: bytes) -> bytes:
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOW_BITS, MEMORY_LEVEL)
    return packer.compress(data) + packer.flush()
