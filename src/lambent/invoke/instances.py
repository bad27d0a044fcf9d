"""How an instance is made: a version's files, an interpreter, walls, an environment, a log stream."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from lambent.invoke.environment import Surroundings, environment
from lambent.invoke.instance import Instance
from lambent.invoke.transcript import Events, Transcript
from lambent.model.function import Code, Version
from lambent.model.identity import Credential
from lambent.model.interpreter import Interpreter
from lambent.model.invocation import Run
from lambent.records.report import stream_name
from lambent.sandbox.base import Host, SandboxSpec
from lambent.store.bundle import Bundle

CREDENTIAL_LIFETIME_S = 12 * 3600
WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"  # a program that the runtime is started by


class Packages(Protocol):
    """Where unpacked code lies."""

    def folder(self, code: Code) -> Path: ...

    def bundle(self, code: Code) -> Bundle: ...

    def brought(self, code: Code, runtime: str) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Instances:
    """Makes instances. `issue` gives credentials for (account, role, session, lifetime in seconds)."""

    host: Host
    packages: Packages
    interpreter: Callable[[str], Interpreter]
    issue: Callable[[str, str, str, float], Credential]
    surroundings: Callable[[Version, Credential], Surroundings]
    write_log: Callable[[str, str, str, str, Events | Run], None]  # account, region, group, stream, events
    strict: bool = False  # accounts share no zygote

    async def make(self, version: Version, tenant: str | None, ahead: bool = False) -> Instance:
        """An instance whose init is done; `ahead` of its calls when its version is provisioned.

        Raises `SandboxError`; `InvalidParameter` for a lost runtime.
        """
        interpreter = self.interpreter(version.runtime)
        instance_id = uuid.uuid4().hex
        bundle = self.packages.bundle(version.code)
        spec = SandboxSpec(
            interpreter=interpreter,
            code=self.packages.folder(version.code),
            layers=tuple(self.packages.folder(layer.code) for layer in version.layers),
            memory_mb=version.memory_mb,
            tmp_mb=version.tmp_mb,
            own_packages=bundle.own_packages.union(
                *(self.packages.brought(layer.code, version.runtime) for layer in version.layers)
            ),
            imports=bundle.imports,
            account=version.key.account if self.strict else "",
        )
        if _is_observed(spec, version):
            interpreter = replace(interpreter, program=True)
            spec = replace(spec, interpreter=interpreter)
        sandbox = await self.host.create(spec)
        try:
            stream = stream_name(time.time(), version.version, instance_id)
            role = version.role.rpartition("/")[2]
            credential = self.issue(version.key.account, role, version.key.name, CREDENTIAL_LIFETIME_S)
            around = self.surroundings(version, credential)
            transcript = Transcript(self._log_of(version, stream))
            variables = environment(version, stream, credential, around, ahead)
            instance = Instance(version, interpreter, sandbox, variables, transcript)
            await instance.start()
        except BaseException:
            await sandbox.destroy()
            raise
        return instance

    def _log_of(self, version: Version, stream: str) -> Callable[[Events | Run], None]:
        key = version.key
        return partial(self.write_log, key.account, key.region, version.log_group, stream)


def _is_observed(spec: SandboxSpec, version: Version) -> bool:
    """Whether a Python needs to be a program: extensions hear of its invocations, or a wrapper starts it."""
    if not spec.interpreter.forks:
        return False
    extensions = (layer / "extensions" for layer in spec.layers)
    return WRAPPER in (version.environment or {}) or any(folder.is_dir() for folder in extensions)
