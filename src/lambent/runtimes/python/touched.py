"""The pages that a process touches until its first answer: found once, brought in ahead by all others.

Each page that is touched for the first time costs a fault, and hundreds of them half of a first answer.
"""

from __future__ import annotations

import array
import ctypes
import mmap
import os
import re
from typing import Any, Iterator, Tuple

PAGE = mmap.PAGESIZE
CHUNK_PAGES = 65536
READ, WRITE = 22, 23  # MADV_POPULATE_*, of Linux 5.14; elsewhere nothing is brought in
MOST_PAGES = {READ: 16384, WRITE: 2048}  # what is written is copied, and memory of each process
MOST_RUNS = 2048
OURS = ("[vdso]", "[vvar]", "[vvar_vclock]", "[vsyscall]", "[stack]")
_RUN = re.compile(rb"([\x80-\x9f]+)|[\xa0-\xbf]+")  # present and the process's own, or a file's


def find() -> bytes:
    """Of this process, as `bring` takes it."""
    left = dict(MOST_PAGES)
    found = array.array("Q")
    with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
        for start, end in _areas():
            for place, pages, how in _runs(pagemap.fileno(), start, end):
                if left[how] >= pages and len(found) < 2 * MOST_RUNS:
                    left[how] -= pages
                    found.extend((place | how, pages * PAGE))
    return found.tobytes()


def bring(told: bytes) -> None:
    """What cannot be brought in is not: it may never be touched."""
    runs = array.array("Q", told)
    madvise: Any = ctypes.CDLL(None).madvise
    for number in range(0, len(runs) - 1, 2):
        place, how = runs[number], runs[number] % PAGE
        madvise(ctypes.c_void_p(place - how), ctypes.c_size_t(runs[number + 1]), how)


def _areas() -> Iterator[Tuple[int, int]]:
    with open("/proc/self/maps") as lines:
        for line in lines:
            place, mode = line.split(None, 2)[:2]
            if mode[0] == "r" and not line.rstrip().endswith(OURS):
                start, _, end = place.partition("-")
                yield int(start, 16), int(end, 16)


def _runs(pagemap: int, start: int, end: int) -> Iterator[Tuple[int, int, int]]:
    """Place, number of pages, and how they were touched."""
    for place in range(start, end, CHUNK_PAGES * PAGE):
        count = min(CHUNK_PAGES, (end - place) // PAGE)
        entries = os.pread(pagemap, count * 8, place // PAGE * 8)
        for run in _RUN.finditer(entries[7::8]):  # the highest byte of each
            yield place + run.start() * PAGE, run.end() - run.start(), WRITE if run[1] else READ
