"""The event-invoke configurations: in memory for every asynchronous run, on disk for every change."""

from dataclasses import asdict, replace

import orjson

from lambent.model.event_invoke import EventInvokeConfig, Terms
from lambent.model.limits import ASYNC_AGE_S, ASYNC_RETRIES
from lambent.model.names import LATEST, FunctionKey, Target
from lambent.store.base import Store, Transaction
from lambent.store.functions import Functions

KIND = "event-invoke"
_WHERE = "account = ? AND region = ? AND name = ?"
_READ = "SELECT account, region, name, qualifier, document FROM function_settings WHERE kind = ?"
_PUT = """INSERT INTO function_settings (account, region, name, qualifier, kind, document)
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (account, region, name, qualifier, kind)
    DO UPDATE SET document = excluded.document"""
_REMOVE = f"DELETE FROM function_settings WHERE {_WHERE} AND qualifier = ? AND kind = ?"


class EventInvokeConfigs:
    """One for each qualifier of a function; they go with what they belong to."""

    def __init__(self, store: Store, functions: Functions) -> None:
        self._store = store
        self._functions = functions
        self._configs: dict[FunctionKey, dict[str, EventInvokeConfig]] = {}
        functions.on_change(self._refresh)

    def load(self) -> None:
        for row in self._store.query(_READ, (KIND,)):
            self._keep(_decode(*row))

    def find(self, target: Target) -> EventInvokeConfig | None:
        """That of exactly this qualifier: an alias does not inherit from what it points to."""
        configs = self._configs.get(target.key)
        return configs.get(_qualifier(target)) if configs else None

    def terms(self, target: Target) -> Terms:
        """What holds for an asynchronous invocation of this target."""
        config, version = self.find(target), self._functions.find(target)
        dead_letter = version.kept.get("DeadLetterConfig", {}).get("TargetArn", "") if version else ""
        if config is None:
            return Terms(dead_letter=dead_letter)
        return Terms(
            retries=ASYNC_RETRIES if config.retries is None else config.retries,
            age_s=ASYNC_AGE_S if config.age_s is None else config.age_s,
            on_success=config.on_success,
            on_failure=config.on_failure,
            dead_letter=dead_letter,
        )

    def all_of(self, key: FunctionKey) -> list[EventInvokeConfig]:
        return [config for _, config in sorted(self._configs.get(key, {}).items())]

    async def put(self, config: EventInvokeConfig) -> EventInvokeConfig:
        target = config.target
        kept = replace(config, target=Target(target.key, _qualifier(target) or None))
        row = (*target.key, _qualifier(target), KIND, _encode(kept))
        await self._store.write(lambda tx: tx.execute(_PUT, row))
        self._keep(kept)
        return kept

    async def remove(self, target: Target) -> None:
        def work(tx: Transaction) -> None:
            tx.execute(_REMOVE, (*target.key, _qualifier(target), KIND))

        await self._store.write(work)
        self._refresh(target.key)

    def _keep(self, config: EventInvokeConfig) -> None:
        self._configs.setdefault(config.target.key, {})[_qualifier(config.target)] = config

    def _refresh(self, key: FunctionKey) -> None:
        """Read one function's again; they may have gone together with it."""
        if self._configs.pop(key, None):
            for row in self._store.query(f"{_READ} AND {_WHERE}", (KIND, *key)):
                self._keep(_decode(*row))


def _qualifier(target: Target) -> str:
    return "" if target.qualifier in (None, LATEST) else target.qualifier or ""


def _encode(config: EventInvokeConfig) -> str:
    return orjson.dumps({k: v for k, v in asdict(config).items() if k != "target"}).decode()


def _decode(account: str, region: str, name: str, qualifier: str, document: str) -> EventInvokeConfig:
    target = Target(FunctionKey(account, region, name), qualifier or None)
    return EventInvokeConfig(target=target, **orjson.loads(document))
