"""What the kernel has after netlink requests, as its older interfaces show it."""

import pytest
from tests.sandbox.conftest import in_a_child

pytestmark = pytest.mark.slow

# In a network namespace of its own; `shown` is one link by ioctl, `table` a file of /proc/net.
BEGIN = """
import fcntl, socket, struct
from lambent.sandbox.base import SandboxError
from lambent.sandbox.links import End, address, neighbour, pair, route, up
from lambent.sandbox.netlink import Netlink
GET_FLAGS, GET_ADDRESS, GET_MAC = 0x8913, 0x8915, 0x8927
def ask(request, name):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        return fcntl.ioctl(s, request, struct.pack("16s24x", name.encode()))[16:]
def shown(name):
    return {"index": socket.if_nametoindex(name), "mac": ask(GET_MAC, name)[2:8].hex(":"),
            "up": bool(ask(GET_FLAGS, name)[0] & 1)}
def table(name):
    return [line.split() for line in Path("/proc/thread-self/net", name).read_text().splitlines()[1:]]
syscalls.unshare(syscalls.CLONE_NEWNET)
links = Netlink()
ONE, TWO = "02:00:00:00:00:01", "02:00:00:00:00:02"
"""


def test_a_pair_has_the_indexes_names_and_macs_that_were_asked_for() -> None:
    code = """
links.ask([pair(End("one", 7, ONE, up=True), End("two", 1000, TWO))])
print(json.dumps([shown("one"), shown("two")]))
"""
    one, two = in_a_child(BEGIN + code)
    assert one == {"index": 7, "mac": "02:00:00:00:00:01", "up": True}
    assert two == {"index": 1000, "mac": "02:00:00:00:00:02", "up": False}


def test_a_peer_goes_to_another_namespace_and_its_socket_stays_there() -> None:
    code = """
home = os.open("/proc/self/ns/net", os.O_RDONLY)
syscalls.unshare(syscalls.CLONE_NEWNET)
there, inside = os.open("/proc/self/ns/net", os.O_RDONLY), Netlink()
syscalls.setns(home, syscalls.CLONE_NEWNET)
links.ask([pair(End("one", 2, ONE), End("two", 2, TWO, namespace=there))])
inside.ask([up(2)])
names = lambda: [name for _, name in socket.if_nameindex()]
here = names()
syscalls.setns(there, syscalls.CLONE_NEWNET)
print(json.dumps([here, names(), shown("two")]))
"""
    here, there, two = in_a_child(BEGIN + code)
    assert set(here) == {"lo", "one"}
    assert set(there) == {"lo", "two"}
    assert two == {"index": 2, "mac": "02:00:00:00:00:02", "up": True}


def test_addresses_routes_and_neighbours_are_made_in_order() -> None:
    code = """
links.ask([pair(End("one", 2, ONE, up=True), End("two", 3, TWO)), up(3), address(2, "10.1.2.3"),
           route(2, "10.9.8.7"), neighbour(2, "10.9.8.7", TWO)])
print(json.dumps([socket.inet_ntoa(ask(GET_ADDRESS, "one")[4:8]), table("route"), table("arp")]))
"""
    own, routes, neighbours = in_a_child(BEGIN + code)
    assert own == "10.1.2.3"
    little = "0708090A"  # 10.9.8.7 as /proc shows it
    assert [row[:3] + row[7:8] for row in routes] == [["one", little, "00000000", "FFFFFFFF"]]
    permanent = "0x6"
    assert neighbours == [["10.9.8.7", "0x1", permanent, "02:00:00:00:00:02", "*", "one"]]


def test_the_first_failure_is_told_and_the_socket_goes_on() -> None:
    code = """
def told(*requests):
    try:
        links.ask(requests)
    except SandboxError as error:
        return str(error)
both = End("one", 2, ONE, up=True), End("two", 3, TWO)
print(json.dumps([told(pair(*both)), told(pair(*both), up(99), up(1)), told(address(99, "10.0.0.1")),
                  told(up(1))]))
"""
    found = in_a_child(BEGIN + code)
    assert found == [None, "link one: File exists", "address 10.0.0.1: No such device", None]


def test_without_the_privilege_it_says_so() -> None:
    code = """
from lambent.sandbox import spawn
spawn.become(1_900_000_000)
try:
    Netlink().ask([up(1)])
except SandboxError as error:
    print(json.dumps(str(error)))
"""
    assert in_a_child(BEGIN + code) == "link 1 up: Operation not permitted"
