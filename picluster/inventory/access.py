"""The section `[access]`: how the controller gets into the nodes over SSH. A node may differ by its own `user`, `ssh_port`.

Agents do not read it: who may speak for a node is decided by the cluster's key.
"""

from __future__ import annotations

import re

from picluster.inventory.reader import Table, quoted
from picluster.model.inventory import Access

USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
"""What useradd(8) of Debian and its relatives takes for a login, without those that need quotes in a shell."""


def read_access(section: Table) -> Access:
    """The section's values, which hold for each node that says nothing else."""
    return _read(section, "port", Access())


def read_own_access(section: Table, common: Access) -> Access:
    """Of one node: there `port` is its agent's, so the one of SSH has a name of its own."""
    return _read(section, "ssh_port", common)


def _read(section: Table, port: str, default: Access) -> Access:
    return Access(_read_user(section, default.user), section.whole(port, 1, 65_535, default.port))


def _read_user(section: Table, default: str) -> str:
    found = section.text("user", quoted(default))
    if found is None:
        return default
    if not USER.fullmatch(found):
        rule = "letters, digits, dots, hyphens and underscores, 32 at most, a letter or an underscore first"
        section.add("user", f"{quoted(found)} is no login", f"Write the one that you made for the card, of {rule}")
        return default
    return found
