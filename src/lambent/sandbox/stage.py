"""The step between root and a program with a uid of its own: `stage UID PATH... -- ARGV`.

The program's paths are made reachable in a mount namespace of its own, then every privilege is given up.
"""

import os
import sys
from pathlib import Path

from lambent.sandbox import jail, spawn, syscalls


def main(arguments: list[str]) -> None:
    end = arguments.index("--")
    uid, paths, argv = int(arguments[0]), arguments[1:end], arguments[end + 1 :]
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    jail.open_ways(map(Path, paths))
    spawn.become(uid)
    os.execv(argv[0], argv)


if __name__ == "__main__":
    main(sys.argv[1:])
