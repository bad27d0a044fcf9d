"""A module that is imported when it is first used, so that `--help` need not wait for it."""

import importlib
from typing import Any


class Lazy:
    """Stands in for a module that takes a while to import."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self._name), name)
