"""Packet filter tables as netlink requests: a table has chains, a chain has rules, a rule has expressions.

Attributes go by their numbers in the kernel's linux/netfilter/nf_tables.h.
"""

import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from lambent.sandbox.netlink import NEW, NLM_F_APPEND, NLM_F_CREATE, Request, attribute, attributes, nested

PROTOCOL = 12  # NETLINK_NETFILTER
SUBSYSTEM = 10
BATCH_BEGIN, BATCH_END = 16, 17
NEW_TABLE, DELETE_TABLE, NEW_CHAIN, GET_CHAIN, NEW_RULE, NEW_SET = 0, 2, 3, 4, 6, 9
INET, IPV4, IPV6 = 1, 2, 10  # families of tables; the first has both
PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING = range(5)
RAW, FILTER, SOURCE_NAT = -300, 0, 100  # priorities; connections are tracked at -200
DROPPED, ACCEPTED, JUMP = 0, 1, -3
OWNED = 2  # the table ends with the socket that made it

REGISTER, VERDICT = 1, 0
DATA, DATA_VALUE, DATA_VERDICT = 3, 1, 2
EQUAL, UNEQUAL = 0, 1
PROTOCOL_FAMILY, INTERFACE_IN, NAME_IN, NAME_OUT, TRANSPORT = 15, 4, 6, 7, 16
NETWORK_HEADER, TRANSPORT_HEADER = 1, 2
ESTABLISHED, RELATED = 2, 4
FIB_INTERFACE, FIB_TYPE = 1, 3
FIB_SOURCE, FIB_DESTINATION, FIB_IN, FIB_PRESENT = 1, 2, 8, 32
LOCAL, BROADCAST, ANYCAST, MULTICAST = 2, 3, 4, 5  # types of destinations
DYNAMIC_SET, OVER = 0x20, 1
NAME_BYTES = 16
# Where a header has its source and its destination: offsets of both, and the length.
PLACES = {4: (12, 16, 4), 6: (8, 24, 16)}
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}

Subnet = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Chain:
    """Rules; those with a hook see packets there, the others when a rule jumps to them."""

    name: str
    rules: tuple[bytes, ...]
    hook: int | None = None
    priority: int = FILTER
    kind: str = "filter"
    policy: int = ACCEPTED


@dataclass(frozen=True, slots=True)
class Table:
    """Chains that others are jumped to from come after those."""

    name: str
    chains: tuple[Chain, ...]
    sets: tuple[str, ...] = ()  # of interfaces, filled by rules
    family: int = INET
    flags: int = 0

    def made(self) -> list[Request]:
        """All of it at once, or nothing."""
        head = attribute(1, _text(self.name)) + attribute(2, _number(self.flags))
        return self._batch(
            self._request(f"table {self.name}", NEW_TABLE, head, NEW),
            *(self._set(name, number) for number, name in enumerate(self.sets, 1)),
            *(self._chain(chain) for chain in self.chains),
            *(self._rule(chain.name, rule) for chain in self.chains for rule in chain.rules),
        )

    def removed(self) -> list[Request]:
        name = attribute(1, _text(self.name))
        return self._batch(self._request(f"end of table {self.name}", DELETE_TABLE, name))

    def _batch(self, *requests: Request) -> list[Request]:
        """One transaction."""
        body = struct.pack(">BBH", 0, 0, SUBSYSTEM)
        begin = Request(requests[0].what, BATCH_BEGIN, 0, body)
        return [begin, *requests, Request(requests[-1].what, BATCH_END, 0, body)]

    def _set(self, name: str, number: int) -> Request:
        names = attribute(1, _text(self.name)) + attribute(2, _text(name))
        numbers = ((3, DYNAMIC_SET), (4, 0), (5, 4), (10, number))  # flags, kind and length of the key, id
        body = names + b"".join(attribute(kind, _number(value)) for kind, value in numbers)
        return self._request(f"set {name}", NEW_SET, body)

    def _chain(self, chain: Chain) -> Request:
        body = attribute(1, _text(self.name)) + attribute(3, _text(chain.name))
        if chain.hook is not None:
            place = attribute(1, _number(chain.hook)), attribute(2, struct.pack(">i", chain.priority))
            body += nested(4, *place) + attribute(5, _number(chain.policy)) + attribute(7, _text(chain.kind))
        return self._request(f"chain {chain.name} of {self.name}", NEW_CHAIN, body)

    def _rule(self, chain: str, expressions: bytes) -> Request:
        names = attribute(1, _text(self.name)) + attribute(2, _text(chain))
        what = f"a rule of chain {chain} of {self.name}"
        return self._request(what, NEW_RULE, names + nested(4, expressions), NLM_F_CREATE | NLM_F_APPEND)

    def _request(self, what: str, kind: int, body: bytes, flags: int = NLM_F_CREATE) -> Request:
        return Request(what, SUBSYSTEM << 8 | kind, flags, struct.pack("=BBH", self.family, 0, 0) + body)


def chains() -> Request:
    """To be dumped: every chain of every family; `hooked` reads them."""
    return Request("list of chains", SUBSYSTEM << 8 | GET_CHAIN, 0, struct.pack("=BBH", 0, 0, 0))


def hooked(chain: bytes, hook: int) -> tuple[str, int] | None:
    """The table and the policy of a dumped chain that sees packets at this hook."""
    found = attributes(chain[4:])
    if 4 not in found or struct.unpack(">i", attributes(found[4])[1])[0] != hook:
        return None
    return found[1].rstrip(b"\0").decode(), struct.unpack(">i", found[5])[0]


def rule(*expressions: bytes) -> bytes:
    return b"".join(expressions)


def arriving(link: str) -> bytes:
    return _meta(NAME_IN) + _compare(_name(link))


def not_arriving(link: str) -> bytes:
    return _meta(NAME_IN) + _compare(_name(link), UNEQUAL)


def leaving(link: str) -> bytes:
    return _meta(NAME_OUT) + _compare(_name(link))


def not_leaving(link: str) -> bytes:
    return _meta(NAME_OUT) + _compare(_name(link), UNEQUAL)


def source(network: Subnet) -> bytes:
    return _within(network, PLACES[network.version][0])


def destination(network: Subnet) -> bytes:
    return _within(network, PLACES[network.version][1])


def over(transport: int) -> bytes:
    return _meta(TRANSPORT) + _compare(bytes([transport]))


def port(transport: int, number: int) -> bytes:
    """The destination's, of a transport protocol."""
    return over(transport) + _payload(TRANSPORT_HEADER, 2, 2) + _compare(struct.pack(">H", number))


def belongs() -> bytes:
    """To a connection that was let through before."""
    state = _expression("ct", attribute(1, _number(REGISTER)), attribute(2, _number(0)))
    return state + _masked(struct.pack("=I", ESTABLISHED | RELATED)) + _compare(bytes(4), UNEQUAL)


def bound_for(kind: int) -> bytes:
    """A destination that is, for the routes of this namespace, of a kind."""
    return _fib(FIB_TYPE, FIB_DESTINATION) + _compare(struct.pack("=I", kind))


def forged() -> bytes:
    """A source that is not reached over the link on which it arrived."""
    return _fib(FIB_INTERFACE, FIB_SOURCE | FIB_IN | FIB_PRESENT) + _compare(bytes(4))


def above_connections(most: int, counted_in: str) -> bytes:
    """More than so many connections at once over the link on which this one begins."""
    return _counted(counted_in, "connlimit", attribute(1, _number(most)), attribute(2, _number(OVER)))


def above_rate(per_second: int, counted_in: str) -> bytes:
    """More packets than so many a second over the link on which this one arrived."""
    rate, unit = (attribute(kind, struct.pack(">Q", value)) for kind, value in ((1, per_second), (2, 1)))
    burst, over = attribute(3, _number(per_second)), attribute(5, _number(OVER))
    return _counted(counted_in, "limit", rate, unit, burst, over)


def jump(chain: str) -> bytes:
    return _verdict(JUMP, attribute(2, _text(chain)))


def _verdict(code: int, *more: bytes) -> bytes:
    data = nested(2, nested(DATA_VERDICT, attribute(1, struct.pack(">i", code)), *more))
    return _expression("immediate", attribute(1, _number(VERDICT)), data)


def _expression(name: str, *data: bytes) -> bytes:
    return nested(1, attribute(1, _text(name)), nested(2, *data))


def _text(value: str) -> bytes:
    return value.encode() + b"\0"


def _number(value: int) -> bytes:
    return struct.pack(">I", value)


ACCEPT, DROP = _verdict(ACCEPTED), _verdict(DROPPED)
RESET = _expression("reject", attribute(1, _number(1)))
PROHIBITED = _expression("reject", attribute(1, _number(2)), attribute(2, b"\3"))
MASQUERADE = _expression("masq")
UNTRACKED = _expression("notrack")


def _meta(key: int) -> bytes:
    return _expression("meta", attribute(1, _number(REGISTER)), attribute(2, _number(key)))


def _compare(value: bytes, operation: int = EQUAL) -> bytes:
    how = attribute(1, _number(REGISTER)), attribute(2, _number(operation))
    return _expression("cmp", *how, nested(DATA, attribute(DATA_VALUE, value)))


def _payload(base: int, offset: int, length: int) -> bytes:
    values = enumerate((REGISTER, base, offset, length), 1)
    return _expression("payload", *(attribute(kind, _number(value)) for kind, value in values))


def _masked(mask: bytes) -> bytes:
    registers = (
        attribute(kind, _number(value)) for kind, value in enumerate((REGISTER, REGISTER, len(mask)), 1)
    )
    kept, flipped = nested(4, attribute(DATA_VALUE, mask)), nested(5, attribute(DATA_VALUE, bytes(len(mask))))
    return _expression("bitwise", *registers, kept, flipped)


def _within(network: Subnet, offset: int) -> bytes:
    length = PLACES[network.version][2]
    family = _meta(PROTOCOL_FAMILY) + _compare(bytes([FAMILIES[network.version]]))
    there = _payload(NETWORK_HEADER, offset, length) + _masked(network.netmask.packed)
    return family + there + _compare(network.network_address.packed)


def _fib(result: int, flags: int) -> bytes:
    values = enumerate((REGISTER, result, flags), 1)
    return _expression("fib", *(attribute(kind, _number(value)) for kind, value in values))


def _counted(name: str, what: str, *data: bytes) -> bytes:
    """A counter of its own for each interface, in a set."""
    into = attribute(1, _text(name)), attribute(3, _number(0)), attribute(4, _number(REGISTER))
    counter = nested(7, attribute(1, _text(what)), nested(2, *data))
    return _meta(INTERFACE_IN) + _expression("dynset", *into, counter)


def _name(link: str) -> bytes:
    """As the kernel has it; a name that ends with * stands for all that begin so."""
    return link[:-1].encode() if link.endswith("*") else link.encode().ljust(NAME_BYTES, b"\0")
