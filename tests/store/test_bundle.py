"""What a bundle shows from outside."""

from pathlib import Path

import pytest

from lambent.store.bundle import READ_BYTES, look_into


def test_words_of_import_statements_are_found_wherever_they_stand(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "handler.py").write_text(
        "import os, boto3 as aws\n# import requests\nprint('urllib3')\n"
        "def late():\n    from psycopg.rows import dict_row\n"
    )
    (tmp_path / "inner" / "part.py").write_text("import numpy\n")
    imports = look_into(tmp_path).imports
    assert imports is not None
    assert {"os", "boto3", "psycopg", "numpy"} <= imports
    assert not {"requests", "urllib3"} & imports


@pytest.mark.parametrize("name", ["fast.so", "hidden.pyc"])
def test_what_cannot_be_read_is_not_guessed(tmp_path: Path, name: str) -> None:
    (tmp_path / "handler.py").write_text("import os\n")
    (tmp_path / name).write_bytes(b"\0")
    assert look_into(tmp_path).imports is None


def test_a_large_bundle_is_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / "first.py").write_bytes(b"#" * (READ_BYTES // 2))
    (tmp_path / "second.py").write_bytes(b"#" * (READ_BYTES // 2))
    assert look_into(tmp_path).imports == frozenset()
    (tmp_path / "third.py").write_bytes(b"#")
    assert look_into(tmp_path).imports is None
