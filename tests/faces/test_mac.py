"""The kept HMAC is the HMAC."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambent.faces.mac import Mac, mac


@given(st.binary(max_size=64), st.binary(max_size=300), st.binary(max_size=300))
def test_it_is_what_hmac_gives_however_often_it_is_asked(key: bytes, first: bytes, second: bytes) -> None:
    kept = mac(key)
    for data in (first, second, first):
        assert kept.hex(data) == hmac.digest(key, data, "sha256").hex()


def test_a_key_beyond_a_block_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than a block"):
        Mac(b"x" * 65)
