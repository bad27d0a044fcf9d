"""A whole node for tests that an ordinary user started."""

import sys
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import RunningNode
from tests.sandbox.launched import ROOT, staged

from lambent.runtimes import shelf
from lambent.sandbox.programs import chown_tree
from lambent.sandbox.users import users

PATHS = [Path(sys.prefix), Path(sys.base_prefix), ROOT / "src", shelf.cache_folder()]


@dataclass
class RootlessNode(RunningNode):
    """Started by a user who is nobody else, and reaches `shown` of what the tests made."""

    shown: tuple[Path, ...] = ()

    def command(self) -> list[str]:
        uid = users(self.data).node
        self.data.mkdir(parents=True)
        chown_tree(self.data, uid, uid)
        libraries = f"LAMBENT_RUNTIMES={shelf.cache_folder()}"
        return ["/usr/bin/env", libraries, *staged(uid, [*PATHS, self.data, *self.shown], super().command())]
