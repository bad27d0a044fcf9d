"""The connection to a process that tells what memory its first invocation touched."""

from collections.abc import Callable

from lambent.invoke.connection import Connection
from lambent.invoke.frames import Frame, Kind
from lambent.invoke.template import Template
from lambent.sandbox.base import Process

TOUCHED_BYTES = 32 * 1024


class Observed(Connection):
    """Keeps that with the template. The text goes back to processes of the same version, and is read by none
    of ours."""

    def __init__(self, process: Process, on_output: Callable[[bytes], None], template: Template) -> None:
        super().__init__(process, on_output)
        self._template: Template | None = template

    def _deliver(self, frame: Frame) -> None:
        if frame.kind != Kind.TOUCHED or self._template is None:
            super()._deliver(frame)
            return
        template, self._template = self._template, None
        if len(frame.payload) <= TOUCHED_BYTES:
            template.touched = frame.payload
