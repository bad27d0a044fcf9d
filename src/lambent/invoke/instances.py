"""How an instance is made: a version's files, an interpreter, walls, an environment, a log stream."""

import asyncio
import logging
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from lambent.invoke.environment import Surroundings, environment, own_part, shared_part
from lambent.invoke.instance import Instance
from lambent.invoke.template import Origin, Template, identity
from lambent.invoke.transcript import Events, Transcript
from lambent.model.function import Code, Version
from lambent.model.identity import Credential
from lambent.model.interpreter import Interpreter
from lambent.model.invocation import Run
from lambent.model.limits import MEMORY_MB
from lambent.records.report import stream_name
from lambent.runtimes.catalog import DEFAULT_RUNTIME
from lambent.sandbox.base import Host, Sandbox, SandboxSpec
from lambent.store.bundle import Bundle

log = logging.getLogger(__name__)

CREDENTIAL_LIFETIME_S = 12 * 3600
TEMPLATE_CREDENTIAL_LIFETIME_S = 3600  # its init may need some; a copy of them is in the snapshot then
SPARE_MB = 64
STARTER = "provided.al2023"  # becomes the program of an image
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
        spec = self._spec(version)
        sandbox = await self.host.create(spec)
        try:
            instance = self._instance(version, spec, sandbox, ahead=ahead)
            await instance.start()
        except BaseException:
            await sandbox.destroy()
            raise
        return instance

    async def prepare(self, version: Version | None) -> None:
        """Have ready what the version's first instance would wait for, or that of a plain function.

        Raises as `make`.
        """
        if version is None:
            if not self.strict:  # whose it will be is not known
                plain = SandboxSpec(
                    interpreter=self.interpreter(DEFAULT_RUNTIME), code=Path(), imports=frozenset()
                )
                await self.host.prepare(plain)
            return
        if version.image is None:
            await asyncio.to_thread(self.packages.bundle, version.code)
        await self.host.prepare(self._spec(version))

    async def template(self, version: Version) -> Template:
        """Run a version's init once, for its instances to begin with. Raises `InitFailed`, `SandboxError`."""
        template = Template(secrets.token_urlsafe(32))
        spec = self._spec(version)
        if not (spec.interpreter.forks and self.host.snapshots):
            template.give_up("this runtime has no snapshots here")
            return template
        # The copy counts as the template's own memory while it is made.
        memory_mb = min(2 * spec.memory_mb + SPARE_MB, MEMORY_MB[1])
        sandbox = await self.host.create(replace(spec, memory_mb=memory_mb))
        try:
            await self._instance(version, spec, sandbox, template, "template").prepare(template)
        finally:
            await sandbox.destroy()
        if template.problem:
            log.warning("%s has no snapshot: %s", version.arn, template.problem)
        else:
            template.seal()
        return template

    async def spare(self, version: Version, template: Template) -> Instance:
        """An instance that has begun with a snapshot, up to its identity. Raises `Stale`, `SandboxError`."""
        instance = await self._begun(self._spec(version), version, template)
        try:
            await instance.lay()
        except BaseException:
            await instance.close()
            raise
        return instance

    async def restored(self, version: Version, template: Template, spare: Instance | None = None) -> Instance:
        """An instance that begins with a template, or runs init itself where there is no snapshot.

        Raises `Stale`, `SnapStartFailed`, `SnapStartTimeout`, `SandboxError`.
        """
        spec = self._spec(version)
        if not spec.interpreter.forks:
            return await self.make(version, None)
        instance = spare or await self._begun(spec, version, template)
        try:
            await (instance.start() if template.problem else instance.restore())
        except BaseException:
            await instance.close()
            raise
        return instance

    async def _begun(self, spec: SandboxSpec, version: Version, template: Template) -> Instance:
        return self._instance(version, spec, await self.host.create(spec), template, "plain")

    def _spec(self, version: Version) -> SandboxSpec:
        account = version.key.account if self.strict else ""
        folder = self.packages.folder
        if version.image is not None:
            return SandboxSpec(
                interpreter=self.interpreter(STARTER),
                code=folder(version.code),
                image=True,
                memory_mb=version.memory_mb,
                tmp_mb=version.tmp_mb,
                account=account,
            )
        bundle = self.packages.bundle(version.code)
        brought = (self.packages.brought(layer.code, version.runtime) for layer in version.layers)
        spec = SandboxSpec(
            interpreter=self.interpreter(version.runtime),
            code=folder(version.code),
            layers=tuple(folder(layer.code) for layer in version.layers),
            own_packages=bundle.own_packages.union(*brought),
            imports=bundle.imports,
            account=account,
            memory_mb=version.memory_mb,
            tmp_mb=version.tmp_mb,
        )
        observed = _is_observed(spec, version)
        return replace(spec, interpreter=replace(spec.interpreter, program=True)) if observed else spec

    def _instance(
        self,
        version: Version,
        spec: SandboxSpec,
        sandbox: Sandbox,
        template: Template | None = None,
        mode: str = "",
        ahead: bool = False,
    ) -> Instance:
        """One that has not begun. `mode` is how it does where it does not begin with the template."""
        stream = stream_name(time.time(), version.version, uuid.uuid4().hex)
        role = version.role.rpartition("/")[2]
        lifetime_s = TEMPLATE_CREDENTIAL_LIFETIME_S if mode == "template" else CREDENTIAL_LIFETIME_S
        credential = self.issue(version.key.account, role, version.key.name, lifetime_s)
        around = self.surroundings(version, credential)
        full = environment(version, stream, credential, around, ahead)
        origin = None
        if template is not None:
            own = own_part(full, Surroundings("") if mode == "template" else around)
            origin = Origin(identity(credential, own), None if template.problem else template)
            full = shared_part(full, around, mode, template.token)
        transcript = Transcript(self._log_of(version, stream))
        return Instance(version, spec.interpreter, sandbox, full, transcript, origin)

    def _log_of(self, version: Version, stream: str) -> Callable[[Events | Run], None]:
        key = version.key
        return partial(self.write_log, key.account, key.region, version.log_group, stream)


def _is_observed(spec: SandboxSpec, version: Version) -> bool:
    """Whether a Python needs to be a program: extensions hear of its invocations, or a wrapper starts it."""
    if not spec.interpreter.forks:
        return False
    extensions = (layer / "extensions" for layer in spec.layers)
    return WRAPPER in (version.environment or {}) or any(folder.is_dir() for folder in extensions)
