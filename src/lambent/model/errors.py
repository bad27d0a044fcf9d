"""What the platform refuses, as exceptions; each face gives them its service's own code and form."""


class PlatformError(Exception):
    """A refusal with AWS's words. `message` goes to the caller as it stands."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotFound(PlatformError):
    """The named thing does not exist."""


class Conflict(PlatformError):
    """The thing exists already, or its state does not allow this now."""


class InvalidParameter(PlatformError):
    """A value that the service refuses."""


class InvalidContent(PlatformError):
    """A payload that is not what it should be, usually not JSON."""


class Precondition(PlatformError):
    """The revision that the caller expected is not the one that is there."""


class TooLarge(PlatformError):
    """A body over its limit."""


class Forbidden(PlatformError):
    """The caller is known and may not."""


class Throttled(PlatformError):
    """No capacity is left for this caller now. `reason` is one of AWS's throttle reasons.

    `for_ever` when the function is not to run at all: its reserved concurrency is zero.
    """

    def __init__(
        self,
        reason: str = "ConcurrentInvocationLimitExceeded",
        retry_after_s: int = 1,
        *,
        for_ever: bool = False,
    ) -> None:
        super().__init__("Rate Exceeded.")
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.for_ever = for_ever


class RecursiveInvocation(PlatformError):
    """A chain of events that came by this function too often."""

    def __init__(self) -> None:
        super().__init__(
            "Lambda has detected your function being invoked in a recursive loop with other AWS resources "
            "and stopped your function's invocation."
        )


class SnapStartNotReady(Conflict):
    """The version's snapshot is being made."""


class SnapStartFailed(PlatformError):
    """What a version wants to do after it was restored went wrong."""


class SnapStartTimeout(PlatformError):
    """A version took too long to be restored."""


class InitFailed(Exception):
    """A version's init failed before anybody called it; `code` is one of AWS's reasons."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class Unavailable(PlatformError):
    """The platform cannot serve this now: a store is down, the disk is full, the node is stopping."""


class InUse(PlatformError):
    """Another change of the thing is under way."""
