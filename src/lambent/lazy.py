"""A module that is imported when it is first used, so that what starts need not wait for it."""

import importlib
from typing import Any


class Lazy:
    """Stands in for a module that takes a while to import."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        found = getattr(importlib.import_module(self._name), name)
        setattr(self, name, found)
        return found
