"""The tokenizer loses nothing and is not fooled by what stands in strings, names and comments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambent.warehouse.errors import literal
from lambent.warehouse.tokens import Kind, join, statements, string_value, tokens

FRAGMENTS = st.sampled_from(
    [
        "'",
        "''",
        '"',
        "$$",
        "$a$",
        "--",
        "/*",
        "*/",
        "\n",
        " ",
        ";",
        "e'",
        "\\",
        "copy",
        "1.5",
        "::",
        "(",
        "ü",
        "$1",
    ]
)


def kinds(sql: str) -> list[Kind]:
    return [token.kind for token in tokens(sql) if token.kind is not Kind.SPACE]


@given(st.one_of(st.text(), st.lists(FRAGMENTS).map("".join)))
def test_tokens_join_to_the_text(sql: str) -> None:
    assert join(list(tokens(sql))) == sql


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_literal_is_one_token_that_says_its_value(value: str) -> None:
    (token,) = tokens(literal(value))
    assert (token.kind, string_value(token)) == (Kind.STRING, value)


@given(st.lists(st.lists(FRAGMENTS).map("".join)))
def test_statements_in_strings_stay_whole(texts: list[str]) -> None:
    sql = "; ".join(f"select {literal(text)}" for text in texts)
    assert [join(parts).strip() for parts in statements(sql)] == [f"select {literal(text)}" for text in texts]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("a_1 \"b\"\"c\" 'd''e'", [Kind.WORD, Kind.NAME, Kind.STRING]),
        (r"e'a\'b' 'c\'", [Kind.STRING, Kind.STRING]),
        ("$$ ; ' $$ $x$ $$ $x$", [Kind.STRING, Kind.STRING]),
        ("1 1.5e3 .5 $2", [Kind.NUMBER, Kind.NUMBER, Kind.NUMBER, Kind.SIGN]),
        ("-- ; ' \n/* /* ; */ ' */ x::int", [Kind.WORD, Kind.SIGN, Kind.WORD]),
        ("'never closed ; x", [Kind.STRING]),
        ("größe$ 价格", [Kind.WORD, Kind.WORD]),
    ],
)
def test_kinds(sql: str, expected: list[Kind]) -> None:
    assert kinds(sql) == expected


def test_empty_statements_are_left_out() -> None:
    assert [join(parts) for parts in statements(";; a ; -- b\n; c")] == [" a ", " c"]


def test_a_long_text_is_cut_in_linear_time() -> None:
    hostile = "'" + "''" * 200_000 + "x" * 400_000
    assert len(list(tokens(hostile))) == 1
