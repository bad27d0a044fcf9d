"""The invoker: the way of one invocation, from a caller to its outcome."""

from collections.abc import Callable

from lambent.invoke.admission import Admission
from lambent.invoke.pool import Pool
from lambent.invoke.stream import Stream
from lambent.model.function import Version
from lambent.model.invocation import Invocation, Outcome
from lambent.model.lifecycle import check_invocable
from lambent.model.names import Target
from lambent.model.tenancy import check_tenant

Resolve = Callable[[Target], Version]
Settle = Callable[[Version, Invocation, Outcome], None]


class Invoker:
    """Takes an invocation from a caller to its outcome.

    A function's own error is an outcome; only the platform's errors are exceptions: `NotFound`, `Conflict`,
    `Throttled`, `InvalidContent`, `Unavailable`.
    """

    def __init__(self, resolve: Resolve, admission: Admission, pool: Pool, settle: Settle) -> None:
        self._resolve = resolve
        self._admission = admission
        self._pool = pool
        self._settle = settle

    async def invoke(self, invocation: Invocation, stream: Stream | None = None) -> Outcome:
        """An answer that a handler streams goes to `stream` as it comes, any other one into the outcome."""
        version = self.resolve(invocation.target)
        if version.per_tenant or invocation.tenant is not None:
            check_tenant(version, invocation.tenant)
        urgent = invocation.source == "api"
        with self._admission.admit(version.key):
            async with self._pool.instance(version, invocation.tenant, urgent=urgent) as instance:
                outcome = await instance.run(invocation, stream)
        self._settle(version, invocation, outcome)
        return outcome

    def resolve(self, target: Target) -> Version:
        """The version that a call of `target` runs. Raises `NotFound`, and `Conflict` while it cannot run."""
        version = self._resolve(target)
        check_invocable(version)
        return version
