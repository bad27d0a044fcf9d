"""The platform's programs as plain children of the test."""

from pathlib import Path

from tests.plain_child import PlainChild

from lambent.objects.place import Place
from lambent.sandbox.base import Program


class PlainHost:
    """The part of a `Host` that runs programs."""

    isolation = "process"

    def __init__(self, *programs: Program) -> None:
        self._programs = {program.name: program for program in programs}
        self.children: list[PlainChild] = []

    async def run(self, program: str) -> PlainChild:
        chosen = self._programs[program]
        log = chosen.folder.parent / f"{chosen.name}.log"
        self.children.append(PlainChild(chosen, log))
        return self.children[-1]

    def kill(self) -> None:
        for child in self.children:
            child.process.kill()
            child.process.wait(10)


def sweep(place: Place) -> None:
    """SeaweedFS leaves unix sockets behind, named after its ports."""
    for port in place.ports:
        for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            path.unlink(missing_ok=True)
