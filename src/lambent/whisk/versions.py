"""Actions as functions of the model: what the invoker, the pool and the sandbox run."""

from collections.abc import Callable
from heapq import nlargest
from operator import attrgetter

from lambent.model.errors import NotFound
from lambent.model.function import State, Version
from lambent.model.names import FunctionKey, Target, role_arn
from lambent.whisk.entities import Action, Package
from lambent.whisk.kinds import BLACKBOX, Kinds
from lambent.whisk.names import Name
from lambent.whisk.namespaces import Namespaces
from lambent.whisk.parameters import gets_key, merge, variables
from lambent.whisk.registry import Registry

# Inside the sandbox: OpenWhisk's contract, spoken by our runtimes.
HANDLERS = {
    "python": "_lambent.action.handler",
    "nodejs": "_lambent.action",
    BLACKBOX: "_lambent.native.handler",
}
RECENT = 16
ROLE = "whisk"  # whose policies say what actions may do with the platform's other services


class Versions:
    """Resolves calls of actions; a version is made once and forgotten when its action changes."""

    def __init__(self, registry: Registry, namespaces: Namespaces, kinds: Kinds) -> None:
        self._registry = registry
        self._namespaces = namespaces
        self._kinds = kinds
        self._versions: dict[FunctionKey, Version] = {}
        self._keys: dict[Name, FunctionKey] = {}  # of names that entities have
        self._listeners: list[Callable[[FunctionKey], None]] = []
        registry.on_change(self._changed)

    def on_change(self, listener: Callable[[FunctionKey], None]) -> None:
        """Call `listener` whenever what a call of the action would run has changed or gone."""
        self._listeners.append(listener)

    def key(self, name: Name) -> FunctionKey:
        """Raises `NotFound`."""
        key = self._keys.get(name)
        if key is None:
            namespace = self._namespaces.get(name.namespace)
            if namespace is None:
                raise NotFound(f"Namespace not found: {name.namespace}")
            key = self._keys[name] = FunctionKey(namespace.account, namespace.region, str(name))
        return key

    def get(self, target: Target) -> Version:
        """What a call runs. Raises `NotFound`."""
        version = self._versions.get(target.key)
        if version is None:
            version = self._versions[target.key] = self._make(target.key)
        return version

    def serving(self, name: Name) -> list[Version]:
        """What a call of an action runs; nothing for what is no code."""
        action = self._registry.find(name, Action)
        return [self.get(Target(self.key(name)))] if action and action.code else []

    def recent(self) -> list[Version]:
        """The same of the actions that were changed last."""
        last = nlargest(RECENT, self._registry.everywhere(Action), key=attrgetter("updated"))
        return [version for action in last for version in self.serving(action.name)]

    def digests(self) -> set[str]:
        """The packages that any action needs."""
        return {action.code.digest for action in self._registry.everywhere(Action) if action.code}

    def _make(self, key: FunctionKey) -> Version:
        namespace, *package, name = key.name.split("/")
        action = self._registry.find(Name(namespace, name, *package), Action)
        if action is None or action.code is None:
            raise NotFound(f"Action not found: {key.name}")
        return Version(
            key=key,
            version=action.version,
            code=action.code,
            runtime=self._kinds.runtime(action.kind),
            handler=HANDLERS[action.kind.partition(":")[0]],
            role=role_arn(key.account, ROLE),
            timeout_s=action.limits.timeout_ms / 1000,
            memory_mb=action.limits.memory_mb,
            environment=self._environment(action),
            state=State.ACTIVE,
            state_reason=None,
            last_modified=str(action.updated),
            own_log_group=f"/openwhisk/{key.name}",
            per_tenant=True,  # what one namespace left in an instance is for no other that calls it
        )

    def _environment(self, action: Action) -> dict[str, str]:
        package = self._registry.find(action.name.of_package(), Package) if action.name.package else None
        inline = {} if action.archive else {"LAMBENT_ACTION_INLINE": "1"}
        owner = self._namespaces.owner(action.name.namespace)
        key = {"__OW_API_KEY": owner.auth} if owner and gets_key(action) else {}
        return {
            **variables(merge(package.parameters if package else (), action.parameters)),
            **inline,
            **key,  # for what is run at import; each call brings its caller's
            "__OW_NAMESPACE": action.name.namespace,
            "LAMBENT_ACTION_MAIN": action.main or "main",
            "__OW_ACTION_NAME": f"/{action.name}",
            "__OW_ACTION_VERSION": action.version,
        }

    def _changed(self, name: Name) -> None:
        """A package's parameters are in the environment of its actions."""
        try:
            key = self.key(name)
        except NotFound:
            return
        del self._keys[name]
        gone = [k for k in self._versions if k == key or k.name.startswith(f"{key.name}/")]
        for one in gone:
            del self._versions[one]
            for listener in self._listeners:
                listener(one)
