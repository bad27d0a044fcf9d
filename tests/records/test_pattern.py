"""Filter patterns."""

import pytest

from lambent.records import pattern


@pytest.mark.parametrize(
    ("text", "message", "matches"),
    [
        ("", "anything", True),
        ("ERROR", "[ERROR] boom", True),
        ("ERROR", "[error] boom", False),
        ("ERROR boom", "boom, says ERROR", True),
        ("ERROR boom", "ERROR only", False),
        ('"two words"', "these two words", True),
        ('"two words"', "two other words", False),
        (r'"a \"quoted\" one"', 'a "quoted" one', True),
        ("?ERROR ?WARN", "WARN: x", True),
        ("?ERROR ?WARN", "INFO: x", False),
        ('?"out of memory" ?killed', "was killed", True),
        ("ERROR -Exiting", "ERROR: Exiting", False),
        ("ERROR -Exiting", "ERROR: going on", True),
        ("-noise", "noise", False),
        ("-noise", "sound", True),
        ("ERROR ?never", "ERROR", True),
        ("REPORT RequestId:", "REPORT RequestId: 8f5\tDuration", True),
        ("  spaced   out ", "out spaced", True),
    ],
)
def test_terms(text: str, message: str, matches: bool) -> None:
    assert pattern.parse(text).matches(message) is matches


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{ $.level = "ERROR" }', "JSON filter patterns are not supported"),
        ("[ip, user]", "space-delimited filter patterns are not supported"),
        ("%AUTH.*Failed%", "Regular expressions"),
        ('open "quote', "character 5"),
        ('a"b', "character 1"),
    ],
)
def test_what_is_not_served_is_refused(text: str, says: str) -> None:
    with pytest.raises(pattern.BadPattern, match=says):
        pattern.parse(text)
