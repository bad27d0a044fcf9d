"""How fast a process may print: a bucket of bytes that fills up with time."""

from lambent.model.limits import MIB

RATE_BYTES_S = 32 * MIB
BURST_BYTES = 1 * MIB
LINE_BYTES = 1024  # what the work for each line comes to, in bytes: some thirty thousand a second
READ_BYTES = 16 * 1024  # what each read comes to: of many small writes few reads are made


class Flow:
    """Counts what was printed. Who prints faster finds the pipe full and waits, not the node."""

    __slots__ = ("_at", "_room")

    def __init__(self) -> None:
        self._at = 0.0
        self._room = float(BURST_BYTES)

    def pause_s(self, data: bytes, now: float) -> float:
        """Count `data`; how long nothing more shall be read. `now` is any clock that only goes forward."""
        room = min(BURST_BYTES, self._room + (now - self._at) * RATE_BYTES_S)
        self._at = now
        self._room = room - READ_BYTES - len(data) - LINE_BYTES * data.count(b"\n")
        return max(0.0, -self._room / RATE_BYTES_S)
