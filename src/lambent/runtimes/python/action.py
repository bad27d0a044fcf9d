"""OpenWhisk's contract with a Python action, where Lambda has a handler: a dictionary in, a dictionary out.

Getting `handler` from here loads the action; what is the same for all is made on import, in a zygote.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import traceback
import types
from typing import Any, Callable, Dict

from .errors import Fault

SOURCE, MODULE = "__main__.py", "main__"
EXECUTABLE = "exec"
ACTIVATE = os.path.join("virtualenv", "bin", "activate_this.py")
MARK = b"\x1e"  # begins a line of standard error, so that the log tells the two streams apart
NO_BINARY = "The action failed to generate or locate a binary. See logs for details."
CANNOT_START = "Cannot start action. Check logs for details."


def __getattr__(name: str) -> Any:
    if name == "handler":
        return adapt(load_main)
    raise AttributeError(name)


def adapt(load: Callable[[], Callable[[Any], Any]]) -> Callable[[Any, Any], Any]:
    """A handler around the action that `load` finds."""
    prepare()
    main = load()

    def handler(event: Any, context: Any) -> Any:
        tell(context)
        try:
            return main(event)
        except Exception as error:
            traceback.print_exc()
            return {"error": str(error)}

    return handler


def prepare() -> None:
    """The streams and the environment as OpenWhisk's actions know them."""
    logging.getLogger().handlers.clear()
    sys.stderr = STDERR
    os.environ["__OW_API_HOST"] = os.environ.get("AWS_ENDPOINT_URL", "")


class _Marked(io.FileIO):
    """Begins every line with the mark."""

    _inside = False  # a line that has not ended

    def write(self, data: Any) -> int:
        content = bytes(data)
        lines = content.split(b"\n")
        marked = b"\n".join([lines[0], *(MARK + line if line else line for line in lines[1:])])
        marked = marked if self._inside else MARK + marked
        while marked:
            marked = marked[os.write(2, marked) :]
        self._inside = bool(lines[-1])
        return len(content)


STDERR = io.TextIOWrapper(
    io.BufferedWriter(_Marked(2, "w", closefd=False)),
    encoding="utf-8",
    errors="backslashreplace",
    line_buffering=True,
)


def tell(context: Any) -> None:
    """What differs from run to run."""
    given: Dict[str, str] = (context.client_context.custom or {}) if context.client_context else {}
    environ = os.environ
    environ["__OW_ACTIVATION_ID"] = context.aws_request_id.replace("-", "")
    environ["__OW_DEADLINE"] = str(context._epoch_deadline_time_in_ms)
    for key, value in given.items():
        environ["__OW_" + key.upper()] = value


def load_main() -> Callable[[Any], Any]:
    """The action's entry function. Raises `Fault` in OpenWhisk's words; why is in the log."""
    if not os.path.isfile(SOURCE):
        refuse("Zip file does not include " + SOURCE, NO_BINARY)
    if os.path.isdir("virtualenv"):
        activate()
    try:
        module = load_source(os.path.abspath(SOURCE))
        main: Callable[[Any], Any] = getattr(module, os.environ["LAMBENT_ACTION_MAIN"])
    except SyntaxError:
        refuse(traceback.format_exc(), NO_BINARY)
    except Exception:
        refuse(traceback.format_exc(), CANNOT_START)
    return main


def load_source(path: str) -> types.ModuleType:
    """Without importlib: its way to a file costs more than the file of most actions does."""
    module = types.ModuleType(MODULE)
    module.__file__ = path
    sys.modules[MODULE] = module
    with open(path, "rb") as file:
        source = file.read()
    exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)
    return module


def activate() -> None:
    if not os.path.isfile(ACTIVATE):
        refuse("Invalid virtualenv. Zip file does not include 'activate_this.py'.", NO_BINARY)
    try:
        with open(ACTIVATE) as file:
            exec(compile(file.read(), ACTIVATE, "exec"), {"__file__": os.path.abspath(ACTIVATE)})
    except Exception:
        refuse(traceback.format_exc(), CANNOT_START)


def refuse(why: str, message: str) -> None:
    print(why, file=sys.stderr)
    raise Fault("Whisk.InitError", message)
