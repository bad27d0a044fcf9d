"""OpenWhisk's entities as its API shows them."""

from collections.abc import Mapping
from typing import Any

from lambent.whisk.entities import Action, Entity, Package, Rule, Trigger
from lambent.whisk.kinds import SEQUENCE
from lambent.whisk.names import Name

Document = dict[str, Any]


def common(entity: Entity) -> Document:
    return {
        "annotations": entity.annotations,
        "name": entity.name.name,
        "namespace": entity.name.place,
        "publish": entity.publish,
        "updated": entity.updated,
        "version": entity.version,
    }


def action_summary(action: Action) -> Document:
    return {
        **common(action),
        "exec": {"binary": action.binary},
        "limits": action.limits.document(),
    }


def action_document(action: Action, code: str | None) -> Document:
    """`code` is None when it is not wanted."""
    exec_: Document = {"kind": action.kind}
    if action.kind == SEQUENCE:
        exec_["components"] = [f"/{name}" for name in action.components]
    else:
        exec_["binary"] = action.binary
        if code is not None:
            exec_["code"] = code
    for key, value in {"main": action.main, "image": action.image}.items():
        if value is not None:
            exec_[key] = value
    return {
        **common(action),
        "exec": exec_,
        "limits": action.limits.document(),
        "parameters": action.parameters,
    }


def package_summary(package: Package) -> Document:
    return {**common(package), "binding": _binding(package) or False}


def package_document(package: Package) -> Document:
    return {**common(package), "binding": _binding(package), "parameters": package.parameters}


def trigger_summary(trigger: Trigger) -> Document:
    return common(trigger)


def trigger_document(trigger: Trigger, rules: list[Rule]) -> Document:
    shown = {str(rule.name): {"action": _place(rule.action), "status": status(rule)} for rule in rules}
    return {
        **common(trigger),
        "limits": {},
        "parameters": trigger.parameters,
        **({"rules": shown} if shown else {}),
    }


def rule_summary(rule: Rule) -> Document:
    return {**common(rule), "action": _place(rule.action), "trigger": _place(rule.trigger)}


def rule_document(rule: Rule) -> Document:
    return {**rule_summary(rule), "status": status(rule)}


def status(rule: Rule) -> str:
    return "active" if rule.active else "inactive"


def _binding(package: Package) -> Mapping[str, str]:
    name = package.binding
    return {} if name is None else {"namespace": name.namespace, "name": name.name}


def _place(name: Name) -> Mapping[str, str]:
    return {"path": name.place, "name": name.name}
