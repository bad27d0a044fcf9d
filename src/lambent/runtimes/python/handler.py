"""Finds a function's handler: the search path as on AWS, the import, and AWS's words for what fails."""

from __future__ import annotations

import importlib
import os
import site
import sys
from typing import Any, Callable, Sequence

from .errors import Fault

Handler = Callable[[Any, Any], Any]


def set_search_path(task: str, libraries: str, layers: Sequence[str]) -> None:
    """The package first, then its layers (the last one wins), PYTHONPATH, our libraries, and the interpreter.

    The interpreter's own site-packages are left out: they are this machine's, not the runtime's.
    """
    minor = "python{}.{}".format(*sys.version_info[:2])
    folders = [task]
    for layer in reversed(layers):
        folders += [
            os.path.join(layer, "python", "lib", minor, "site-packages"),
            os.path.join(layer, "python"),
        ]
    given = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    own = [p for p in sys.path if not p.endswith(("site-packages", "dist-packages"))]
    path = [*folders, *given, *([libraries] if libraries else []), *own]
    sys.path[:] = list(dict.fromkeys(path))
    for folder in folders:
        if _has_pth(folder):
            site.addsitedir(folder)


def _has_pth(folder: str) -> bool:
    """Whether packages in a folder of the path bring .pth files, which `site` reads; it reads much more."""
    try:
        return any(name.endswith(".pth") for name in os.listdir(folder))
    except OSError:
        return False


def load(name: str) -> Handler:
    """The callable behind `module.function`; the module's path may be written with / too."""
    module_name, dot, function = name.rpartition(".")
    if not dot:
        # AWS's text is what Python says about unpacking the split name.
        message = "Bad handler '{}': not enough values to unpack (expected 2, got 1)".format(name)
        raise Fault("Runtime.MalformedHandlerName", message)
    if module_name.split(".")[0] in sys.builtin_module_names:
        message = "Cannot use built-in module {} as a handler module".format(module_name)
        raise Fault("Runtime.BuiltInModuleConflict", message)
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        message = "Unable to import module '{}': {}".format(module_name, error)
        raise Fault("Runtime.ImportModuleError", message) from None
    except SyntaxError as error:
        trace = '  File "{}" Line {}\n    {}'.format(error.filename, error.lineno, error.text)
        message = "Syntax error in module '{}': {}".format(module_name, error)
        raise Fault("Runtime.UserCodeSyntaxError", message, [trace]) from None
    try:
        found: Handler = getattr(module, function)
    except AttributeError:
        message = "Handler '{}' missing on module '{}'".format(function, module_name)
        raise Fault("Runtime.HandlerNotFound", message) from None
    return found
