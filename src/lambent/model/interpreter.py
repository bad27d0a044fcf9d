"""An interpreter that functions run on."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python on this machine, under Lambda's name for it (`python3.11`)."""

    runtime: str
    executable: Path  # real path, no shim, no virtual environment
    prefix: Path  # sys.base_prefix; mounted at /var/lang
    version: str  # 3.11.7
    libraries: Path | None  # site folder with boto3 and what else functions find ready; read-only
