"""A line: the instances of one version and tenant, and who waits for one."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from lambent.invoke.instance import Instance
from lambent.model.function import Version

Place = asyncio.Future[Instance]


@dataclass(slots=True, eq=False)
class Line:
    """Callers on the wire are served before the queue; instances are lent again last in, first out."""

    key: str  # what the pool has it under
    version: Version
    tenant: str | None
    idle: list[tuple[float, Instance]] = field(default_factory=list)  # since when; the last used comes last
    urgent: deque[Place] = field(default_factory=deque)  # a caller waits on the wire
    patient: deque[Place] = field(default_factory=deque)  # it came from the queue
    starting: int = 0
    busy: int = 0
    retired: bool = False
    moved_at: float = 0.0  # when a call last ended, or somebody began to wait
    grown_at: float = 0.0  # when the queue was last given one more instance
    kept: int = 0  # provisioned concurrency: so many are there, called or not
    problem: str = ""  # why they are not

    @property
    def waiting(self) -> int:
        return len(self.urgent) + len(self.patient)

    @property
    def there(self) -> int:
        return len(self.idle) + self.busy

    @property
    def wanted(self) -> int:
        """How many shall start, with those that do."""
        return max(self.waiting, self.kept - self.there)

    @property
    def is_empty(self) -> bool:
        """Nothing is there and nothing will come."""
        return not (self.kept or self.idle or self.busy or self.starting or self.waiting)

    def freeze(self, limit: float) -> bool:
        """Freeze what has been idle since `limit`; False when there are others, for later."""
        all_of_them = True
        for since, instance in reversed(self.idle):
            if instance.frozen:  # and so are all that were used before it
                break
            if since <= limit:
                instance.freeze()
            else:
                all_of_them = False
        return all_of_them

    def next_place(self) -> Place | None:
        """Whoever is next to be served; those who gave up are passed over."""
        for places in (self.urgent, self.patient):
            while places:
                place = places.popleft()
                if not place.done():
                    return place
        return None
