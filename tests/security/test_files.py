"""Files: the host's, the platform's, other functions', and what the kernel shows as files."""

import pytest
from tests.security.conftest import Ground

from lambent.cli.attempts import FILES

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

# What the kernel tells of the machine and of others on it: there, and empty.
MASKED = (
    "cmdline",
    "diskstats",
    "interrupts",
    "iomem",
    "kallsyms",
    "keys",
    "kmsg",
    "partitions",
    "timer_list",
)
MASKED_FOLDERS = ("bus", "fs", "irq", "pressure")


@pytest.mark.parametrize("what", FILES)
async def test_it_is_refused(ground: Ground, what: str) -> None:
    await ground.refused(FILES[what])


@pytest.mark.parametrize("name", MASKED)
async def test_what_the_kernel_tells_of_the_machine_is_empty(ground: Ground, name: str) -> None:
    path = f"/proc/{name}"
    assert await ground.got(f"got = os.path.exists({path!r}) and open({path!r}).read()") in ("", False)


@pytest.mark.parametrize("name", MASKED_FOLDERS)
async def test_the_kernels_folders_are_empty(ground: Ground, name: str) -> None:
    path = f"/proc/{name}"
    assert await ground.got(f"got = os.path.exists({path!r}) and os.listdir({path!r})") in ([], False)


async def test_what_programs_ask_the_kernel_is_there(ground: Ground) -> None:
    for name in ("cpuinfo", "filesystems", "loadavg", "meminfo", "stat", "uptime", "version", "net/dev"):
        assert await ground.got(f"got = open('/proc/{name}').read()")


async def test_the_data_folder_is_not_there(ground: Ground) -> None:
    for folder in ("state", "state/secret", "code", "code/neighbour", "sandbox"):
        answer = await ground.attempt(f"got = os.listdir({str(ground.data / folder)!r})")
        assert answer["refused"] == "FileNotFoundError"


async def test_other_functions_code_is_not_seen(ground: Ground) -> None:
    (ground.code("neighbour") / "secret.py").write_text("x = 1")
    walk = "got = [d for d, _, files in os.walk('/var/task/..') if 'secret.py' in files]"
    assert [d for d in await ground.got(walk) if "/lang/" not in d and "/runtime/" not in d] == []


async def test_the_neighbours_scratch_is_not_seen(ground: Ground) -> None:
    for folder in ("/tmp", "/dev/shm"):
        await ground.neighbour.call(f"open('{folder}/private', 'w').write('mine')")
        assert await ground.got(f"got = os.path.exists('{folder}/private')") is False


async def test_nothing_is_writable_but_scratch(ground: Ground) -> None:
    code = "got = [l.split()[1] for l in open('/proc/mounts') if l.split()[3].split(',')[0] == 'rw']"
    assert sorted(await ground.got(code)) == ["/dev/shm", "/proc", "/tmp"]


async def test_every_mount_forbids_setuid_programs(ground: Ground) -> None:
    code = "got = [l for l in open('/proc/mounts') if 'nosuid' not in l.split()[3].split(',')]"
    assert await ground.got(code) == []


async def test_only_the_harmless_devices_are_there(ground: Ground) -> None:
    code = "import stat\ngot = [n for n in os.listdir('/dev') if stat.S_ISCHR(os.lstat('/dev/' + n).st_mode)]"
    assert sorted(await ground.got(code)) == ["full", "null", "random", "urandom", "zero"]


async def test_the_root_holds_nothing_of_the_hosts_etc(ground: Ground) -> None:
    known = {
        "alternatives", "group", "hosts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "mime.types",
        "nsswitch.conf", "passwd", "pki", "protocols", "resolv.conf", "services", "ssl",
    }  # fmt: skip
    assert set(await ground.got("got = os.listdir('/etc')")) <= known
    assert set(await ground.got("got = os.listdir('/')")) <= {
        ".lambent", "bin", "dev", "etc", "lib", "lib64", "opt", "proc", "tmp", "usr", "var",
    }  # fmt: skip
