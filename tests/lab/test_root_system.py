"""Of which mirrors a root file system is made: this machine's own."""

from __future__ import annotations

from picluster.lab.root_system import source_lines

INDICES = """http://mirror.example/debian/ bookworm main Packages
http://mirror.example/debian/ bookworm main Translations
http://mirror.example/debian/ bookworm-updates main Packages
http://security.example/ bookworm-security main Packages
http://security.example/ bookworm-security main Packages
https://elsewhere.example/ nodistro main Packages
https://elsewhere.example/ bookworm-ish main Translations
"""


def test_the_machines_own_mirrors_of_its_release_and_nothing_from_elsewhere() -> None:
    assert source_lines(INDICES, "bookworm") == [
        "deb http://mirror.example/debian/ bookworm main",
        "deb http://mirror.example/debian/ bookworm-updates main",
        "deb http://security.example/ bookworm-security main",
    ]
    assert source_lines(INDICES, "trixie") == []
