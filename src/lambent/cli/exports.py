"""Finds the handler in a JavaScript function's source, when there is only one."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from lambent.cli.handlers import NoHandler
from lambent.cli.languages import NODE_FILES

AWS_DEFAULT = "index.handler"
_LISTS = re.compile(r"^(?:module\.exports\s*=|export)\s*\{(?P<names>[^}]*)\}", re.M)
_SINGLE = re.compile(
    r"^(?:module\.)?exports\.(?P<assigned>\w+)\s*=|"
    r"^export\s+(?:(?:async\s+)?function\*?|const|let|var)\s+(?P<declared>\w+)",
    re.M,
)


def find(sources: Mapping[str, str]) -> str:
    """The handler (`module.name`): what is exported as `handler`, else the only thing that is, at the top."""
    top = {path: text for path, text in sources.items() if "/" not in path and path.endswith(NODE_FILES)}
    found = [f"{PurePosixPath(path).stem}.{name}" for path in sorted(top) for name in _exports(top[path])]
    for candidates in ([name for name in found if name.endswith(".handler")], found):
        if AWS_DEFAULT in candidates:
            return AWS_DEFAULT
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            raise NoHandler(f"{len(candidates)} exports could be the handler ({', '.join(candidates[:5])})")
    raise NoHandler("nothing is exported as handler")


def _exports(text: str) -> Iterator[str]:
    for found in _SINGLE.finditer(text):
        yield found["assigned"] or found["declared"]
    for found in _LISTS.finditer(text):
        for entry in found["names"].split(","):
            if name := re.sub(r".*\bas\b|:.*", "", entry, flags=re.S).strip():
                yield name
