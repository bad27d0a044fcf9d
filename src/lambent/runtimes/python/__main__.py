"""One process without a zygote: `python -I -S runtimes/python [CONTROL_FD LIBRARIES [LAYER...]]`.

Without arguments it is a program among others, and speaks the Runtime API.
"""

import importlib
import os
import sys
import types
from typing import Any

NAME = "_lambent"


def load(folder: str) -> Any:
    """Import the bootstrap of the package in `folder` under our private name, leaving sys.path alone."""
    package = types.ModuleType(NAME)
    package.__path__ = [folder]
    sys.modules[NAME] = package
    return importlib.import_module(NAME + ".bootstrap")


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path = [p for p in sys.path if p and os.path.abspath(p) != here]
    bootstrap = load(here)
    if len(sys.argv) == 1:
        bootstrap.main(None)
    bootstrap.main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
