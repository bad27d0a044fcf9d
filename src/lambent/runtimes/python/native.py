"""OpenWhisk's contract with an executable: JSON as its argument and input, the last line is its answer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import Any, Callable

from . import action
from .errors import Fault

ARGUMENT_BYTES = 131071  # Linux takes no longer one
COPY = "/tmp/.exec"
NO_JSON = "The action did not return a dictionary or array."


def __getattr__(name: str) -> Any:
    if name == "handler":
        return action.adapt(load)
    raise AttributeError(name)


def load() -> Callable[[Any], Any]:
    path = os.path.abspath(action.EXECUTABLE)
    if not os.path.isfile(path):
        action.refuse("Zip file does not include " + action.EXECUTABLE, action.NO_BINARY)
    if not os.access(path, os.X_OK):  # some zips carry no permissions
        path = shutil.copyfile(path, COPY)
        os.chmod(path, 0o700)
    return lambda event: run(path, event)


def run(path: str, event: Any) -> Any:
    """What the executable answered; what it printed before is its log."""
    text = json.dumps(event)
    arguments = [text] if len(text.encode()) <= ARGUMENT_BYTES else []
    try:
        process = subprocess.run([path, *arguments], input=text + "\n", stdout=subprocess.PIPE, text=True)
    except OSError as error:
        raise Fault("Whisk.RunError", "The executable does not start: %s." % error.strerror) from None
    lines = process.stdout.splitlines()
    try:
        answer = json.loads(lines[-1])
    except (IndexError, ValueError):
        sys.stdout.write(process.stdout)
        raise Fault("Whisk.RunError", NO_JSON) from None
    sys.stdout.writelines(line + "\n" for line in lines[:-1])
    return answer
