"""Which operation a method and a path mean: a tree made from the request URIs of a service model."""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from botocore.model import OperationModel, ServiceModel

from lambent.faces.errors import ServiceError


@dataclass(slots=True)
class _Ending:
    """An operation whose path ends here, and the query that it wants besides."""

    operation: OperationModel
    labels: list[str]
    query: frozenset[tuple[str, str]]


@dataclass(slots=True)
class _Node:
    literals: dict[str, "_Node"] = field(default_factory=dict)
    label: "_Node | None" = None
    greedy: "_Node | None" = None
    endings: dict[str, list[_Ending]] = field(default_factory=dict)  # by method, most particular query first


class Routes:
    """Paths are split raw and decoded afterwards, since a label may hold an encoded slash."""

    def __init__(self, model: ServiceModel) -> None:
        self._root = _Node()
        for name in model.operation_names:
            self._add(model.operation_model(name))

    def match(self, method: str, path: str, query: str) -> tuple[OperationModel, dict[str, str]]:
        """The operation and its raw labels. Raises `ServiceError`."""
        given = frozenset(parse_qsl(query, keep_blank_values=True))
        found = _walk(self._root, _segments(path), [], method, given)
        if found is None:
            raise ServiceError("UnknownOperationException", "", 404)
        ending, values = found
        return ending.operation, dict(zip(ending.labels, values, strict=True))

    def _add(self, operation: OperationModel) -> None:
        path, _, query = operation.http["requestUri"].partition("?")
        node, labels = self._root, []
        for segment in _segments(path):
            if not segment.startswith("{"):
                node = node.literals.setdefault(segment, _Node())
                continue
            labels.append(segment.strip("{}+"))
            if segment.endswith("+}"):
                node.greedy = node = node.greedy or _Node()
            else:
                node.label = node = node.label or _Node()
        wanted = frozenset(parse_qsl(query, keep_blank_values=True))
        endings = node.endings.setdefault(operation.http["method"], [])
        endings.append(_Ending(operation, labels, wanted))
        endings.sort(key=lambda ending: -len(ending.query))


def _segments(path: str) -> list[str]:
    """Without the slash at the end that some clients leave and some models have."""
    return path.strip("/").split("/")


def _walk(
    node: _Node, segments: list[str], values: list[str], method: str, query: frozenset[tuple[str, str]]
) -> tuple[_Ending, list[str]] | None:
    if not segments:
        endings = node.endings.get(method, ())
        return next(((e, values) for e in endings if e.query <= query), None)
    first, rest = segments[0], segments[1:]
    if first in node.literals and (found := _walk(node.literals[first], rest, values, method, query)):
        return found
    if node.label is not None and first:
        found = _walk(node.label, rest, [*values, first], method, query)
        if found:
            return found
    if node.greedy is not None:
        return _walk(node.greedy, [], [*values, "/".join(segments)], method, query)
    return None
