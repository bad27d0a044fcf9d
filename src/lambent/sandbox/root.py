"""The minimal root of zygotes and sandboxes: the system's libraries, an interpreter, nothing private."""

import errno
import os
import shutil
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lambent.sandbox import init, syscalls
from lambent.sandbox.base import SandboxError
from lambent.sandbox.users import Users

PACKAGE = Path(__file__).parent.parent
OURS = "/.lambent"
RUNNER = f"{OURS}/lang"
CERTIFICATES = "/etc/ssl/lambent.pem"  # where a function finds the bundle, for SSL_CERT_FILE
CERTIFICATES_BYTES = 4 * 1024 * 1024
READ_ONLY = syscalls.MOUNT_ATTR_RDONLY | syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV
PROGRAMS = (b"#!", b"\x7fELF")  # how a file begins that can be executed
ROOT_OPTIONS = "size=8m,nr_inodes=1k,mode=755"
CONFIG_TIMEOUT_S = 60

# The host's folders and files that every runtime needs, where the host has them.
SYSTEM = (
    "/usr/bin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/share/ca-certificates",
    "/usr/share/zoneinfo",
    "/bin",
    "/lib",
    "/lib64",
    "/etc/alternatives",
    "/etc/ld.so.conf.d",
    "/etc/mime.types",
    "/etc/pki",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
)
EMPTY = (
    "dev/shm",
    "opt",
    "proc",
    "tmp",
    "var/lang",
    "var/runtime",
    "var/task",
    init.EMPTY.lstrip("/"),
    ".lambent/image",
)
DEVICES = {"full": (1, 7), "null": (1, 3), "random": (1, 8), "urandom": (1, 9), "zero": (1, 5)}
DEVICE_LINKS = {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}
# Files of ours that a zygote loads.
ZYGOTE = (
    "__init__",
    "sandbox/__init__",
    "sandbox/landlock",
    "sandbox/seccomp",
    "sandbox/syscalls",
    "sandbox/wire",
    "sandbox/zygote",
)
EXECUTABLES = (*ZYGOTE, "runtimes/__init__", "runtimes/start")
ARCHIVES = (
    *ZYGOTE,
    "sandbox/archive",
    "sandbox/image",
    "sandbox/base",
    "model/__init__",
    "model/interpreter",
)


def system_files(users: Users, sandboxes: int) -> dict[str, bytes]:
    """The init and what lies in /etc, by place."""
    people = users.names(sandboxes)
    passwd = "".join(f"{name}:x:{uid}:{uid}::/tmp:/bin/sh\n" for name, uid in people)
    group = "".join(f"{name}:x:{uid}:\n" for name, uid in people)
    return {
        init.PLACE: init.program(users.init),
        "/etc/passwd": passwd.encode(),
        "/etc/group": group.encode(),
        "/etc/hosts": b"127.0.0.1 localhost sandbox.localdomain sandbox\n",
        "/etc/nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files dns\n",
    }


def certificates(data: Path, path: Path) -> bytes:
    """A bundle in the data folder, which the node may have written; a link would lead root to other files."""
    base = os.open(data, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        descriptor = syscalls.open_beneath(base, str(path.relative_to(data)), os.O_RDONLY | os.O_NONBLOCK)
    finally:
        os.close(base)
    with open(descriptor, "rb") as file:
        facts = os.fstat(file.fileno())
        if facts.st_nlink != 1 or not stat.S_ISREG(facts.st_mode):
            raise SandboxError(f"{path} is no plain file")
        return file.read(CERTIFICATES_BYTES)


def grow(root: Path, binds: Sequence[tuple[Path, str]], files: dict[str, bytes]) -> None:
    """Build a root on `root`: a small tmpfs with the system, `binds` (host path, place), `files` by place."""
    syscalls.mount("lambent", str(root), "tmpfs", syscalls.MS_NOSUID, ROOT_OPTIONS)
    for place in EMPTY:
        (root / place).mkdir(parents=True)
    for name, (major, minor) in DEVICES.items():
        _device(root, f"/dev/{name}", os.makedev(major, minor))
    for name, target in DEVICE_LINKS.items():
        (root / "dev" / name).symlink_to(f"/proc/self/fd{target}")
    for path in map(Path, SYSTEM):
        if path.is_symlink() and path.parent == Path("/"):
            (root / path.name).symlink_to(path.readlink())
        elif path.exists():
            bind(path, root, str(path))
    for source, place in binds:
        bind(source, root, place)
    for place, content in files.items():
        file = root / place.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(0o755 if content.startswith(PROGRAMS) else 0o644)
    index_libraries(root)
    syscalls.mount("", str(root), "", syscalls.MS_REMOUNT | syscalls.MS_BIND | 1 | syscalls.MS_NOSUID)


def _device(root: Path, place: str, number: int) -> None:
    device = root / place.lstrip("/")
    try:
        os.mknod(device, 0o020666, number)
        os.chmod(device, 0o666)
    except PermissionError:  # in a user namespace none can be made
        bind(Path(place), root, place, READ_ONLY & ~syscalls.MOUNT_ATTR_NODEV)


def bind(source: Path, root: Path, place: str, attributes: int = READ_ONLY) -> None:
    """Show a host's folder or file at `place` under `root`, read-only."""
    target = root / place.lstrip("/")
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    mount = _copy_of(source)
    try:
        syscalls.mount_setattr(mount, attributes, recursive=True)
        syscalls.move_mount(mount, str(target))
    finally:
        os.close(mount)


def _copy_of(source: Path) -> int:
    """Without what is mounted in it, unless that may not be uncovered: in a user namespace of our own."""
    try:
        return syscalls.open_tree(str(source))
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return syscalls.open_tree(str(source), recursive=True)


def index_libraries(root: Path) -> None:
    """Tell the dynamic linker of /var/lang/lib: an interpreter's own run path names a place of the host."""
    ldconfig = shutil.which("ldconfig", path="/usr/sbin:/sbin")
    if ldconfig is None:  # no glibc: no index either
        return
    host = Path("/etc/ld.so.conf")
    (root / "etc/ld.so.conf").write_text(
        f"/var/lang/lib\n{RUNNER}/lib\n" + (host.read_text() if host.exists() else "")
    )
    command = [ldconfig, "-X", "-i", "-r", str(root)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=CONFIG_TIMEOUT_S)
    except subprocess.SubprocessError as error:  # or the launcher would end by it
        raise SandboxError(f"the libraries of a root could not be indexed: {error}") from error


def own_files(names: Sequence[str]) -> dict[str, bytes]:
    """Our modules, under the folder from which a zygote loads them."""
    return {f"{OURS}/lambent/{name}.py": (PACKAGE / f"{name}.py").read_bytes() for name in names}
