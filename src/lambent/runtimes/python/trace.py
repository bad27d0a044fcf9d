"""The trace of the invocation that runs, as the environment has it: for Python code, for other code in the
process, and for programs that it starts.

The C library's setenv keeps every value that it was ever given, and looks for each new one among them: an
instance would grow with every call, and be slower. So the variable lies in memory of ours, which changes.
"""

from __future__ import annotations

import os
from typing import Any, Optional

NAME = "_X_AMZN_TRACE_ID"
TEXT_BYTES = 4096  # a longer one goes the C library's way

_key = NAME.encode()
_start = len(_key) + 1
_shown: Any = getattr(os.environ, "_data", None)  # what `os.environ` tells
try:
    import ctypes

    _text: Any = ctypes.create_string_buffer(_key + b"=", TEXT_BYTES)  # the environment will point to it
    _put: Any = ctypes.PyDLL(None).putenv
except (ImportError, OSError, AttributeError):  # a Python that was built without it
    _shown = None


def show(trace: Optional[str]) -> None:
    """None is for an invocation without one."""
    if not trace:
        os.environ.pop(NAME, None)
        return
    value = os.fsencode(trace)
    end = _start + len(value)
    if _shown is None or end >= TEXT_BYTES:
        os.environ[NAME] = trace
        return
    _text[_start : end + 1] = value + b"\0"
    _shown[_key] = value
    _put(_text)  # a handler may have set or unset it
