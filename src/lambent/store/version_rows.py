"""Functions and versions as rows: SQL and JSON, nothing of what they mean."""

import time
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import orjson

from lambent.model.function import Code, Layer, Reason, State, UpdateStatus, Version
from lambent.model.image import Image
from lambent.model.names import LATEST, FunctionKey
from lambent.store.base import Transaction

WHERE = "account = ? AND region = ? AND name = ?"
# Of each function $LATEST first, which is 0 as a number, then its versions in the order of their numbers.
ALL = """SELECT account, region, name, tags, configuration
    FROM functions JOIN versions USING (account, region, name)
    ORDER BY account, region, name, CAST(version AS INTEGER)"""
OF_QUALIFIERS = ("policies", "function_settings")  # what hangs on versions and aliases
_STORED = [field.name for field in fields(Version) if field.init]


def encode(version: Version) -> str:
    values = {name: getattr(version, name) for name in _STORED}
    return orjson.dumps({**values, "key": version.key._asdict()}).decode()


def decode(text: str) -> Version:
    """The version that `encode` wrote; fields that came later have their defaults."""
    values: dict[str, Any] = orjson.loads(text)
    values["key"] = FunctionKey(**values["key"])
    values["code"] = Code(**values["code"])
    layers = values.get("layers")
    values["layers"] = tuple(Layer(one["arn"], Code(**one["code"])) for one in layers) if layers else ()
    values["image"] = values.get("image") and Image(**values["image"])
    values["state"] = State(values["state"])
    for name in ("state_reason", "update_reason"):
        values[name] = values[name] and Reason(**values[name])
    values["update_status"] = values["update_status"] and UpdateStatus(values["update_status"])
    return Version(**values)


def where(key: FunctionKey) -> tuple[str, str, str]:
    return key.account, key.region, key.name


def exists(tx: Transaction, key: FunctionKey) -> bool:
    return bool(tx.execute(f"SELECT 1 FROM functions WHERE {WHERE}", where(key)))


def insert_function(tx: Transaction, key: FunctionKey, tags: Mapping[str, str]) -> None:
    tx.execute(
        "INSERT INTO functions (account, region, name, tags, created_at) VALUES (?, ?, ?, ?, ?)",
        (*where(key), orjson.dumps(dict(tags)).decode(), time.time()),
    )


def delete_function(tx: Transaction, key: FunctionKey) -> None:
    for table in ("functions", "versions", "aliases", *OF_QUALIFIERS):
        tx.execute(f"DELETE FROM {table} WHERE {WHERE}", where(key))


def take_number(tx: Transaction, key: FunctionKey) -> str:
    """The next version number; none is given twice in a function's life."""
    sql = f"UPDATE functions SET next_version = next_version + 1 WHERE {WHERE} RETURNING next_version - 1"
    return str(tx.execute(sql, where(key))[0][0])


def load_tags(tx: Transaction, key: FunctionKey) -> dict[str, str]:
    return decode_tags(tx.execute(f"SELECT tags FROM functions WHERE {WHERE}", where(key))[0][0])


def save_tags(tx: Transaction, key: FunctionKey, tags: Mapping[str, str]) -> None:
    tx.execute(
        f"UPDATE functions SET tags = ? WHERE {WHERE}", (orjson.dumps(dict(tags)).decode(), *where(key))
    )


def decode_tags(text: str) -> dict[str, str]:
    tags: dict[str, str] = orjson.loads(text)
    return tags


def load(tx: Transaction, key: FunctionKey, version: str = LATEST) -> Version | None:
    sql = f"SELECT configuration FROM versions WHERE {WHERE} AND version = ?"
    rows = tx.execute(sql, (*where(key), version))
    return decode(rows[0][0]) if rows else None


def load_newest(tx: Transaction, key: FunctionKey) -> Version | None:
    """The numbered version that was published last and still exists."""
    sql = f"""SELECT configuration FROM versions WHERE {WHERE} AND version <> ?
        ORDER BY CAST(version AS INTEGER) DESC LIMIT 1"""
    rows = tx.execute(sql, (*where(key), LATEST))
    return decode(rows[0][0]) if rows else None


def save(tx: Transaction, version: Version) -> None:
    tx.execute(
        """INSERT INTO versions (account, region, name, version, configuration) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (account, region, name, version) DO UPDATE SET configuration = excluded.configuration""",
        (*where(version.key), version.version, encode(version)),
    )


def delete_version(tx: Transaction, key: FunctionKey, version: str) -> None:
    tx.execute(f"DELETE FROM versions WHERE {WHERE} AND version = ?", (*where(key), version))
    delete_qualified(tx, key, version)


def delete_qualified(tx: Transaction, key: FunctionKey, qualifier: str) -> None:
    """What hangs on a version or an alias goes with it."""
    for table in OF_QUALIFIERS:
        tx.execute(f"DELETE FROM {table} WHERE {WHERE} AND qualifier = ?", (*where(key), qualifier))
