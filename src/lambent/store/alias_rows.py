"""Aliases as rows: SQL and JSON, nothing of what they mean."""

import orjson

from lambent.model.alias import Alias
from lambent.model.names import FunctionKey
from lambent.store.base import Transaction
from lambent.store.version_rows import WHERE, where

ALL = "SELECT document FROM aliases ORDER BY account, region, name, alias"


def decode(text: str) -> Alias:
    values = orjson.loads(text)
    return Alias(**{**values, "key": FunctionKey(**values["key"])})


def load(tx: Transaction, key: FunctionKey, name: str) -> Alias | None:
    rows = tx.execute(f"SELECT document FROM aliases WHERE {WHERE} AND alias = ?", (*where(key), name))
    return decode(rows[0][0]) if rows else None


def load_all(tx: Transaction, key: FunctionKey) -> dict[str, Alias]:
    """Every alias of a function by its name, in the order of the names."""
    sql = f"SELECT alias, document FROM aliases WHERE {WHERE} ORDER BY alias"
    return {name: decode(text) for name, text in tx.execute(sql, where(key))}


def save(tx: Transaction, alias: Alias) -> None:
    values = {name: getattr(alias, name) for name in Alias.__dataclass_fields__}
    document = orjson.dumps({**values, "key": alias.key._asdict()}).decode()
    tx.execute(
        """INSERT INTO aliases (account, region, name, alias, document) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (account, region, name, alias) DO UPDATE SET document = excluded.document""",
        (*where(alias.key), alias.name, document),
    )


def delete(tx: Transaction, key: FunctionKey, name: str) -> None:
    tx.execute(f"DELETE FROM aliases WHERE {WHERE} AND alias = ?", (*where(key), name))
