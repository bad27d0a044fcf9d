"""Places for sandboxes, some made ahead: a user, a network, a control group, which take longest to make."""

import os
from collections import deque
from dataclasses import dataclass, field

from lambent.sandbox.base import SandboxError
from lambent.sandbox.cgroup import Group, Tree
from lambent.sandbox.reach import Network
from lambent.sandbox.users import Users

READY = 256  # that wait for a burst


@dataclass(frozen=True, slots=True)
class Place:
    """Of one sandbox. Its user id serves another one later, its network namespace and its group do not."""

    index: int
    uid: int
    network: int
    group: Group


@dataclass(slots=True)
class Places:
    """As many as a node may have sandboxes."""

    users: Users
    network: Network
    tree: Tree
    limit: int
    _ready: list[Place] = field(default_factory=list)
    _vacant: deque[int] = field(init=False)
    _graves: list[Group] = field(default_factory=list)  # groups that could not be removed yet
    _made: int = 0
    _failed: bool = False

    def __post_init__(self) -> None:
        self._vacant = deque(range(1, self.limit + 1))

    @property
    def left(self) -> int:
        """How many can still be taken."""
        return len(self._ready) + len(self._vacant)

    @property
    def short(self) -> bool:
        """Whether one should be made ahead; not after a failure, until one is needed again."""
        return len(self._ready) < READY and bool(self._vacant) and not self._failed

    def take(self) -> Place:
        """Raises SandboxError."""
        self._failed = False
        return self._ready.pop() if self._ready else self._make()

    def give_back(self, place: Place) -> None:
        """What its connections leave, in /proc/net and on their way to it, is for nobody else."""
        self._graves = [group for group in (*self._graves, place.group) if not group.remove()]
        os.close(place.network)
        self._vacant.append(place.index)

    def refill(self) -> bool:
        """Make one where one is short; False when there is nothing to do. Raises as `take`."""
        if not self.short:
            return False
        self._failed = True
        self._ready.append(self._make())
        self._failed = False
        return True

    def _make(self) -> Place:
        if not self._vacant:
            raise SandboxError(f"this node is at its limit of {self.limit} sandboxes (max_instances)")
        self._made += 1
        network = self.network.link(self._made)
        group = self.tree.make(str(self._made))
        index = self._vacant.popleft()
        return Place(index, self.users.sandbox(index), network, group)
