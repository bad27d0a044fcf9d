"""Finds the handler in a function's source, when there is only one."""

import ast
from collections.abc import Mapping

AWS_DEFAULT = "lambda_function.lambda_handler"
NAMES = ("lambda_handler", "handler")


class NoHandler(Exception):
    """No handler, or more than one, was found; the message says which and what to do."""


def find(sources: Mapping[str, str]) -> str:
    """The handler (`module.function`) in `sources`: path within the bundle → text.

    A top-level function called `lambda_handler` or `handler` is one. Where there is none, the only function
    with two positional arguments is. Modules at the top of the bundle go before those in packages.
    """
    functions = {path: _functions(path, text) for path, text in sources.items() if path.endswith(".py")}
    top = {path: found for path, found in functions.items() if "/" not in path}
    for level in (top, functions):
        for wanted in (_named, _takes_event_and_context):
            found = [
                f"{_module(path)}.{node.name}"
                for path in sorted(level)
                for node in level[path]
                if wanted(node)
            ]
            if AWS_DEFAULT in found:
                return AWS_DEFAULT
            if len(found) == 1:
                return found[0]
            if found:
                raise NoHandler(f"{len(found)} functions could be the handler ({', '.join(found[:5])})")
    raise NoHandler("no function is called handler or lambda_handler, and none alone takes (event, context)")


def _functions(path: str, text: str) -> list[ast.FunctionDef]:
    try:
        tree = ast.parse(text, path)
    except (SyntaxError, ValueError) as error:
        raise NoHandler(f"{path} is no valid Python: {error}") from None
    return [node for node in tree.body if isinstance(node, ast.FunctionDef)]


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _named(node: ast.FunctionDef) -> bool:
    return node.name in NAMES


def _takes_event_and_context(node: ast.FunctionDef) -> bool:
    arguments = node.args
    positional = len(arguments.posonlyargs) + len(arguments.args)
    keyword_only = len(arguments.kwonlyargs) - sum(d is not None for d in arguments.kw_defaults)
    return positional == 2 and not arguments.defaults and keyword_only == 0
