"""What the functions of one runtime run on."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A program on this machine, under Lambda's name for it (`python3.11`, `nodejs20.x`).

    A Python is forked, with all that it has loaded. The other families become a program that speaks the
    Runtime API; of `provided` that is the function's own `bootstrap`. A Python does too where extensions are
    to hear of what it does, whose API is a part of that.
    """

    runtime: str
    executable: Path  # real path, no shim, no virtual environment
    prefix: Path  # sys.base_prefix; mounted at /var/lang
    version: str  # 3.11.7
    libraries: Path | None  # site folder with boto3 and what else functions find ready; read-only
    family: str = "python"  # python | nodejs | provided
    program: bool = False  # a Python that is not forked

    @property
    def forks(self) -> bool:
        return self.family == "python" and not self.program
