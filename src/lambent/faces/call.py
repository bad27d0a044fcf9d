"""What a face's method knows about the call besides its input."""

from dataclasses import dataclass

from lambent.model.identity import Principal


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one operation."""

    principal: Principal
    region: str
    account: str
    request_id: str
    service: str
    trace: str = ""  # X-Amzn-Trace-Id, which a function sends with every call
    peer: str = ""  # the caller's address
