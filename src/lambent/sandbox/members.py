"""The processes of a sandbox, found by their pid namespace: for where no control group has the list."""

import os
from collections.abc import Iterator

PEAK = "VmHWM:"


def of(init: int) -> Iterator[int]:
    """All in the namespace of `init` but itself; those that may not be looked at are left out."""
    own = _namespace(init)
    for name in os.listdir("/proc"):
        if own and name.isdigit() and int(name) != init and _namespace(int(name)) == own:
            yield int(name)


def peak_bytes(pid: int) -> int:
    """The most memory that a process held, with what it shares; 0 once it is gone."""
    try:
        with open(f"/proc/{pid}/status") as status:
            found = next((line for line in status if line.startswith(PEAK)), None)
    except OSError:
        return 0
    return int(found.split()[1]) * 1024 if found else 0


def _namespace(pid: int) -> int:
    try:
        return os.stat(f"/proc/{pid}/ns/pid").st_ino
    except OSError:
        return 0
