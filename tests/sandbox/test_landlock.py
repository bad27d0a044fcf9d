"""The wall around files: what it lets through, and that nothing else gets by, whatever the mounts allow."""

import pytest
from tests.sandbox.conftest import in_a_child

from lambent.sandbox import landlock

kernel = pytest.mark.skipif(not landlock.version(), reason="a kernel without Landlock")

ENCLOSED = """
import errno
from lambent.sandbox import landlock
base = Path(sys.argv[1])
for name in ("open", "closed"):
    (base / name / "in").mkdir(parents=True)
    (base / name / "file").write_text("x")
syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
parent = os.getpid()
def tried(*work):
    found = []
    for each in work:
        try:
            each()
            found.append("done")
        except OSError as error:
            found.append(errno.errorcode[error.errno])
    return found
def work(folder):
    return [
        lambda: (folder / "file").read_text(),
        lambda: os.listdir(folder),
        lambda: (folder / "new").write_text("x"),
        lambda: (folder / "folder").mkdir(),
        lambda: os.truncate(folder / "file", 0),
        lambda: os.symlink("file", folder / "link"),
        lambda: os.rename(folder / "file", folder / "in" / "file"),
        lambda: (folder / "in" / "file").unlink(),
    ]
"""


@kernel
def test_only_the_named_places_can_be_changed(tmp_path: object) -> None:
    code = """
wall = landlock.Wall(landlock.version())
wall.enclose(wall.begin({}), {str(base / "open"): landlock.CHANGE})
devices = [lambda: os.mknod(base / "open" / "null", 0o020666, os.makedev(1, 3))]
print(json.dumps([tried(*work(base / "open")), tried(*work(base / "closed")), tried(*devices)]))
"""
    opened, closed, device = in_a_child(ENCLOSED + code, str(tmp_path))
    assert opened == ["done"] * 8
    assert closed[:2] == ["done"] * 2
    assert set(closed[2:]) <= {"EACCES", "EXDEV", "ENOENT"}
    assert device == ["EACCES"]


@pytest.mark.skipif(landlock.version() < landlock.SCOPES, reason="a kernel whose Landlock has no scopes")
def test_signals_and_abstract_sockets_stay_inside(tmp_path: object) -> None:
    code = """
import socket
outside = socket.socket(socket.AF_UNIX)
outside.bind(f"\\0lambent-{parent}"); outside.listen()
read, write = os.pipe()
if os.fork() == 0:
    wall = landlock.Wall(landlock.version())
    wall.enclose(wall.begin())
    inside = socket.socket(socket.AF_UNIX)
    inside.bind(f"\\0lambent-inside-{parent}"); inside.listen()
    os.write(write, json.dumps(tried(
        lambda: os.kill(parent, 0),
        lambda: socket.socket(socket.AF_UNIX).connect(f"\\0lambent-{parent}"),
        lambda: os.kill(os.getpid(), 0),
        lambda: socket.socket(socket.AF_UNIX).connect(f"\\0lambent-inside-{parent}"),
    )).encode())
    os._exit(0)
os.wait()
print(os.read(read, 1000).decode())
"""
    assert in_a_child(ENCLOSED + code, str(tmp_path)) == ["EPERM", "EPERM", "done", "done"]


@pytest.mark.parametrize(("version", "size"), [(2, 8), (3, 8), (4, 16), (5, 16), (6, 24), (7, 24)])
def test_an_older_kernel_is_asked_for_what_it_knows(version: int, size: int) -> None:
    wall = landlock.Wall(version)
    assert len(wall.attributes) == size
    assert bool(wall.handled & landlock.TRUNCATE) is (version >= landlock.TRUNCATES)
