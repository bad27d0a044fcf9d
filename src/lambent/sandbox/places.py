"""Places for sandboxes, some made ahead: a network namespace takes longer than the rest of a sandbox."""

from dataclasses import dataclass, field

from lambent.sandbox.base import SandboxError
from lambent.sandbox.reach import Network
from lambent.sandbox.users import Users

READY = 64  # that wait for a burst


@dataclass(slots=True)
class Place:
    """What one sandbox after another may use: a user id and a network namespace."""

    index: int
    uid: int
    network: int


@dataclass(slots=True)
class Places:
    """They are kept until the launcher ends."""

    users: Users
    network: Network
    limit: int  # of all
    _free: list[Place] = field(default_factory=list)
    _made: int = 0

    @property
    def left(self) -> int:
        """How many can still be taken."""
        return self.limit - self._made + len(self._free)

    def take(self) -> Place:
        return self._free.pop() if self._free else self._make()

    def give_back(self, place: Place) -> None:
        self._free.append(place)

    def refill(self) -> bool:
        """Make one where one is short; False when there is nothing to do. Raises SandboxError, OSError."""
        if len(self._free) >= READY or self._made >= self.limit:
            return False
        self._free.append(self._make())
        return True

    def _make(self) -> Place:
        index = self._made + 1
        if index > self.limit:
            raise SandboxError(f"this node is at its limit of {self.limit} sandboxes (max_instances)")
        place = Place(index, self.users.sandbox(index), self.network.link(index))
        self._made = index
        return place
