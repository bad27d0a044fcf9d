"""What is known about a request once its signature is right."""

from dataclasses import dataclass
from typing import NamedTuple

from lambent.faces.authorization import UNSIGNED
from lambent.model.identity import Principal


@dataclass(frozen=True, slots=True)
class Payload:
    """What the signature says about an S3 body, with what its chunks' signatures go on from."""

    hash: str  # hex sha-256, UNSIGNED-PAYLOAD or STREAMING-…
    key: bytes = b""
    scope: str = ""
    timestamp: str = ""
    seed: str = ""  # the request's own signature


UNSIGNED_PAYLOAD = Payload(UNSIGNED)


class Verified(NamedTuple):
    """A request whose signature is right."""

    principal: Principal
    region: str
    service: str
    access_key: str
    payload: Payload = UNSIGNED_PAYLOAD
