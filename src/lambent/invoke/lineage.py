"""The lineage in a trace header: which functions a chain of events has been through, and how often.

A function's calls carry its trace header, and so do the messages and uploads that it makes: what they start
finds in it how often the chain came by. AWS stops a chain at about sixteen runs of one function, so do we.
"""

import hashlib
from functools import lru_cache
from urllib.parse import unquote

from lambent.model.names import FunctionKey

ROUNDS = 16
_MARK = "Lineage="
_FUNCTIONS = 32  # a chain through more of them forgets those it met first


def extended(trace: str, key: FunctionKey, *, loops: bool = False) -> str | None:
    """The trace for a run of this function; None when the chain has been through it too often.

    A function that may be in `loops` is never stopped, but counted: the others in its loop may want to stop.
    """
    plain, lineage = _split(trace)
    name = _hash(key)
    rounds = lineage.pop(name, 0) + 1
    if rounds > ROUNDS and not loops:
        return None
    lineage[name] = min(rounds, ROUNDS + 1)
    told = "|".join(f"{one}:{count}" for one, count in list(lineage.items())[-_FUNCTIONS:])
    return f"{plain};{_MARK}{told}" if plain else f"{_MARK}{told}"


def merged(traces: list[str]) -> str:
    """One trace for what a batch starts: of each function the most rounds that any message has."""
    lineage: dict[str, int] = {}
    for trace in traces:
        for name, rounds in _split(trace)[1].items():
            lineage[name] = max(rounds, lineage.get(name, 0))
    plain = next((_split(trace)[0] for trace in traces if trace), "")
    told = "|".join(f"{name}:{rounds}" for name, rounds in lineage.items())
    return f"{plain};{_MARK}{told}" if told else plain


def _split(trace: str) -> tuple[str, dict[str, int]]:
    """A trace without its lineage, and the lineage; whatever is none is left out."""
    parts = unquote(trace).split(";") if trace else []
    plain = ";".join(part for part in parts if part and not part.startswith(_MARK))
    lineage: dict[str, int] = {}
    for part in parts:
        if part.startswith(_MARK):
            for item in part[len(_MARK) :].split("|"):
                name, _, rounds = item.rpartition(":")
                if name and rounds.isascii() and rounds.isdigit() and len(rounds) < 4:
                    lineage[name] = int(rounds)
    return plain, lineage


@lru_cache(maxsize=4096)
def _hash(key: FunctionKey) -> str:
    return hashlib.sha256(key.arn.encode()).hexdigest()[:8]
