"""A process's memory as a file: what a fork of the same zygote lays over its own to become that process.

A frozen process is copied by a fork of it. Pages that it never wrote come from the files that they are mapped
from; what the zygote had mapped and nobody can write is there already.
"""

from __future__ import annotations

import array
import json
import mmap
import os
import re
import struct
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Set, Tuple

from .checkpoint import LAST, STEP, TABLE_BYTES, Checkpoint

PAGE = mmap.PAGESIZE
GAP_PAGES = 16  # so many pages between two runs are copied too: a mapping costs more than they do
CHUNK_BYTES = 1 << 20
END = struct.Struct("=QQ")  # place and size of the description, at the end of the file
USER_END = 0x7FFFFFFFF000
PRESENT, SWAPPED, OF_FILE = 1 << 63, 1 << 62, 1 << 61
KEPT = ("[vdso]", "[vvar]", "[vvar_vclock]", "[vsyscall]")
MAP_SHARED, MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS, MAP_NORESERVE = 0x01, 0x02, 0x10, 0x20, 0x4000
MADV_WIPEONFORK = 18
OPENAT, CLOSE, MMAP, MUNMAP, BRK, RT_SIGACTION, PREAD, MADVISE = 257, 3, 9, 11, 12, 13, 17, 28
AT_FDCWD = 2**64 - 100
NONE = 2**64 - 1

_LINE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) (\S+) (\d+) *(.*)")


class Unfit(Exception):
    """This process cannot be copied; the text says what of it."""


class Area(NamedTuple):
    """A mapping, as /proc tells it."""

    start: int
    end: int
    mode: str
    offset: int
    device: str
    inode: int
    path: str
    flags: Tuple[str, ...] = ()
    own_kb: int = 0

    @property
    def shared(self) -> bool:
        return self.mode[3] == "s"

    @property
    def protection(self) -> int:
        return sum(bit for letter, bit in (("r", 1), ("w", 2), ("x", 4)) if letter in self.mode)


def areas(pid: str = "self") -> Iterator[Area]:
    with open("/proc/{}/smaps".format(pid)) as lines:
        area: Any = None
        own_kb = 0
        for line in lines:
            if line.startswith("Anonymous:"):
                own_kb = int(line.split()[1])
            elif line.startswith("VmFlags:"):
                yield area._replace(flags=tuple(line.split()[1:]), own_kb=own_kb)
            else:
                match = _LINE.match(line)
                if match:
                    start, end, mode, offset, device, inode, path = match.groups()
                    area = Area(
                        int(start, 16),
                        int(end, 16),
                        mode,
                        int(offset, 16),
                        device,
                        int(inode),
                        path.rstrip("\n"),
                    )


def fixed() -> Set[Tuple[Any, ...]]:
    """What a fork of a zygote has mapped that nobody writes: all other forks have it at the same place."""
    return {area[:6] for area in areas() if "w" not in area.mode}


class Copy:
    """Writes the memory of a frozen process, its forked parent, into a file."""

    def __init__(
        self, checkpoint: Checkpoint, known: Set[Tuple[Any, ...]], pid: int, file: int, spare: int
    ) -> None:
        """`spare` is the lowest free descriptor where the table is worked off."""
        self._checkpoint = checkpoint
        self._known = known
        self._file = file
        self._pid = str(pid)
        self._memory = os.open("/proc/{}/mem".format(pid), os.O_RDONLY)
        self._pagemap = os.open("/proc/{}/pagemap".format(pid), os.O_RDONLY)
        self._size = 0
        self._steps: List[Tuple[int, ...]] = []
        self._texts = b""
        self._text_at: Dict[bytes, int] = {}
        self._spare = spare

    def memory(self, signals: Mapping[int, bytes]) -> Tuple[int, int]:
        """Write the memory, then the table that lays it; the table's place and size in the file.

        `signals` has what is to be done about each, as the kernel takes it.
        """
        held = list(areas(self._pid))
        self._unmap(held)
        for area in held:
            for part in self._outside(area):
                self._lay(part)
        for number, action in signals.items():
            self._step(RT_SIGACTION, number, self._text(action), 0, 8)
        (stack,) = struct.unpack("=Q", os.pread(self._memory, 8, self._checkpoint.data))
        table = self._table(stack)
        return self.append(table), len(table)

    def append(self, data: bytes) -> int:
        """Where it begins."""
        place = self._size
        self._size += os.pwrite(self._file, data, place)
        return place

    def describe(self, told: Dict[str, Any]) -> None:
        """The end of the file; `description` reads it."""
        text = json.dumps(told).encode()
        self.append(text + END.pack(self._size, len(text)))

    def _unmap(self, held: List[Area]) -> None:
        """Whatever else is there where this process has nothing."""
        end = PAGE
        for area in held:
            if area.start > USER_END:
                break
            if area.start > end:
                self._step(MUNMAP, end, area.start - end)
            end = area.end
            if area.path == "[heap]":
                self._step(BRK, area.end, result=area.end)
        self._step(MUNMAP, end, USER_END - end)

    def _outside(self, area: Area) -> Iterator[Area]:
        """The parts that do not hold the checkpoint itself."""
        start = area.start
        for first, behind in sorted(self._checkpoint.places):
            if first >= area.end or behind <= start:
                continue
            if first > start:
                yield area._replace(start=start, end=first, offset=area.offset + start - area.start)
            start = behind
        if start < area.end:
            yield area._replace(start=start, offset=area.offset + start - area.start)

    def _lay(self, area: Area) -> None:
        if area.path in KEPT or area[:6] in self._known:
            return
        if area.shared and ("w" in area.mode or not area.path.startswith("/")):
            raise Unfit("it shares memory with others ({})".format(area.path or "anonymous"))
        if area.path == "[stack]":
            for start, end in self._runs(area):
                self._step(PREAD, self._file, start, end - start, self._store(start, end), result=end - start)
            return
        runs = [] if "wf" in area.flags else list(self._runs(area)) if area.own_kb else []
        if runs != [(area.start, area.end)]:
            self._base(area)
        for start, end in runs:
            self._map(start, end, area.protection, self._file, self._store(start, end))
        if "wf" in area.flags:
            self._step(MADVISE, area.start, area.end - area.start, MADV_WIPEONFORK)

    def _base(self, area: Area) -> None:
        """What lies under the pages that are the process's own."""
        if not area.inode:
            self._map(area.start, area.end, area.protection, NONE, 0)
            return
        try:
            same = os.stat(area.path).st_ino == area.inode
        except OSError:
            same = False
        if not same:
            raise Unfit("it has mapped a file that is gone, {}".format(area.path))
        self._step(
            OPENAT,
            AT_FDCWD,
            self._text(os.fsencode(area.path)),
            os.O_RDONLY | os.O_CLOEXEC,
            result=self._spare,
        )
        self._map(area.start, area.end, area.protection, self._spare, area.offset, area.shared)
        self._step(CLOSE, self._spare)

    def _runs(self, area: Area) -> Iterator[Tuple[int, int]]:
        """Where it has pages of its own."""
        count = (area.end - area.start) // PAGE
        found = array.array("Q", os.pread(self._pagemap, count * 8, area.start // PAGE * 8))
        first = last = -1
        for number, entry in enumerate(found):
            if not entry & (PRESENT | SWAPPED) or (entry & OF_FILE and not entry & SWAPPED):
                continue
            if last >= 0 and number - last > GAP_PAGES:
                yield area.start + first * PAGE, area.start + (last + 1) * PAGE
                first = number
            elif last < 0:
                first = number
            last = number
        if last >= 0:
            yield area.start + first * PAGE, area.start + (last + 1) * PAGE

    def _store(self, start: int, end: int) -> int:
        """Copy memory; where in the file it begins."""
        place = self._size
        while start < end:
            data = os.pread(self._memory, min(CHUNK_BYTES, end - start), start)
            if not data:
                raise Unfit("its memory at {:x} cannot be read".format(start))
            os.pwrite(self._file, data, self._size)
            self._size += len(data)
            start += len(data)
        return place

    def _map(
        self, start: int, end: int, protection: int, file: int, offset: int, shared: bool = False
    ) -> None:
        flags = MAP_FIXED | MAP_NORESERVE | (MAP_SHARED if shared else MAP_PRIVATE)
        flags |= MAP_ANONYMOUS if file == NONE else 0
        self._step(MMAP, start, end - start, protection, flags, file, offset, result=start)

    def _text(self, text: bytes) -> int:
        """Its place behind the steps: where that is, is known once they all are."""
        if text not in self._text_at:
            self._text_at[text] = len(self._texts)
            self._texts += text + b"\0" * (8 - len(text) % 8)
        return self._text_at[text]

    def _step(self, number: int, *arguments: int, result: int = 0) -> None:
        self._steps.append((number, *arguments, *(0,) * (6 - len(arguments)), result))

    def _table(self, stack: int) -> bytes:
        texts = self._checkpoint.table + STEP.size * (len(self._steps) + 1)
        steps = [
            (*step[:2], step[2] + texts, *step[3:]) if step[0] in (OPENAT, RT_SIGACTION) else step
            for step in self._steps
        ]
        steps.append((LAST, stack, 0, 0, 0, 0, 0, 0))
        table = b"".join(STEP.pack(*step) for step in steps) + self._texts
        if len(table) > TABLE_BYTES:
            raise Unfit("its memory has too many parts: {}".format(len(steps)))
        return table


def description(file: int) -> Dict[str, Any]:
    """What `describe` has written."""
    end = os.fstat(file).st_size - END.size
    place, size = END.unpack(os.pread(file, END.size, end))
    return json.loads(os.pread(file, size, place))  # type: ignore[no-any-return]
