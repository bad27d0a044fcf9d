"""What OpenWhisk tells everybody about itself: its limits, its runtimes, its version."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambent.faces.http import Request, Response
from lambent.faces.openwhisk_ask import answer
from lambent.whisk.kinds import Kinds
from lambent.whisk.namespaces import DEFAULT_LIMITS, Namespace
from lambent.whisk.sequences import LONGEST

MIB = 1024 * 1024
# Their key, ours, and how much smaller our unit is.
_SIZES = {
    "action_duration": ("ActionTimeout", 1),
    "action_memory": ("ActionMemory", MIB),
    "action_logs": ("ActionLogs", MIB),
}
_DEFAULTS = {"action_duration": 60_000, "action_memory": 256 * MIB, "action_logs": 10 * MIB}


@dataclass(frozen=True, slots=True)
class Info:
    """`GET /`, by which wskdeploy learns kinds and limits, and `GET /api/v1`, for `wsk property get`."""

    kinds: Kinds
    version: str
    build: str  # a date

    async def root(self, request: Request) -> Response:
        content = {
            "description": "OpenWhisk",
            "support": {
                "github": "https://github.com/apache/openwhisk/issues",
                "slack": "http://slack.openwhisk.org",
            },
            "api_paths": ["/api/v1"],
            "limits": _limits(),
            "runtimes": self._runtimes(),
        }
        return answer(content)

    def api(self, request: Request) -> Response:
        content = {
            "description": "OpenWhisk API",
            "api_version": "1.0.0",
            "api_version_path": "v1",
            "build": self.build,
            "buildno": self.version,
            "swagger_paths": {"ui": "/docs", "api-docs": "/api-docs"},
        }
        return answer(content)

    def _runtimes(self) -> Mapping[str, Any]:
        shown: dict[str, list[Mapping[str, Any]]] = {}
        for kind in self.kinds.runtimes:
            family = kind.partition(":")[0]
            entry = {
                "kind": kind,
                "image": f"openwhisk/action-{kind.replace(':', '-v')}",
                "deprecated": False,
                "default": kind == self.kinds.defaults.get(family),
                "attached": True,
                "requireMain": False,
            }
            shown.setdefault(family, []).append(entry)
        return shown


def _limits() -> Mapping[str, int]:
    limits = {
        "actions_per_minute": DEFAULT_LIMITS["invocationsPerMinute"],
        "triggers_per_minute": DEFAULT_LIMITS["firesPerMinute"],
        "concurrent_actions": DEFAULT_LIMITS["concurrentInvocations"],
        "sequence_length": LONGEST,
    }
    for theirs, (ours, unit) in _SIZES.items():
        limits[f"min_{theirs}"] = DEFAULT_LIMITS[f"min{ours}"] * unit
        limits[f"max_{theirs}"] = DEFAULT_LIMITS[f"max{ours}"] * unit
        limits[f"default_min_{theirs}"] = limits[f"min_{theirs}"]
        limits[f"default_max_{theirs}"] = limits[f"max_{theirs}"]
        limits[f"default_{theirs}"] = _DEFAULTS[theirs]
    return limits


def limits_document(namespace: Namespace) -> Mapping[str, Any]:
    """`GET /namespaces/NAMESPACE/limits`."""
    return {
        **DEFAULT_LIMITS,
        **namespace.own_limits,
        "storeActivations": namespace.stores_activations,
        "maxParameterSize": "1 MB",
        "maxPayloadSize": "1 MB",
        "truncationSize": "1 MB",
    }
