"""Users, ways through closed folders, links, scratch images: each kernel object by itself, in a child."""

import ipaddress
import os
from pathlib import Path

import pytest
from tests.sandbox.conftest import in_a_child

from lambent.sandbox import capabilities, jail, network, users
from lambent.sandbox.root import certificates


def test_ids_come_from_the_folder_and_stay(tmp_path: Path) -> None:
    one = users.users(tmp_path / "one")
    assert one == users.users(tmp_path / "one")
    assert one != users.users(tmp_path / "two")
    ids = [one.node, one.init, one.unpack, one.program(0), one.program(47), one.sandbox(0), one.sandbox(4031)]
    assert len(set(ids)) == len(ids)
    assert all(users.FIRST <= uid <= users.LAST for uid in ids)


def test_ids_end(tmp_path: Path) -> None:
    block = users.users(tmp_path)
    with pytest.raises(ValueError, match="no user id is left for sandboxes"):
        block.sandbox(4032)
    with pytest.raises(ValueError, match="programs"):
        block.program(48)


def test_paths_in_other_paths_need_no_way_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "ab").mkdir()
    paths = [tmp_path / "a" / "b", tmp_path / "a", tmp_path / "ab"]
    assert jail.outermost(paths) == [tmp_path / "a", tmp_path / "ab"]


def test_a_closed_folder_is_opened_for_what_is_needed_only(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    for name in ("deep/needed", "private"):
        (closed / name).mkdir(parents=True)
        (closed / name / "file").write_text(name)
    closed.chmod(0o700)
    code = """
        from lambent.sandbox import jail, spawn
        closed = Path(sys.argv[1])
        jail.open_ways([closed / "deep/needed", closed / "deep/needed/file"])
        spawn.become(1_900_000_000)
        print(json.dumps([(closed / "deep/needed/file").read_text(), (closed / "private").exists()]))
    """
    assert in_a_child(code, str(closed)) == ["deep/needed", False]


def test_addresses_differ_and_lie_in_one_range() -> None:
    addresses = [network.ip(index) for index in range(4000)]
    assert len(set(addresses)) == 4000
    carrier = ipaddress.ip_network("100.64.0.0/10")
    last = network.ip(network.ADDRESSES)
    assert all(ipaddress.ip_address(address) in carrier for address in (*addresses, last))
    assert len({network.mac(index) for index in range(4000)}) == 4000


@pytest.mark.slow
def test_a_link_reaches_the_platform_and_nobody_else() -> None:
    code = """
        import socket
        from lambent.sandbox.network import PLATFORM, Hub
        made = Hub((9000, 0))
        one, two = made.link(1), made.link(2)
        def reached(*address):
            try:
                with socket.create_connection(address, 3) as s:
                    return s.getsockname()[0]
            except OSError:
                return None
        own = made._inside(two, lambda: socket.create_server(("0.0.0.0", 1234)))
        print(json.dumps({
            "platform": made._inside(one, lambda: reached(PLATFORM, 9000)),
            "any": made._inside(one, lambda: reached(*made.listeners[0].getsockname())),
            "closed": made._inside(one, lambda: reached(PLATFORM, 9001)),
            "other": made._inside(one, lambda: reached("100.64.0.3", 1234)),
            "itself": made._inside(two, lambda: reached("127.0.0.1", 1234)),
        }))
    """
    found = in_a_child(code)
    assert found.pop("platform") == found.pop("any") == "100.64.0.2"
    assert found.pop("itself") == "127.0.0.1"
    assert set(found.values()) == {None}


@pytest.mark.slow
def test_a_scratch_image_has_its_size_and_leaves_nothing(tmp_path: Path) -> None:
    code = """
        from lambent.sandbox.scratch import Scratch
        scratch = Scratch(Path(sys.argv[1]))
        first, second = scratch.take(512), scratch.take(1024)
        first.open(1_900_000_000)
        sizes = [os.statvfs(i.folder).f_bavail * os.statvfs(i.folder).f_bsize >> 20 for i in (first, second)]
        files = os.listdir(first.folder)
        owner = first.folder.stat().st_uid
        scratch.remove(first); scratch.stop(); scratch.close()
        print(json.dumps({"sizes": sizes, "files": files, "owner": owner, "left": os.listdir(sys.argv[1])}))
    """
    found = in_a_child(code, str(tmp_path))
    assert 512 <= found["sizes"][0] <= 540
    assert 1024 <= found["sizes"][1] <= 1080
    assert (found["files"], found["owner"], found["left"]) == ([], 1_900_000_000, [])


@pytest.mark.slow
def test_the_pool_of_images_fills_up_and_is_larger_when_there_is_time(tmp_path: Path) -> None:
    code = """
        from lambent.sandbox import scratch as module
        module.READY, module.ASKED = 12, 3

        scratch = module.Scratch(Path(sys.argv[1]))
        scratch.take(1024)
        scratch.take(512)
        found = []
        for quiet in (False, True):
            while scratch.refill(quiet) or any(scratch._asked.values()):
                scratch._hear()
            found.append([len(scratch._ready[512]), len(scratch._ready[1024])])
        scratch.stop(); scratch.close()
        print(json.dumps([*found, module.POOLED]))
    """
    at_work, in_peace, pooled = in_a_child(code, str(tmp_path))
    assert at_work == [pooled, pooled]
    assert in_peace == [12, pooled]


def test_root_reads_no_other_file_for_the_node(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "bundle.pem").write_text("certificates")
    assert certificates(tmp_path, tmp_path / "state" / "bundle.pem") == b"certificates"
    (tmp_path / "state" / "link.pem").symlink_to("/etc/shadow")
    (tmp_path / "way").symlink_to("/etc")
    os.link(tmp_path / "state" / "bundle.pem", tmp_path / "state" / "second.pem")
    for path in ("state/link.pem", "way/shadow", "state/second.pem", "state"):
        with pytest.raises(Exception, match=r"symbolic|plain file|directory"):
            certificates(tmp_path, tmp_path / path)


@pytest.mark.slow
def test_this_machine_is_examined() -> None:
    found = {capability.name: capability for capability in capabilities.probe()}
    assert found["root"].ok is (os.geteuid() == 0)
    for capability in found.values():
        assert bool(capability.lost) is not capability.ok
        assert bool(capability.remedy) is not capability.ok
    assert capabilities.best_isolation() == "namespaces"


@pytest.mark.slow
def test_without_root_there_are_no_walls_and_doctor_says_so() -> None:
    code = """
        from lambent.sandbox import capabilities, spawn
        spawn.become(1_900_000_000)
        lost = [c.name for c in capabilities.probe() if not c.ok]
        print(json.dumps([lost, capabilities.best_isolation()]))
    """
    lost, isolation = in_a_child(code)
    assert {"root", "namespaces", "mounts"} <= set(lost)
    assert isolation == "process"
