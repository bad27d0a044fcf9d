"""CloudWatch's filter patterns for plain text: terms, "quoted phrases", ?any of these, -none of these."""

import re
from dataclasses import dataclass

_TERM = re.compile(r'\s*(?P<mark>[?-]?)(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s"]+))(?=\s|$)')
_ESCAPED = re.compile(r"\\(.)")


class BadPattern(ValueError):
    """A pattern that is malformed, or of a kind that is not served."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Terms are looked for as they stand, case included; as on AWS, ?terms count only when alone."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    def matches(self, message: str) -> bool:
        if any(term in message for term in self.excluded):
            return False
        if self.required or self.excluded or not self.optional:
            return all(term in message for term in self.required)
        return any(term in message for term in self.optional)


EVERYTHING = Pattern()


def parse(text: str) -> Pattern:
    """Raises `BadPattern`."""
    text = text.strip()
    if text[:1] in ("{", "["):
        kind = "JSON" if text[0] == "{" else "space-delimited"
        raise BadPattern(f'{kind} filter patterns are not supported: use terms, such as ERROR or "two words"')
    if text.startswith("%"):
        raise BadPattern("Regular expressions in filter patterns are not supported: use terms")
    terms: dict[str, list[str]] = {"": [], "?": [], "-": []}
    at = 0
    while at < len(text):
        found = _TERM.match(text, at)
        if found is None:
            raise BadPattern(f"Invalid filter pattern at character {at + 1}: {text[at : at + 40]!r}")
        quoted = found["quoted"]
        terms[found["mark"]].append(found["plain"] if quoted is None else _ESCAPED.sub(r"\1", quoted))
        at = found.end()
    return Pattern(tuple(terms[""]), tuple(terms["?"]), tuple(terms["-"]))
