"""Packages: kept whole, unpacked once, deleted when nobody needs them."""

import asyncio
import base64
import hashlib
import io
import os
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lambent.model.errors import InvalidParameter, NotFound
from lambent.sandbox.process import ProcessHost
from lambent.store.packages import Packages


def zip_of(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/"), text)
    return buffer.getvalue()


ONE = zip_of(**{"h.py": "x = 1"})
TWO = zip_of(**{"h.py": "x = 2"})


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[ProcessHost]:
    host = ProcessHost(tmp_path)
    yield host
    await host.close()


@pytest.fixture
def packages(tmp_path: Path, host: ProcessHost) -> Packages:
    return Packages(tmp_path, host)


async def test_a_package_is_kept_under_its_digest(packages: Packages, tmp_path: Path) -> None:
    code = await packages.put(ONE)
    digest = hashlib.sha256(ONE)
    assert (code.digest, code.size) == (digest.hexdigest(), len(ONE))
    assert code.sha256 == base64.b64encode(digest.digest()).decode()
    assert (packages.folder(code) / "h.py").read_text() == "x = 1"
    assert packages.archive(code.digest).read_bytes() == ONE
    assert packages.archive(code.digest).parent == tmp_path / "state" / "packages"
    assert (tmp_path / "state" / "packages").stat().st_mode & 0o777 == 0o700


async def test_a_zip_of_our_own_making_needs_no_sandbox(tmp_path: Path) -> None:
    class NoHost:
        async def unpack(self, archive: Path, folder: Path, limit_bytes: int) -> None:
            raise AssertionError(archive)

    packages = Packages(tmp_path, NoHost())
    code = await packages.put(ONE, own=True)
    assert await packages.put(ONE, own=True) == code
    file = packages.folder(code) / "h.py"
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("x = 1", 0o444)
    assert packages.archive(code.digest).read_bytes() == ONE


async def test_many_uploads_of_one_zip_are_one(packages: Packages) -> None:
    codes = await asyncio.gather(*(packages.put(ONE) for _ in range(5)))
    assert len({code.digest for code in codes}) == 1
    assert await packages.put(ONE) == codes[0]


async def test_a_caller_who_hangs_up_leaves_a_whole_package(packages: Packages) -> None:
    call = asyncio.create_task(packages.put(ONE))
    other = asyncio.create_task(packages.put(ONE))
    await asyncio.sleep(0)
    call.cancel()
    code = await other
    assert call.cancelled()
    assert (packages.folder(code) / "h.py").exists()


@pytest.mark.parametrize(
    ("zipped", "message"),
    [
        (b"", "Uploaded file must be a non-empty zip"),
        (b"no zip", "Could not unzip uploaded file. Please check your file, then try to upload again."),
        (
            zip_of(**{"..__out.py": ""}),
            "Could not unzip uploaded file. Please check your file, then try to upload again.",
        ),
    ],
)
async def test_what_is_refused_leaves_nothing_behind(
    packages: Packages, tmp_path: Path, zipped: bytes, message: str
) -> None:
    for _ in range(2):
        with pytest.raises(InvalidParameter) as caught:
            await packages.put(zipped)
        assert caught.value.message == message
    left = [p for folder in ("state/packages", "code") for p in (tmp_path / folder).glob("*")]
    assert left == []
    assert not (tmp_path.parent / "out.py").exists()


async def test_own_packages_are_the_modules_at_the_top(packages: Packages) -> None:
    code = await packages.put(
        zip_of(
            **{
                "h.py": "",
                "numpy__core.py": "",
                "_fast.cpython-311-x86_64-linux-gnu.so": "",
                "requests-2.0.dist-info__METADATA": "",
                "README.md": "",
            }
        )
    )
    assert packages.bundle(code).own_packages == {"h", "numpy", "_fast"}


async def test_what_was_lost_is_unpacked_again(packages: Packages) -> None:
    code = await packages.put(ONE)
    os.rename(packages.folder(code), packages.folder(code).with_name(".gone"))
    await packages.ensure(code)
    assert (packages.folder(code) / "h.py").exists()


async def test_an_archive_that_is_not_there_is_not_found(packages: Packages) -> None:
    with pytest.raises(NotFound):
        packages.archive("../../state")


async def test_only_what_nobody_needs_is_collected(packages: Packages) -> None:
    one, two = await packages.put(ONE), await packages.put(TWO)
    assert await packages.collect({one.digest}) == []  # an instance of it may still run
    assert await packages.collect({one.digest}, grace_s=0) == [two.digest]
    assert packages.folder(one).exists()
    assert not packages.folder(two).exists()
    with pytest.raises(NotFound):
        packages.archive(two.digest)
    assert await packages.put(TWO) == two
    assert packages.folder(two).exists()


async def test_a_package_that_is_needed_again_begins_a_new_grace(
    packages: Packages, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("lambent.store.packages.time.monotonic", lambda: now[0])
    one = await packages.put(ONE)
    assert await packages.collect(set(), grace_s=10) == []
    now[0] = 9.0
    await packages.put(ONE)
    now[0] = 11.0
    assert await packages.collect(set(), grace_s=10) == []
    now[0] = 21.0
    assert await packages.collect({one.digest}, grace_s=10) == []
    now[0] = 40.0
    assert await packages.collect(set(), grace_s=10) == []
    now[0] = 50.0
    assert await packages.collect(set(), grace_s=10) == [one.digest]


async def test_the_start_sweeps_what_a_killed_node_had_not_finished(
    packages: Packages, tmp_path: Path
) -> None:
    one = await packages.put(ONE)
    half = tmp_path / "state" / "packages" / f".{one.digest}.zip.0123"
    half.write_bytes(b"half")
    folder = tmp_path / "code" / f".{one.digest}.x"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep").chmod(0o500)
    await packages.collect({one.digest}, grace_s=0)
    assert not half.exists()
    assert not folder.exists()
    assert packages.folder(one).exists()
