"""OpenWhisk's actions: create, read, update, delete, list, invoke."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from lambent.faces.http import Response
from lambent.faces.openwhisk_ask import Ask, answer
from lambent.faces.openwhisk_documents import action_document, action_summary
from lambent.faces.openwhisk_entity import read_publish
from lambent.faces.openwhisk_exec import read_exec, read_limits
from lambent.faces.openwhisk_invoke import Invocations
from lambent.model.function import Code
from lambent.store.packages import Packages
from lambent.whisk import code as codes
from lambent.whisk.entities import Action, Package, next_version
from lambent.whisk.errors import EXISTS, Refusal, malformed
from lambent.whisk.kinds import SEQUENCE, Kinds
from lambent.whisk.names import Name
from lambent.whisk.parameters import merge, read_pairs
from lambent.whisk.registry import Registry
from lambent.whisk.resolve import open_package, resolve

KEY_ANNOTATION = "provide-api-key"
BOUND = "Operation not permitted on package binding."


class Actions:
    """One method a verb; the path is NAME or PACKAGE/NAME."""

    deepest = 2

    def __init__(
        self, registry: Registry, packages: Packages, kinds: Kinds, invocations: Invocations
    ) -> None:
        self._registry = registry
        self._packages = packages
        self._kinds = kinds
        self._invocations = invocations

    async def list(self, ask: Ask) -> Response:
        """Of a namespace, or of one of its packages."""
        if not ask.path[:-1]:
            ask.check_own()
            return ask.list(map(action_summary, self._registry.of(ask.namespace, Action)))
        package = open_package(self._registry, Name(ask.namespace, ask.path[0]), ask.identity)
        place = package.binding or package.name
        inside = [a for a in self._registry.of(place.namespace, Action) if a.name.package == place.name]
        return ask.list(map(action_summary, inside))

    async def get(self, ask: Ask) -> Response:
        resolved = resolve(self._registry, ask.name, ask.identity)
        action = replace(resolved.action, parameters=resolved.parameters)
        wanted = ask.flag("code", default=True)
        return answer(action_document(action, await self._code(action) if wanted else None))

    async def put(self, ask: Ask) -> Response:
        name = ask.name
        ask.check_own(name)
        overwrite = ask.flag("overwrite")
        self._check_package(name)
        before = self._registry.find(name, Action)
        body = await ask.document()
        if before is not None and not overwrite:
            raise Refusal(409, EXISTS)
        parts = await read_exec(body, name, ask.identity, self._registry, self._kinds)
        limits = read_limits(body.get("limits"), before, ask.identity.namespace)
        if parts.content is not None:
            stored: Code = await self._packages.put(parts.content, own=not parts.fields["archive"])
            parts.fields["code"] = stored
        change = _change(name, body, parts.fields, limits, overwrite)
        made = await self._registry.put(name, Action, change)
        return answer(action_document(made, await self._code(made)))

    async def delete(self, ask: Ask) -> Response:
        name = ask.name
        ask.check_own(name)
        self._check_package(name)
        code = await self._code(self._registry.get(name, Action))
        gone = await self._registry.delete(name, Action)
        return answer(action_document(gone, code))

    async def post(self, ask: Ask) -> Response:
        resolved = resolve(self._registry, ask.name, ask.identity)
        return await self._invocations.invoke(ask, resolved)

    async def _code(self, action: Action) -> str | None:
        if action.code is None:
            return None
        return await asyncio.to_thread(codes.show, action, self._packages.archive(action.code.digest))

    def _check_package(self, name: Name) -> None:
        if name.package:
            package = self._registry.get(name.of_package(), Package)
            if package.binding is not None or not self._registry.keeps(package.name):
                raise Refusal(400, BOUND)


def _change(
    name: Name, body: dict[str, Any], exec_: dict[str, Any], limits: Any, overwrite: bool
) -> Callable[[Action | None], Action]:
    """What a PUT makes of an action: annotations are merged, parameters and code replaced."""
    publish = read_publish(body)
    given = read_pairs(body.get("annotations"), "annotations")
    dropped = body.get("delAnnotations") or []
    if not isinstance(dropped, list):
        raise malformed(f"Expected List as JsArray, but got {orjson.dumps(dropped).decode()}")
    parameters = read_pairs(body["parameters"], "parameters") if "parameters" in body else None

    def change(before: Action | None) -> Action:
        if before is not None and not overwrite:
            raise Refusal(409, EXISTS)
        if before is None and not exec_:
            raise Refusal(400, "exec undefined")
        made = replace(before, **exec_) if before else Action(name=name, **exec_)
        kept = tuple(pair for pair in made.annotations if pair["key"] not in dropped)
        if before is None:
            kept = ({"key": KEY_ANNOTATION, "value": False},)
        own = {
            "limits": limits,
            "publish": made.publish if publish is None else publish,
            "version": body.get("version") or (next_version(before.version) if before else made.version),
            "annotations": merge(kept, given, ({"key": "exec", "value": made.kind},)),
        }
        if made.kind == SEQUENCE:
            names = [f"/{component}" for component in made.components]
            own["parameters"] = ({"key": "_actions", "value": names},)
        elif parameters is not None:
            own["parameters"] = parameters
        elif before is not None and before.kind == SEQUENCE:
            own["parameters"] = ()  # `_actions` was the sequence's own
        return replace(made, **own)

    return change
