"""A second wall around files, where the kernel has Landlock: even of what is mounted writable, only this is.

Also loaded inside zygotes. Reading is not restricted, so opening a file for it costs nothing more.
"""

from __future__ import annotations

import os
import struct
import typing

from lambent.sandbox import syscalls

VERSION = 1  # a flag: asks for the version of the kernel's interface
MOVES, TRUNCATES, NETWORK, SCOPES = 2, 3, 4, 6  # the versions that brought these
PATH_BENEATH = 1

WRITE_FILE, REMOVE_DIR, REMOVE_FILE = 1 << 1, 1 << 4, 1 << 5
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK = 1 << 6, 1 << 7, 1 << 8, 1 << 9
MAKE_FIFO, MAKE_BLOCK, MAKE_SYM, REFER, TRUNCATE = 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14
SCOPE_ABSTRACT_UNIX_SOCKET, SCOPE_SIGNAL = 1, 2

WRITE = WRITE_FILE | TRUNCATE
CHANGE = WRITE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SOCK | MAKE_FIFO | MAKE_SYM | REFER
ALL = CHANGE | MAKE_CHAR | MAKE_BLOCK
COMMON = {"/dev": CHANGE}  # with /dev/shm; of the rest nothing is mounted writable
OWN = {"/tmp": CHANGE, "/proc": WRITE}


def version() -> int:
    """The kernel's; 0 when it has none, or one under which no file could be moved between folders."""
    try:
        found = syscalls.call("landlock_create_ruleset", None, 0, VERSION)
    except OSError:
        return 0
    return found if found >= MOVES else 0


class Wall:
    """What is the same for every process, made ready once."""

    def __init__(self, kernel: int) -> None:
        """`kernel` is `version()`, and not 0."""
        self.handled = ALL if kernel >= TRUNCATES else ALL & ~TRUNCATE
        words = [self.handled]
        if kernel >= NETWORK:
            words.append(0)  # the network has walls of its own
        if kernel >= SCOPES:
            words.append(SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL)
        self.attributes = struct.pack(f"={len(words)}Q", *words)

    def begin(self, places: typing.Mapping[str, int] = COMMON) -> int:
        """A descriptor of rules, with what can be allowed before a sandbox has its own mounts."""
        rules = syscalls.call("landlock_create_ruleset", self.attributes, len(self.attributes), 0)
        self._allow(rules, places)
        return rules

    def enclose(self, rules: int, places: typing.Mapping[str, int] = OWN) -> None:
        """Bind this process and its descendants for good. Needs no_new_privs."""
        self._allow(rules, places)
        syscalls.call("landlock_restrict_self", rules, 0)
        os.close(rules)

    def _allow(self, rules: int, places: typing.Mapping[str, int]) -> None:
        for place, rights in places.items():
            folder = os.open(place, os.O_PATH | os.O_CLOEXEC)
            rule = struct.pack("=Qi", rights & self.handled, folder)
            syscalls.call("landlock_add_rule", rules, PATH_BENEATH, rule, 0)
            os.close(folder)
