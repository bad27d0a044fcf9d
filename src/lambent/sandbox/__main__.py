"""The launcher as a program of its own: `python -m lambent.sandbox DESCRIPTOR`, where its configuration is.

It starts from nothing: the process that keeps root holds no account's key, and forks little memory.
"""

import os
import pickle
import sys

from lambent.sandbox.base import SandboxError
from lambent.sandbox.launcher import supervise


def main() -> int:
    with os.fdopen(int(sys.argv[1]), "rb") as given:
        config = pickle.load(given)  # written by `lambent up`, which became this process
    try:
        return supervise(config)
    except (SandboxError, OSError) as error:
        print(f"lambent: {error}", file=sys.stderr, flush=True)
        return 3


if __name__ == "__main__":
    sys.exit(main())
