"""What a node is started with: made by `lambent up`, read by the node, which may be another process."""

from dataclasses import dataclass

from lambent.model.identity import Credential
from lambent.runtimes.catalog import Catalog
from lambent.settings import Settings

ENDPOINT_DOOR, WAREHOUSE_DOOR = 9000, 5439  # the same for every function, whatever the ports outside


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What a node is started with besides its settings."""

    settings: Settings
    credentials: tuple[Credential, ...]
    certificates: str  # where functions find the bundle with the platform's authority
    catalog: Catalog
