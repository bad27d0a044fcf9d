"""The data folder belongs to one node at a time."""

import os
import threading
from pathlib import Path

import pytest

from lambent import folder
from lambent.folder import CannotStart, DataFolder


def test_a_folder_in_use_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "LOCK_WAIT_S", 0.1)
    first = DataFolder.take(tmp_path / "data")
    with pytest.raises(CannotStart, match=r"a node runs on .* already.*--data"):
        DataFolder.take(tmp_path / "data")
    os.close(first.lock)
    os.close(DataFolder.take(tmp_path / "data").lock)


def test_a_node_that_is_ending_is_waited_for(tmp_path: Path) -> None:
    first = DataFolder.take(tmp_path / "data")
    end = threading.Timer(0.2, os.close, [first.lock])
    end.start()
    os.close(DataFolder.take(tmp_path / "data").lock)
    end.join()
