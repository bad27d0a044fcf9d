"""CREATE TABLE and ALTER TABLE as Redshift has them: physical design is dropped, keys are not enforced."""

from lambent.warehouse.edit import Edit
from lambent.warehouse.errors import UNSUPPORTED, Refused

# A column type without a length is a short string in Redshift, an endless one in PostgreSQL.
TYPES = {
    "VARCHAR": "varchar(256)",
    "NVARCHAR": "varchar(256)",
    "TEXT": "varchar(256)",
    "BPCHAR": "char(256)",
    "SUPER": "jsonb",
    "VARBYTE": "bytea",
    "VARBINARY": "bytea",
}
WITHOUT_LENGTH = ("VARBYTE", "VARBINARY")
COLLATIONS = ("CASE_SENSITIVE", "CASE_INSENSITIVE", "CS", "CI")
KEYS = ("PRIMARY", "UNIQUE", "FOREIGN")
DESIGN = ("DISTKEY", "SORTKEY", "DISTSTYLE", "COMPOUND", "INTERLEAVED", "ENCODE")
NOTHING = "RESET (fillfactor)"  # an ALTER TABLE that changes nothing


def create_table(edit: Edit) -> None:
    n = _after_table(edit)
    if n is None:
        return
    n = edit.after_name(n)
    if edit.sign(n) == "(":
        _columns(edit, n)
        n = edit.after_group(n)
    while (end := _table_attribute(edit, n)) > n:
        edit.replace(n, end)
        n = end


def alter_table(edit: Edit) -> None:
    n = 2 + 2 * edit.says(2, "IF", "EXISTS")
    n = edit.after_name(n)
    if edit.says(n, "APPEND"):
        raise Refused("ALTER TABLE APPEND is not supported", UNSUPPORTED, hint="Use INSERT INTO … SELECT.")
    if edit.says(n, "ADD"):
        first = n + 1 + (edit.word(n + 1) == "COLUMN")
        if _is_key(edit, first):
            edit.replace(n, len(edit), NOTHING)
        else:
            _column(edit, first, len(edit))
    elif edit.says(n, "ALTER"):
        first = n + 1 if edit.word(n + 1) in DESIGN else edit.after_name(n + 1 + edit.says(n + 1, "COLUMN"))
        if edit.word(first) in DESIGN:
            edit.replace(n, len(edit), NOTHING)


def _after_table(edit: Edit) -> int | None:
    """Where the name stands in CREATE [LOCAL] [TEMP] TABLE [IF NOT EXISTS] name; None: it makes no table."""
    n = 1
    while edit.word(n) in ("LOCAL", "TEMP", "TEMPORARY"):
        n += 1
    if edit.word(n) != "TABLE":
        return None
    return n + 4 if edit.says(n + 1, "IF", "NOT", "EXISTS") else n + 1


def _table_attribute(edit: Edit, n: int) -> int:
    """The end of the table attribute at `n`; `n` itself where none stands."""
    word = edit.word(n)
    if word in ("BACKUP", "DISTSTYLE") or edit.says(n, "ENCODE", "AUTO"):
        return n + 2
    if word in ("COMPOUND", "INTERLEAVED"):
        return _table_attribute(edit, n + 1)
    if word in ("DISTKEY", "SORTKEY"):
        return edit.after_group(n + 1) if edit.sign(n + 1) == "(" else n + 2
    return n


def _is_key(edit: Edit, n: int) -> bool:
    """Whether a constraint that Redshift accepts and does not enforce starts at `n`."""
    return edit.word(n + 2 if edit.word(n) == "CONSTRAINT" else n) in KEYS


def _columns(edit: Edit, n: int) -> None:
    """Edit the items of the parenthesis at `n`: columns and keys."""
    items = list(edit.items(n))
    keys = [item for item in items if _is_key(edit, item[0])]
    required = {name for item in keys for name in _primary_columns(edit, *item)}
    kept = [item for item in items if item not in keys]
    for start, end in kept:
        _column(edit, start, end)
        if edit.token(start).text.lower() in required:
            edit.append(end - 1, " NOT NULL")
    for start, end in keys:
        # The comma goes with it: the one before, or the one behind where the keys come first.
        edit.replace(start - (start > items[0][0]), end + (end < items[-1][1] and start == items[0][0]))


def _primary_columns(edit: Edit, start: int, end: int) -> list[str]:
    start += 2 * edit.says(start, "CONSTRAINT")
    if not edit.says(start, "PRIMARY", "KEY"):
        return []
    return [edit.text(*item).lower() for item in edit.items(start + 2)]


def _column(edit: Edit, start: int, end: int) -> None:
    """Edit one column: name, type, attributes."""
    _type(edit, start + 1)
    n = start + 2
    while n < end:
        n = _column_attribute(edit, n, end)


def _type(edit: Edit, n: int) -> None:
    word = edit.word(n)
    if edit.says(n, "CHARACTER", "VARYING") and edit.sign(n + 2) != "(":
        edit.replace(n, n + 2, "varchar(256)")
    elif edit.sign(n + 1) != "(" and word in TYPES:
        edit.replace(n, n + 1, TYPES[word])
    elif word in WITHOUT_LENGTH:
        edit.replace(n, edit.after_group(n + 1), TYPES[word])


def _column_attribute(edit: Edit, n: int, end: int) -> int:
    """Edit what stands at `n`; returns where to go on."""
    word = edit.word(n)
    if word == "ENCODE" or (word == "COLLATE" and edit.word(n + 1) in COLLATIONS):
        edit.replace(n, n + 2)
        return n + 2
    if word in ("DISTKEY", "SORTKEY", "UNIQUE"):
        edit.replace(n, n + 1)
    elif edit.says(n, "PRIMARY", "KEY"):
        edit.replace(n, n + 2, "NOT NULL")
        return n + 2
    elif word == "REFERENCES":
        after = edit.after_name(n + 1)
        after = edit.after_group(after) if edit.sign(after) == "(" else after
        edit.replace(n, after)
        return after
    elif word == "IDENTITY" and edit.sign(n + 1) == "(":
        return _identity(edit, n)
    return edit.after_group(n) if edit.sign(n) == "(" else n + 1


def _identity(edit: Edit, n: int) -> int:
    """IDENTITY(seed, step); with GENERATED BY DEFAULT AS before it a statement may give values itself."""
    after = edit.after_group(n + 1)
    numbers = [edit.text(*item).replace(" ", "") for item in edit.items(n + 1)]
    if len(numbers) == 2:
        seed, step = numbers
        bound = "MAXVALUE" if step.startswith("-") else "MINVALUE"
        kind = "IDENTITY" if edit.says(n - 1, "AS") else "GENERATED ALWAYS AS IDENTITY"
        edit.replace(n, after, f"{kind} (START WITH {seed} INCREMENT BY {step} {bound} {seed})")
    return after
