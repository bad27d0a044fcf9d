"""Inputs made from the model: the least that an operation takes, and values that break one constraint."""

from collections.abc import Iterator
from random import Random
from re import _constants as tokens  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from lambent.faces.codec_check import _JAVA, compiled, constraints

NUMBERS = ("integer", "long", "float", "double")
MISFITS = ("\x01", " ", "a b/$")  # one of them breaks a pattern, if any text does
LONG = 20_000  # what is longer is not built
CATEGORIES = {tokens.CATEGORY_DIGIT: "1", tokens.CATEGORY_WORD: "a", tokens.CATEGORY_SPACE: " "}

# What a pattern alone cannot know: the things that the test has made.
KNOWN = {"FunctionName": "f", "Resource": "arn:aws:lambda:us-east-1:000000000000:function:f"}


# What somebody might send who means no good, or mixes things up: some of it keeps a pattern, some does not.
HOSTILE = (
    "", "f", "x:y", "arn:x", "f:g:h", "$LATEST", "*", "1", "-1", "9" * 20, "9" * 5000, "a" * 300,
    "\x00", "\u00fc\u20ac\U0001f600", "null", "{}", "[]", '{"a":', "====", "AAAA",
    "Zjox", "Zjo5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5",  # markers: f:1, f:999...
    *(
        f"arn:aws:lambda:us-east-1:000000000000:{name}"
        for name in (
            "function:f", "function:f:1", "function:f:g:h", "function:none", "layer:l:1", "layer:l:0",
            f"layer:l:{'9' * 30}", "code-signing-config:csc-aaaaaaaaaaaaaaaaa", "capacity-provider:p",
            "event-source-mapping:11111111-1111-1111-1111-111111111111",
        )
    ),
    "arn:aws:sqs:::", "arn:aws:sqs:us-east-1:000000000000:q", "arn:aws:kinesis:us-east-1:0:stream/s",
    "arn:aws:sns:us-east-1:000000000000:t", "arn:aws:iam::000000000000:role/r",
    '{"Version":"2012-10-17","Statement":[{}]}',
    '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":5},"Action":5,"Resource":[[]]}}',
    '{"body":[{"numeric":["<","x"]}]}', '{"a":[{"wildcard":"***"}]}', '{"$or":[1]}',
)  # fmt: skip
NUMBERS_OF_ALL_SIZES = (0, -1, 1, 5, 100, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 10**30)


class Broken(NamedTuple):
    """One constraint of one member, and a value that breaks it; `below` is where in it, as AWS says it."""

    path: tuple[str, ...]
    value: Any
    text: str
    below: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        return ".".join(part[0].lower() + part[1:] for part in (*self.path, *self.below))


def shortest(pattern: str) -> str:
    """The shortest text that a pattern takes, or nearly."""
    for java, ours in _JAVA.items():
        pattern = pattern.replace(java, ours)
    return "".join(map(_least, parser.parse(pattern)))


def _least(token: Any) -> str:
    kind, value = token
    if kind is tokens.LITERAL:
        return chr(value)
    if kind is tokens.IN:
        return _member(value)
    if kind in (tokens.MAX_REPEAT, tokens.MIN_REPEAT):
        least, _, inner = value
        return str("".join(map(_least, inner)) * least)
    if kind is tokens.SUBPATTERN:
        return "".join(map(_least, value[3]))
    if kind is tokens.BRANCH:
        return "".join(map(_least, value[1][0]))
    return "a" if kind in (tokens.ANY, tokens.NOT_LITERAL) else ""


def _member(choices: list[Any]) -> str:
    kind, value = choices[0]
    if kind is tokens.RANGE:
        return chr(value[0])
    if kind is tokens.CATEGORY:
        return str(CATEGORIES[value])
    return chr(value) if kind is tokens.LITERAL else "a"


def least(shape: Shape, name: str = "") -> Any:
    """The least value that keeps the model's constraints."""
    facts = shape.metadata
    if isinstance(shape, StructureShape):
        return {member: least(shape.members[member], member) for member in shape.required_members}
    if isinstance(shape, ListShape):
        fewest = 1 if shape.serialization.get("location") else 0  # an empty one cannot be said in a query
        return [least(shape.member) for _ in range(max(facts.get("min", 0), fewest))]
    if isinstance(shape, MapShape):
        return {}
    if isinstance(shape, StringShape):
        return KNOWN.get(name) or _text(shape)
    if shape.type_name in NUMBERS:
        return max(facts.get("min", 1), 1)
    return {"boolean": False, "blob": b"{}", "timestamp": 0}[shape.type_name]


def hostile(shape: Shape, draw: Random) -> Any:
    """An input with all kinds of values in it; what an operation needs is often right."""
    if isinstance(shape, StructureShape):
        given = [
            (n, m) for n, m in shape.members.items() if n in shape.required_members or draw.random() < 0.4
        ]
        return {n: least(m, n) if draw.random() < 0.5 else hostile(m, draw) for n, m in given}
    if isinstance(shape, ListShape):
        return [hostile(shape.member, draw) for _ in range(draw.choice((0, 1, 1, 2, 6)))]
    if isinstance(shape, MapShape):
        return {hostile(shape.key, draw): hostile(shape.value, draw) for _ in range(draw.choice((0, 1, 2)))}
    if isinstance(shape, StringShape):
        return draw.choice(HOSTILE)
    if shape.type_name in ("integer", "long"):
        return draw.choice(NUMBERS_OF_ALL_SIZES)
    if shape.type_name == "blob":
        return draw.choice((b"", b"x", b"{}", b"\xff" * 9))
    return {"boolean": True, "timestamp": 1e9}.get(shape.type_name, draw.choice((0.5, -1.0, 1e300)))


def _text(shape: StringShape) -> str:
    if shape.enum:
        return str(shape.enum[0])
    text = shortest(shape.metadata["pattern"]) if "pattern" in shape.metadata else ""
    filler = ("a", "1", "0a")
    for size in range(shape.metadata.get("min", 1) + 1):
        for fill in filler:
            longer = text + fill * size
            if len(longer) >= shape.metadata.get("min", 0) and _keeps(shape, longer):
                return longer
    return text


def _keeps(shape: Shape, text: str) -> bool:
    return "pattern" not in shape.metadata or compiled(shape.metadata["pattern"]).fullmatch(text) is not None


def violations(shape: StructureShape, path: tuple[str, ...] = ()) -> Iterator[Broken]:
    """Every constraint that a request can break."""
    for name, member in shape.members.items():
        where = (*path, name)
        if isinstance(member, StructureShape) and len(where) < 4 and not member.is_document_type:
            yield from violations(member, where)
        elif isinstance(member, ListShape):
            yield from _of_list(member, where)
        elif isinstance(member, MapShape):
            for text, key in _misfits(member.key):
                yield Broken(where, {key: least(member.value)}, text)
            for text, value in _misfits(member.value):
                yield Broken(where, {least(member.key): value}, text)
        else:
            location = member.serialization.get("location", "")
            for text, value in _misfits(member):
                if value or location not in ("uri", "header"):  # where nothing is not something empty
                    yield Broken(where, value, text)


def _of_list(shape: ListShape, where: tuple[str, ...]) -> Iterator[Broken]:
    facts, member = shape.metadata, shape.member
    if facts.get("max", LONG) < LONG:
        text = f"Member must have length less than or equal to {facts['max']}"
        yield Broken(where, [least(member)] * (facts["max"] + 1), text)
    if facts.get("min", 0) and "location" not in shape.serialization:
        yield Broken(where, [], f"Member must have length greater than or equal to {facts['min']}")
    if isinstance(member, StructureShape):
        for inner in violations(member):
            item = put(least(member), member, inner.path, inner.value)
            yield Broken(where, [item], inner.text, ("1", "member", *inner.path, *inner.below))
    else:
        for text, value in _misfits(member):
            if value or "location" not in shape.serialization:
                yield Broken(where, [value], text)


def _misfits(shape: Shape) -> Iterator[tuple[str, Any]]:
    """Each constraint of a scalar with a value that breaks it."""
    if isinstance(shape, StringShape) or shape.type_name in NUMBERS:
        for text in constraints(shape):
            if (value := _breaking(shape, text)) is not None:
                yield text, value


def _breaking(shape: Shape, text: str) -> Any:
    facts = shape.metadata
    number = shape.type_name in NUMBERS
    if "less than or equal" in text:
        if number:
            return facts["max"] + 1
        return "a" * (facts["max"] + 1) if facts["max"] < LONG else None
    if "greater than or equal" in text:
        return facts["min"] - 1 if number else "" if facts["min"] else None
    if "enum" in text:
        return "none of them"
    return next((text for text in MISFITS if not compiled(facts["pattern"]).fullmatch(text)), None)


def put(given: dict[str, Any], shape: StructureShape, path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The input with one member replaced; structures on the way get the least that they need."""
    name, *rest = path
    if rest:
        inner = given.get(name) or least(shape.members[name])
        value = put(inner, shape.members[name], tuple(rest), value)
    return {**given, name: value}
