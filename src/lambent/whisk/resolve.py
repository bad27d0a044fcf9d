"""Which action a name means: through packages and bindings, with the parameters that it inherits."""

from dataclasses import dataclass

from lambent.whisk.entities import Action, Package, Pairs
from lambent.whisk.errors import Refusal, forbidden
from lambent.whisk.kinds import SEQUENCE
from lambent.whisk.names import Name
from lambent.whisk.namespaces import Identity
from lambent.whisk.parameters import merge, truthy
from lambent.whisk.registry import Registry


@dataclass(frozen=True, slots=True)
class Resolved:
    """An action, what its package and the binding give it, and the binding that led to it."""

    action: Action
    inherited: Pairs = ()
    binding: Name | None = None

    @property
    def called(self) -> Name:
        """The name by which it was called."""
        own = self.action.name
        return own if self.binding is None else Name(self.binding.namespace, own.name, self.binding.name)

    @property
    def parameters(self) -> Pairs:
        return merge(self.inherited, self.action.parameters) if self.inherited else self.action.parameters

    @property
    def is_composition(self) -> bool:
        return self.action.kind != SEQUENCE and truthy(self.action.annotation("conductor"))

    @property
    def fixed(self) -> frozenset[str]:
        """The parameters that no caller may change; one without a value is not among them."""
        if not truthy(self.action.annotation("final")):
            return frozenset()
        return frozenset(pair["key"] for pair in self.parameters if pair["value"] is not None)


def resolve(registry: Registry, name: Name, identity: Identity) -> Resolved:
    """Raises `Refusal`: 404, or 403 for what belongs to others and is not shared."""
    own = name.namespace == identity.namespace.name
    if not name.package:
        if not own:
            raise forbidden(str(name))
        return Resolved(registry.get(name, Action))
    package = open_package(registry, name.of_package(), identity)
    if package.binding is None:
        return Resolved(registry.get(name, Action), package.parameters)
    target = open_package(registry, package.binding, identity)
    action = registry.get(Name(target.name.namespace, name.name, target.name.name), Action)
    return Resolved(action, merge(target.parameters, package.parameters), package.name)


def open_package(registry: Registry, name: Name, identity: Identity) -> Package:
    """A package that the caller may use. Of what is missing elsewhere nobody is told that it is missing."""
    if name.namespace == identity.namespace.name:
        return registry.get(name, Package)
    package = registry.find(name, Package)
    if package is None or not package.publish:
        raise forbidden(str(name))
    return package


def try_resolve(registry: Registry, name: Name, identity: Identity) -> Resolved | None:
    try:
        return resolve(registry, name, identity)
    except Refusal:
        return None
