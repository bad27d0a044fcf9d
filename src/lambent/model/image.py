"""A container image that a version runs: where it came from, and how it is started."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What is given with the function, `config`, goes before what the image says itself."""

    uri: str
    resolved_uri: str  # with the digest that the tag had
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    working_directory: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, object] = field(default_factory=dict)

    @property
    def arguments(self) -> list[str]:
        """The handler's name, mostly."""
        return self._given("Command") or list(self.command)

    @property
    def argv(self) -> list[str]:
        return [*(self._given("EntryPoint") or self.entry_point), *self.arguments]

    @property
    def folder(self) -> str:
        return str(self.config.get("WorkingDirectory") or self.working_directory or "/")

    def _given(self, name: str) -> list[str]:
        value = self.config.get(name)
        return list(map(str, value)) if isinstance(value, list | tuple) else []
