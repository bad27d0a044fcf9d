"""Settings of a node: flags over LAMBENT_* variables over lambent.toml over defaults, read once."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any

# Settings that are one of a few words.
CHOICES = {
    "cpu": ("weight", "cap"),
    "isolation": ("auto", "strict", "process"),
    "network": ("auto", "nat", "host", "none"),
}


def default_data() -> Path:
    """Where a node keeps its data unless told: LAMBENT_DATA, else the user's data folder."""
    if given := os.environ.get("LAMBENT_DATA"):
        return Path(given)
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "lambent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything about a node that can be chosen."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 9000
    warehouse_port: int = 5439  # 0: any free port
    isolation: str = "auto"  # auto | strict | process
    cpu: str = "weight"  # of functions: weight | cap
    network: str = "auto"  # of functions: auto | nat | host | none
    allow_network: str = ""  # CIDR[,...] that functions reach although it is not public
    image_sources: str = ""  # folders and registries [,...] that container images may come from
    kafka_brokers: str = ""  # HOST:PORT[,...] that OpenWhisk's feeds may read from
    public_url: str = ""  # how clients outside reach the node, when not by host and port
    region: str = "us-east-1"
    credentials: str = ""  # KEY:SECRET[:ACCOUNT][,...] or @FILE
    s3_endpoint: str = ""  # an S3 store to use in place of the embedded one
    s3_access_key: str = ""
    s3_secret_key: str = ""
    postgres: str = ""  # a connection URI to use in place of the embedded cluster
    idle_s: float = 600.0  # an instance without calls is reclaimed after this
    max_instances: int = 1000
    min_free_mb: int = 256  # with less memory left, idle instances make way for those that start
    snapstart_mb: int = 4096  # memory that the snapshots of SnapStart's versions may take together
    drain_s: float = 30.0  # how long a stopping node waits for what runs

    @property
    def allowed_networks(self) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.allow_network.split(",") if part.strip())

    @property
    def url(self) -> str:
        return self.public_url or f"http://{self.host}:{self.port}"


class BadSetting(Exception):
    """A setting that cannot be used; the message names it, its source and what would do."""


def _convert(name: str, kind: Any, value: Any, source: str) -> Any:
    try:
        return {"Path": Path, "int": int, "float": float, "str": str}[kind](value)
    except (TypeError, ValueError):
        raise BadSetting(f"{source}: {name} must be of type {kind}, not {value!r}") from None


def load(flags: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Settings:
    """Put the settings together; `flags` holds what the command line gave (None: not given).

    `lambent.toml` lies in the data folder. Raises `BadSetting`.
    """
    data = Path(flags.get("data") or environment.get("LAMBENT_DATA") or default_data()).absolute()
    kinds = {f.name: getattr(f.type, "__name__", f.type) for f in fields(Settings)}
    values: dict[str, Any] = {}
    path = data / "lambent.toml"
    if path.exists():
        try:
            written = tomllib.loads(path.read_text())
        except tomllib.TOMLDecodeError as error:
            raise BadSetting(f"{path}: {error}") from None
        if unknown := sorted(set(written) - set(kinds)):
            raise BadSetting(f"{path}: unknown setting {unknown[0]}; known are {', '.join(sorted(kinds))}")
        values |= {k: _convert(k, kinds[k], v, str(path)) for k, v in written.items()}
    for name, kind in kinds.items():
        variable = f"LAMBENT_{name.upper()}"
        if variable in environment:
            values[name] = _convert(name, kind, environment[variable], variable)
        if flags.get(name) is not None:
            values[name] = _convert(name, kind, flags[name], f"--{name.replace('_', '-')}")
    settings = Settings(**{**values, "data": data})
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    for name, choices in CHOICES.items():
        if getattr(settings, name) not in choices:
            raise BadSetting(f"{name} must be {_either(choices)}, not {getattr(settings, name)!r}")
    for network in settings.allowed_networks:
        try:
            ip_network(network)
        except ValueError as error:
            raise BadSetting(f"allow_network: {error}; a network is written like 10.1.0.0/16") from None


def _either(choices: tuple[str, ...]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}"
