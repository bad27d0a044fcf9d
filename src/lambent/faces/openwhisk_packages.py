"""OpenWhisk's packages and bindings."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lambent.faces.http import Response
from lambent.faces.openwhisk_ask import Ask, answer
from lambent.faces.openwhisk_documents import package_document, package_summary
from lambent.faces.openwhisk_entity import read_given
from lambent.whisk.entities import Action, Entity, Package
from lambent.whisk.errors import EXISTS, Refusal, malformed
from lambent.whisk.names import OWN, Name, check_segment
from lambent.whisk.namespaces import Identity
from lambent.whisk.parameters import merge
from lambent.whisk.registry import Registry
from lambent.whisk.resolve import open_package

RESERVED = "default"
MISSING = "Binding references a package that does not exist."
NO_PACKAGE = "Cannot bind to a resource that is not a package."
BOUND = "Cannot bind to another package binding."
IS_PACKAGE = "Resource is a package and cannot be converted into a binding."
NOT_EMPTY = "Package not empty (contains {} {}). Set force param or delete package contents."


class Packages:
    """One method a verb; the path is NAME."""

    deepest = 1

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def list(self, ask: Ask) -> Response:
        """Others see what is shared."""
        packages = self._registry.of(ask.namespace, Package)
        return ask.list(package_summary(package) for package in packages if ask.own or package.publish)

    async def get(self, ask: Ask) -> Response:
        name = ask.name
        if ask.own and self._registry.find(name, Entity) is None:
            raise Refusal(404, f"The requested resource '{name}' does not exist.")
        package = open_package(self._registry, name, ask.identity)
        place = package
        if package.binding is not None:
            place = open_package(self._registry, package.binding, ask.identity)
        shown = replace(package, parameters=merge(place.parameters, package.parameters))
        inside = [
            action
            for action in self._registry.of(place.name.namespace, Action)
            if action.name.package == place.name.name
        ]
        feeds = [action for action in inside if _is_feed(action)]
        return answer(
            {
                **package_document(shown if place is not package else package),
                "actions": [_inner(action) for action in inside if action not in feeds],
                "feeds": [_inner(action) for action in feeds],
            }
        )

    async def put(self, ask: Ask) -> Response:
        name = ask.name
        ask.check_own(name)
        if name.name == RESERVED:
            raise Refusal(400, f"Package name '{RESERVED}' is reserved.")
        overwrite = ask.flag("overwrite")
        body = await ask.document()
        given = read_given(body)
        binding = self._binding(body.get("binding"), ask.identity)

        def change(before: Package | None) -> Package:
            if before is not None and not overwrite:
                raise Refusal(409, EXISTS)
            if before is not None and before.binding is None and binding is not None:
                raise Refusal(409, IS_PACKAGE)
            made = given.apply(before or Package(name=name), before)
            return _bound(made, binding or made.binding)

        return answer(package_document(await self._registry.put(name, Package, change)))

    async def delete(self, ask: Ask) -> Response:
        name = ask.name
        ask.check_own(name)
        force = ask.flag("force")

        def check(package: Package) -> None:
            inside = [a for a in self._registry.of(name.namespace, Action) if a.name.package == name.name]
            if inside and not force:
                raise Refusal(
                    409, NOT_EMPTY.format(len(inside), "entity" if len(inside) == 1 else "entities")
                )

        return answer(package_document(await self._registry.delete(name, Package, check)))

    def _binding(self, given: Any, identity: Identity) -> Name | None:
        if not given:
            return None
        if not isinstance(given, dict):
            raise malformed("Object expected")
        for key in ("namespace", "name"):
            if not isinstance(given.get(key), str):
                raise malformed(f"Object is missing required member '{key}'")
        own = identity.namespace.name
        namespace = own if given["namespace"] == OWN else check_segment(given["namespace"])
        name = Name(namespace, check_segment(given["name"]))
        if namespace == own and not isinstance(found := self._registry.find(name, Entity), Package):
            raise Refusal(409, NO_PACKAGE) if found else Refusal(400, MISSING)
        if open_package(self._registry, name, identity).binding is not None:
            raise Refusal(400, BOUND)
        return name


def _bound(package: Package, binding: Name | None) -> Package:
    """The annotation is the platform's own, whatever a client says."""
    annotations = tuple(pair for pair in package.annotations if pair["key"] != "binding")
    if binding is not None:
        place = {"namespace": binding.namespace, "name": binding.name}
        annotations += ({"key": "binding", "value": place},)
    return replace(package, binding=binding, annotations=annotations)


def _is_feed(action: Action) -> bool:
    return any(pair["key"] == "feed" for pair in action.annotations)


def _inner(action: Action) -> Mapping[str, Any]:
    return {"name": action.name.name, "version": action.version, "annotations": action.annotations}
